"""What the rest of a period brings if a level is kept: an ensemble of small networks, and the best they know of."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from adsim.experiments.offline.expected_score import expected_score
from adsim.types import Floats

LEAST_SPREAD = 1e-3
GRID = 61
"""Levels among which the best is sought."""
WITHIN = (0.02, 0.98)
"""Quantiles of the levels in the data, between which they are."""


class Situations(NamedTuple):
    """Campaigns before a tick; n rows, in the units of `adsim.experiments.offline.shares.Shares`."""

    known: Tensor
    """What the outcome may depend on; (n, I)."""
    won: Floats
    paid: Floats
    left: Floats
    """Expected share of the period's traffic that is still to come."""
    unit: Floats


class Outcome(NamedTuple):
    """Of the rest of a period, at a level that is kept; arrays (n,)."""

    level: NDArray[np.float32]
    value: Floats
    cost: Floats
    utility: Floats
    """Expected score of the whole period."""


class OutcomeModel(nn.Module):
    """Value and cost to come if a level is kept, from what is known.

    PRO-Bid's global outcome predictor (arXiv 2602.08261); its form is derived. A few perceptrons, which learn from
    the same data in another order and from another start, tell value and cost of the coming tick per unit of traffic;
    times the traffic to come, up to the budget, that is the rest of the period. Whole periods would mislead: agents
    bid low where a market is kind, so that low levels would seem to bring the value.

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
        """Value and cost per unit of traffic, in each member's opinion; (members, n, 2)."""
        inputs = (torch.cat([known, level.unsqueeze(-1)], dim=-1) - self.centre) / self.spread
        return torch.stack([member(inputs) for member in self.members]) * self.scale

    def judge(self, at: Situations, level: Tensor) -> Outcome:
        """Mean opinion of what comes of keeping levels (n,), and its utility."""
        with torch.no_grad():
            rates = self(at.known, level).double().mean(0).clamp(min=0).numpy()
        value, cost = rates.T * at.left
        most = np.maximum(1 - at.paid, 0)
        share = np.minimum(most / np.maximum(cost, 1e-9), 1.0)
        value, cost = value * share, cost * share
        utility = expected_score(at.won, value, at.paid + cost, at.unit, self.power)
        return Outcome(level.numpy(), value, cost, utility)

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
    rates: Tensor,
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
        Of a tick.
    rates : Tensor (n, 2)
        Value and cost of the tick, per unit of traffic.
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
    model.scale.copy_(rates.std(0).clamp(min=LEAST_SPREAD))
    model.reach.copy_(torch.from_numpy(np.quantile(level.numpy(), WITHIN)))
    generator = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, steps, pct_start=0.05)
    for _ in range(steps):
        losses = []
        for member in model.members:
            some = torch.from_numpy(generator.integers(len(level), size=batch))
            guess = member((inputs[some] - model.centre) / model.spread)
            losses.append((guess - rates[some] / model.scale).square().mean())
        optimiser.zero_grad()
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
