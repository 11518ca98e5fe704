"""What the rest of a period brings at a mean level: an ensemble of small networks, and the best that they know of."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from adsim.experiments.offline.expected_score import expected_score
from adsim.types import Floats

LEAST_SPREAD = 1e-3
GRID = 21
"""Levels among which the best is sought."""
WITHIN = (0.01, 0.99)
"""Quantiles of the levels in the data, between which they are."""


class Situations(NamedTuple):
    """Campaigns before a tick; n rows, in the units of `adsim.experiments.offline.shares.Shares`."""

    known: Tensor
    """What the outcome may depend on; (n, I)."""
    won: Floats
    paid: Floats
    unit: Floats


class Outcome(NamedTuple):
    """Of the rest of a period, at a mean level; arrays (n,)."""

    level: NDArray[np.float32]
    value: Floats
    cost: Floats
    utility: Floats
    """Expected score of the whole period."""


class OutcomeModel(nn.Module):
    """Value and cost to come, from what is known and the mean level of the ticks to come.

    PRO-Bid's global outcome predictor (arXiv 2602.08261); its form is derived: a few perceptrons that learn from the
    same data in another order and from another start. They look at the mean level of all ticks to come, as a single
    tick hardly shows in what a period comes to, and agents that steer undo it.

    Parameters
    ----------
    known : int
        Numbers that are known (I).
    power : float
        Of the utility, see `adsim.experiments.offline.expected_score.expected_score`.
    width : int
        Of the two hidden layers.
    members : int
        Of the ensemble.
    """

    centre: Tensor
    spread: Tensor
    scale: Tensor
    reach: Tensor

    def __init__(self, known: int, power: float, width: int = 64, members: int = 3) -> None:
        super().__init__()
        self.power = power
        self.members = nn.ModuleList(
            nn.Sequential(
                nn.Linear(known + 1, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 2)
            )
            for _ in range(members)
        )
        self.register_buffer("centre", torch.zeros(known + 1))
        self.register_buffer("spread", torch.ones(known + 1))
        self.register_buffer("scale", torch.ones(2))
        self.register_buffer("reach", torch.tensor([-1.0, 1.0]))

    def forward(self, known: Tensor, level: Tensor) -> Tensor:
        """Value and cost to come, in each member's opinion; (members, n, 2)."""
        inputs = (torch.cat([known, level.unsqueeze(-1)], dim=-1) - self.centre) / self.spread
        return torch.stack([member(inputs) for member in self.members]) * self.scale

    def judge(self, at: Situations, level: Tensor) -> Outcome:
        """Mean opinion of what comes of levels (n,), never more cost than there is budget, and its utility."""
        with torch.no_grad():
            coming = self(at.known, level).double().mean(0).clamp(min=0).numpy()
        cost = np.minimum(coming[:, 1], np.maximum(1 - at.paid, 0))
        utility = expected_score(at.won, coming[:, 0], at.paid + cost, at.unit, self.power)
        return Outcome(level.numpy(), coming[:, 0], cost, utility)

    def best(self, at: Situations, levels: Tensor) -> Outcome:
        """The outcome of highest utility; levels (C, n), of which the first wins ties."""
        judged = [self.judge(at, level) for level in levels]
        choice = np.argmax([each.utility for each in judged], axis=0)
        rows = np.arange(choice.size)
        return Outcome(*(np.stack(part)[choice, rows] for part in zip(*judged, strict=True)))

    def plan(self, at: Situations) -> Outcome:
        """The best outcome at levels that the data tell of."""
        low, high = self.reach.tolist()
        return self.best(at, torch.linspace(low, high, GRID).unsqueeze(1).expand(-1, len(at.unit)))


def learn_outcomes(
    model: OutcomeModel,
    known: Tensor,
    level: Tensor,
    coming: Tensor,
    chance: Floats,
    *,
    seed: int,
    steps: int,
    batch: int = 512,
    learning_rate: float = 2e-3,
) -> None:
    """Fit a model by squared error.

    Parameters
    ----------
    model : OutcomeModel
        Changed in place.
    known : Tensor (n, I)
    level : Tensor (n,)
        Mean of the ticks to come.
    coming : Tensor (n, 2)
        Value and cost to come.
    chance : array (n,)
        Of a row to be drawn; sums to 1.
    seed : int
        Of the draws.
    steps : int
        Batches.
    batch : int
        Rows of a batch; each member has batches of its own.
    learning_rate : float
        Of AdamW; it rises over the first twentieth of the steps, and falls to 0.
    """
    inputs = torch.cat([known, level.unsqueeze(-1)], dim=-1)
    model.centre.copy_(inputs.mean(0))
    model.spread.copy_(inputs.std(0).clamp(min=LEAST_SPREAD))
    model.scale.copy_(coming.std(0).clamp(min=LEAST_SPREAD))
    model.reach.copy_(torch.from_numpy(np.quantile(level.numpy(), WITHIN)))
    edges = chance.cumsum()[:-1]
    generator = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, steps, pct_start=0.05)
    for _ in range(steps):
        losses = []
        for member in model.members:
            some = torch.from_numpy(np.searchsorted(edges, generator.random(batch)))
            guess = member((inputs[some] - model.centre) / model.spread)
            losses.append((guess - coming[some] / model.scale).square().mean())
        optimiser.zero_grad()
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
