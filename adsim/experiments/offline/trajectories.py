"""Trajectories: whole periods of single campaigns, as offline learners take them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.envs.features import NAMES
from adsim.envs.score import violation
from adsim.types import Floats

LEVEL = NAMES.index("multiplier_last")


class Trajectories(NamedTuple):
    """E periods of T ticks, of one campaign each, as `adsim/Bidding-v0` shows and rewards them."""

    observation: NDArray[np.float32]
    """Features before every tick, and after the last; (E, T + 1, F)."""
    action: NDArray[np.float32]
    """Of `adsim/Bidding-v0`, in [-1, 1]; (E, T)."""
    reward: Floats
    """Value won, less spend for a utility maximizer, with the correction that makes the return the score; (E, T)."""
    value: Floats
    """Won in each tick; (E, T)."""
    spend: Floats
    """(E, T)"""
    budget: Floats
    """inf without a budget; (E,)."""
    target_roi: Floats
    """0 without a target; (E,)."""
    value_per_conversion: Floats
    """(E,)"""
    campaign: NDArray[np.int64]
    """Index in its scenario; (E,)."""
    seed: NDArray[np.uint64]
    """Of its market; (E,)."""
    agent: NDArray[np.str_]
    """Who bid; (E,)."""

    @property
    def level(self) -> NDArray[np.float32]:
        """Logarithm of each tick's multiplier over the reference, over that of the span: in [-1, 1]; (E, T).

        What the learners call the action: an increment depends on where the multiplier stood, a level does not.
        """
        return self.observation[:, 1:, LEVEL]


def to_go(amounts: Floats) -> Floats:
    """Sums from each tick to the end; (E, T)."""
    return np.cumsum(amounts[:, ::-1], axis=1)[:, ::-1]


def shortfalls(trajectories: Trajectories) -> Floats:
    """Relative shortfalls of whole periods from their target ROI, see `adsim.envs.score.violation`; (E,)."""
    value, spend = trajectories.value.sum(axis=1), trajectories.spend.sum(axis=1)
    each = zip(value, spend, trajectories.target_roi, strict=True)
    return np.array([violation(one, money, 0.0, target, np.inf) for one, money, target in each], np.float64)
