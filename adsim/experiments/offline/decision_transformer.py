"""Decision Transformer: the levels that led to a return, and a high return asked for."""

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from adsim.experiments.offline.learning import Watch
from adsim.experiments.offline.like_campaigns import LikeCampaigns, terms_of
from adsim.experiments.offline.sequences import (
    Lesson,
    SequenceBidder,
    SequenceSettings,
    check_ticks,
    fit,
    states_of,
)
from adsim.experiments.offline.trajectories import Trajectories, to_go
from adsim.predictors.deep.training import settled
from adsim.types import Constraints, Floats, Totals

STEPS = 3_000
"""Batches, unless told otherwise."""


class Settings(SequenceSettings):
    """Of the Decision Transformer."""

    quantile: float = Field(0.8, ge=0, le=1)
    """Of the returns of like campaigns; what is asked for at play."""


class DecisionTransformer(SequenceBidder):
    """Levels given the return to go, in shares of what the budget affords (Chen et al. 2021, arXiv 2106.01345).

    The return of a period is its score. At play the return to go begins at a quantile of what like campaigns reached,
    and decreases by the value won (less spend, for a utility maximizer).

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(1, settings)
        self.quantile = settings.quantile
        self.like = LikeCampaigns(1)

    def begin(self, own: Constraints) -> None:
        """Ask for a quantile of the returns of like campaigns.

        Raises
        ------
        AdsimError
            For campaigns without a finite budget and a target.
        """
        super().begin(own)
        self._wanted = np.quantile(self.like.of(terms_of(own.budget, own.target_roi)), self.quantile, axis=1)

    def context(self, observation: NDArray[np.float32], totals: Totals) -> Floats:
        """Return to go, (E, 1): what was asked for at first, less what was won."""
        won = totals.value - np.where(self.own.maximizes_value, 0.0, totals.spend)
        return self._wanted - (won / (self.own.budget * self.own.target_roi))[:, None]


def build(settings: Settings) -> DecisionTransformer:
    """An untrained bidder, to be filled from a file."""
    return DecisionTransformer(settings)


def train(
    data: Trajectories, settings: Settings, *, seed: int = 0, steps: int = STEPS, watch: Watch | None = None
) -> DecisionTransformer:
    """Learn the levels of recorded periods, given their returns to go; see `adsim.experiments.offline.sequences.fit`.

    Raises
    ------
    AdsimError
        For campaigns without a finite budget and a target, or periods of too many ticks.
    """
    check_ticks(data, settings)
    terms = terms_of(data.budget, data.target_roi)
    returns = to_go(data.reward) / (data.budget * data.target_roi)[:, None]
    with settled(seed):
        bidder = DecisionTransformer(settings)
        bidder.normalise.fit(data.observation[:, :-1])
        bidder.like.keep(terms, returns[:, :1], seed)
        lesson = Lesson(
            contexts=torch.from_numpy(returns).float().unsqueeze(-1),
            states=states_of(data, bidder.normalise),
            levels=torch.from_numpy(data.level),
            chance=np.full(len(terms), 1 / len(terms)),
        )
        fit(bidder.network, lesson, settings, seed=seed, steps=steps, watch=watch)
    return bidder.eval()
