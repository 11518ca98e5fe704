"""Transitions, drawn from recorded periods in batches."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from adsim.errors import AdsimError
from adsim.experiments.offline.networks import Normaliser
from adsim.experiments.offline.trajectories import Trajectories
from adsim.types import Floats

HELD_OUT = 0.05
"""Share of the periods that no learner trains on."""


class Batch(NamedTuple):
    """B transitions; tensors (B,) unless said."""

    observation: Tensor
    """Normalised; (B, F)."""
    level: Tensor
    reward: Tensor
    """Of the next ticks, discounted, in units of the campaign's `worth`."""
    following: Tensor
    """The observation after them; (B, F)."""
    discount: Tensor
    """Of what follows; 0 where the period ends before."""


class Transitions:
    """All transitions of recorded periods.

    Parameters
    ----------
    data : Trajectories
    normalise : Normaliser
        Applied to observations once.
    ahead : int
        Ticks that a transition spans; fewer where the period ends before.
    discount : float
        From tick to tick.
    """

    def __init__(self, data: Trajectories, normalise: Normaliser, ahead: int = 1, discount: float = 1.0) -> None:
        episodes, self._ticks = data.reward.shape
        self.size = episodes * self._ticks
        self._ahead, self._discount = ahead, discount**ahead
        self._observation = normalise(torch.from_numpy(data.observation))
        self._level = torch.from_numpy(data.level.copy())
        rewards = discounted(data.reward / worth(data)[:, None], ahead, discount)
        self._reward = torch.from_numpy(rewards.astype(np.float32))

    def at(self, which: Tensor) -> Batch:
        """Those of these indices, (B,); ticks of a period stand next to each other."""
        period, tick = which // self._ticks, which % self._ticks
        after = (tick + self._ahead).clamp(max=self._ticks)
        return Batch(
            self._observation[period, tick],
            self._level[period, tick],
            self._reward[period, tick],
            self._observation[period, after],
            (after < self._ticks) * self._discount,
        )

    def sample(self, size: int, generator: Generator) -> Batch:
        """Some at random, with replacement."""
        return self.at(torch.randint(self.size, (size,), generator=generator))


def discounted(rewards: Floats, ahead: int, discount: float) -> Floats:
    """Sums of each tick's reward and those of the next ``ahead - 1``, discounted; (E, T)."""
    sums = rewards.copy()
    for later in range(1, min(ahead, rewards.shape[1])):
        sums[:, :-later] += discount**later * rewards[:, later:]
    return sums


def worth(data: Trajectories) -> Floats:
    """What each campaign can expect of a period, the unit of its returns; (E,).

    The value that its budget buys at the target ROI, or at a ROI of 1 without a target; without a budget, the mean
    value won by such campaigns.
    """
    affordable = data.budget * np.where(data.target_roi > 0, data.target_roi, 1.0)
    unlimited = np.isinf(affordable)
    if unlimited.any():
        won = float(data.value[unlimited].sum(1).mean())
        affordable = np.where(unlimited, won if won > 0 else 1.0, affordable)
    return affordable


def split(data: Trajectories, seed: int, share: float = HELD_OUT) -> tuple[Trajectories, Trajectories]:
    """Trajectories to learn from, and some to hold out: whole markets, since campaigns of one share their luck.

    Raises
    ------
    AdsimError
        When there are fewer than two markets.
    """
    markets = np.unique(data.seed)
    if markets.size < 2:
        raise AdsimError(f"{markets.size} markets: too few to learn from. Collect at least 2 periods.")
    count = max(round(share * markets.size), 1)
    held = np.isin(data.seed, np.random.default_rng(seed).permutation(markets)[:count])
    return pick(data, ~held), pick(data, held)


def pick(data: Trajectories, which: NDArray[np.bool_]) -> Trajectories:
    """Some of the trajectories."""
    return Trajectories._make(field[which] for field in data)
