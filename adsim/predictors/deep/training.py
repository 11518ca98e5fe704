"""How all deep models learn: Adagrad for tables, Adam for the rest, stopped by the loss on rows held out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

PATIENCE = 2
"""Passes without a better loss on the rows held out, after which training stops."""

Which = NDArray[np.integer] | slice
_ALONE = RLock()


class Trainer:
    """Two optimisers of one network.

    Losses are summed over a batch, so that a row of a table moves as far as it is seen often; Adagrad's accumulators
    begin at 1. A row that a batch looks up gets the gradient of ``decay / 2 * |row| ** 2`` besides.

    Parameters
    ----------
    network : Module
        Rows of its ``nn.Embedding`` are Adagrad's, all other parameters Adam's.
    rate, dense_rate : float
        Learning rates of the two.
    decay : float
        Of the rows that a batch looks up.
    """

    def __init__(self, network: nn.Module, rate: float, dense_rate: float, decay: float) -> None:
        self.network, self.decay = network, decay
        tables = [module for module in network.modules() if isinstance(module, nn.Embedding)]
        for table in tables:
            table.sparse = True
        self.rows = [table.weight for table in tables]
        ours = {id(weight) for weight in self.rows}
        dense = [weight for weight in network.parameters() if id(weight) not in ours]
        self.optimisers: list[torch.optim.Optimizer] = []
        if self.rows:
            self.optimisers.append(torch.optim.Adagrad(self.rows, lr=rate, initial_accumulator_value=1.0))
        if dense:
            self.optimisers.append(torch.optim.Adam(dense, lr=dense_rate))

    def step(self, loss: Tensor) -> None:
        """Follow the gradient of a batch's loss once."""
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for weight in self.rows:
            if weight.grad is not None and weight.grad.is_sparse:
                gradient = weight.grad.coalesce()
                gradient.values().add_(weight.detach()[gradient.indices()[0]], alpha=self.decay)
                weight.grad = gradient
        for optimiser in self.optimisers:
            optimiser.step()

    def fit(
        self,
        count: int,
        loss: Callable[[Which], Tensor],
        held_out: Callable[[], float],
        *,
        epochs: int,
        batch: int,
        seed: int,
    ) -> None:
        """Several passes over shuffled rows; what was best on the rows held out is kept.

        Parameters
        ----------
        count : int
            Number of rows.
        loss : callable
            Of some rows, summed.
        held_out : callable
            Mean loss on the rows held out.
        epochs, batch : int
            Most passes, and rows of a step.
        seed : int
            Of the order.
        """
        generator = torch.Generator().manual_seed(seed)
        best, least, since = self.arrays(), np.inf, 0
        for _ in range(epochs):
            order = torch.randperm(count, generator=generator).numpy()
            self.network.train()
            for first in range(0, count, batch):
                self.step(loss(order[first : first + batch]))
            now = held_out()
            if now < least:
                best, least, since = self.arrays(), now, 0
            else:
                since += 1
            if since == PATIENCE:
                break
        self.restore(best)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Copies of weights and of the optimisers' state, by name."""
        found = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for number, optimiser in enumerate(self.optimisers):
            for place, state in optimiser.state_dict()["state"].items():
                found |= {f"optimiser.{number}.{place}.{name}": value for name, value in state.items()}
        return {name: value.numpy().copy() for name, value in found.items()}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave."""
        tensors = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
        for number, optimiser in enumerate(self.optimisers):
            state: dict[int, dict[str, Tensor]] = {}
            head = f"optimiser.{number}."
            for name in [name for name in tensors if name.startswith(head)]:
                place, _, key = name.removeprefix(head).partition(".")
                state.setdefault(int(place), {})[key] = tensors.pop(name)
            optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
        self.network.load_state_dict({name.removeprefix("network."): value for name, value in tensors.items()})


@contextmanager
def settled(seed: int) -> Iterator[None]:
    """One thread, deterministic algorithms, and torch's own generator at a seed; all as before afterwards.

    These belong to the process: who comes from another thread of it waits.
    """
    sparse = torch.sparse.check_sparse_tensor_invariants(enable=False)  # type: ignore[no-untyped-call]
    with _ALONE, torch.random.fork_rng(devices=[]), sparse:
        threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(strict)
            torch.set_num_threads(threads)
