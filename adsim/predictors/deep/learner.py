"""Deep models as learners: one class that trains, saves and predicts, and a body for each model."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from adsim.errors import AdsimError
from adsim.predictors.deep.tables import Network, batch_of
from adsim.predictors.deep.training import Trainer, Which, settled
from adsim.predictors.features import Rows, Schema, Singles
from adsim.predictors.learner import Learner, check_labels
from adsim.types import Floats

CHUNK = 8192
"""Rows that are predicted at a time."""


@dataclass(eq=False)
class DeepLearner(Learner):
    """What deep models have in common; a subclass says what its body is.

    Two fits on one seed are the same to the bit: one thread, and no randomness but the seed's.

    Parameters
    ----------
    k : int
        Numbers of a value's vector.
    hidden : sequence of int
        Widths of the hidden layers of its perceptrons.
    rate, dense_rate : float
        Learning rates of Adagrad for the tables and of Adam for the rest.
    decay : float
        Weight decay of a table's row, for each batch that looks it up.
    epochs : int
        Most passes over the rows that `fit` makes.
    batch : int
        Rows of a step.
    """

    k: int = 16
    hidden: tuple[int, ...] = (64, 32)
    rate: float = 0.08
    dense_rate: float = 3e-3
    decay: float = 0.1
    epochs: int = 8
    batch: int = 1024

    reads_history: ClassVar[bool] = False
    """Whether it is of no use without one."""

    def __post_init__(self) -> None:
        for name in ("k", "epochs", "batch"):
            if getattr(self, name) < 1:
                raise AdsimError(f"{name} = {getattr(self, name)}: must be 1 at least.")
        for name in ("rate", "dense_rate", "decay"):
            if not 0 <= getattr(self, name) < np.inf:
                raise AdsimError(f"{name} = {getattr(self, name)}: must be a number, 0 at least.")

    @abstractmethod
    def body(self, schema: Schema) -> nn.Module:
        """A module that maps `Inputs` to logits (n,); tables and linear weights stand before it."""

    def network(self, schema: Schema) -> nn.Module:
        """A module that maps a `Batch` to logits (n,)."""
        return Network(schema, self.k, self.body(schema))

    def begin(self, schema: Schema, seed: int = 0) -> Self:
        """Forget everything; initial weights are drawn from the seed.

        Raises
        ------
        AdsimError
            When the model reads histories, and the schema has none.
        """
        if self.reads_history and not schema.history:
            raise AdsimError(f"{type(self).__name__} reads a user's history, and these features have none.")
        self.schema, self._seed = schema, seed
        with settled(seed):
            self._trainer = Trainer(self.network(schema), self.rate, self.dense_rate, self.decay)
        return self

    def fit(
        self,
        rows: Rows,
        labels: ArrayLike,
        weights: ArrayLike | None = None,
        *,
        valid: tuple[Rows, ArrayLike] | tuple[Rows, ArrayLike, ArrayLike] | None = None,
        seed: int = 0,
    ) -> Self:
        """Learn from scratch in several passes, stopped by the loss on ``valid``, else on the last tenth of rows.

        ``valid`` holds rows, labels and, if they are not all 1, weights. See `Learner.partial_fit` for the rest.
        """
        self.begin(rows.schema, seed)
        known = self._examples(rows, labels, weights)
        cut = len(rows) - len(rows) // 10
        if valid is None:
            known, held_out = (_part(known, which) for which in (slice(0, cut), slice(cut, None)))
        else:
            held_out = self._examples(valid[0], valid[1], valid[2] if len(valid) == 3 else None)
        with settled(seed):
            self._trainer.fit(
                len(known[0]),
                lambda which: self._loss(*_part(known, which)),
                lambda: self._held_out(held_out),
                epochs=self.epochs,
                batch=self.batch,
                seed=seed,
            )
        return self

    def partial_fit(self, rows: Rows, labels: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Learn from more rows, in their order, once each, a batch at a time; see `Learner.partial_fit`."""
        known = self._examples(rows, labels, weights)
        with settled(self._seed):
            self._trainer.network.train()
            for which in chunks(len(rows), self.batch):
                self._trainer.step(self._loss(*_part(known, which)))
        return self

    def predict_proba(self, rows: Rows) -> Floats:
        """Probability of the event, (n,)."""
        return self.probabilities(rows)

    def probabilities(self, rows: Rows) -> Floats:
        """Of one event (n,), or of all that the network tells apart (n, events)."""
        self.check(rows)
        network = self._trainer.network.eval()
        with settled(self._seed), torch.inference_mode():
            parts = [network(batch_of(rows.take(which))).numpy() for which in chunks(len(rows), CHUNK)]
        return expit(np.concatenate(parts, dtype=np.float64)) if parts else np.empty(0)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Weights and the optimisers' state, by name."""
        self._begun()
        return self._trainer.arrays()

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what another of the same parameters and schema has learned."""
        try:
            self._trainer.restore(arrays)
        except (RuntimeError, IndexError) as error:
            raise ValueError(str(error)) from None

    def losses(self, logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        """Loss of each row, (n,)."""
        return cross_entropy(logits, labels, weights, reduction="none")

    def _examples(self, rows: Rows, labels: ArrayLike, weights: ArrayLike | None) -> "Examples":
        self.check(rows)
        return rows, *check_labels(rows, labels, weights)

    def _loss(self, rows: Rows, labels: Singles, weights: Singles) -> Tensor:
        """Summed."""
        logits = self._trainer.network(batch_of(rows))
        return self.losses(logits, torch.from_numpy(labels), torch.from_numpy(weights)).sum()

    def _held_out(self, known: "Examples") -> float:
        """Loss on rows that are not learned from."""
        self._trainer.network.eval()
        with torch.inference_mode():
            return sum(float(self._loss(*_part(known, which))) for which in chunks(len(known[0]), CHUNK))


Examples = tuple[Rows, Singles, Singles]
"""Rows, labels, weights."""


def _part(known: Examples, which: Which) -> Examples:
    rows, labels, weights = known
    return rows.take(which), labels[which], weights[which]


def chunks(count: int, size: int) -> Iterator[Which]:
    """Slices of ``count`` rows, one after another."""
    return (slice(first, min(first + size, count)) for first in range(0, count, size))
