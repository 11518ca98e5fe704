"""PRO-Bid: what value is still required, what cost still allowed, and better levels than those that were played."""

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from adsim.experiments.offline.counterfactual import improve
from adsim.experiments.offline.learning import Watch
from adsim.experiments.offline.like_campaigns import terms_of
from adsim.experiments.offline.networks import FEATURE_COUNT
from adsim.experiments.offline.outcome_model import OutcomeModel, Situations, learn_outcomes
from adsim.experiments.offline.pareto import gaps
from adsim.experiments.offline.sequences import (
    Lesson,
    SequenceBidder,
    SequenceSettings,
    check_ticks,
    fit,
    states_of,
)
from adsim.experiments.offline.shares import TRAFFIC, Shares, shares_of
from adsim.experiments.offline.trajectories import Trajectories
from adsim.predictors.deep.training import settled
from adsim.types import Constraints, Floats, Totals

STEPS = 3_000
"""Batches, unless told otherwise."""


class Settings(SequenceSettings):
    """Of PRO-Bid. The paper's own numbers could not be had; all are ours."""

    temperature: float = Field(0.1, gt=0)
    """Distance from the Pareto frontier, in shares of the affordable value, that makes a period e times rarer."""
    gain: float = Field(0.01, gt=0)
    """See `adsim.experiments.offline.counterfactual.improve`."""
    power: float = Field(4.0, ge=0)
    """Of the utility: how much a missed target costs. 2 is the score; more keeps further away from missing it."""
    revision: float = Field(0.3, ge=0, le=1)
    """Share by which what is aimed at follows each new plan."""
    outcome_steps: int = Field(4_000, ge=1)
    """Batches of the outcome model."""
    cdpr: bool = True
    """False leaves out contexts and weights."""
    cro: bool = True
    """False learns the levels as they were played."""


class ProBid(SequenceBidder):
    """Levels given the value still required and the cost still allowed (arXiv 2602.08261).

    Both are in shares of what the budget affords, and decrease by what is won and paid. In training they are what the
    period went on to bring. At play they are what is left of an aim: a point of the cost-value frontier that the
    outcome model expects of this campaign, that of highest utility. As little is known of a market before it has been
    seen, the aim is revised every tick. Frontier, utility and revision are derived.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(2, settings)
        self.outcomes = OutcomeModel(FEATURE_COUNT + 4, settings.power)
        self.revision, self.conditioned = settings.revision, settings.cdpr

    def begin(self, own: Constraints) -> None:
        """Forget the last period.

        Raises
        ------
        AdsimError
            For campaigns without a finite budget and a target.
        """
        super().begin(own)
        self._terms = terms_of(own.budget, own.target_roi)
        self._aim = np.zeros((len(self._terms), 2))
        self._tick = 0

    def context(self, observation: NDArray[np.float32], totals: Totals) -> Floats:
        """Value still required and cost still allowed; (E, 2)."""
        affordable = self.own.budget * self.own.target_roi
        won, paid = totals.value / affordable, totals.spend / self.own.budget
        done = np.stack([won, paid], axis=1)
        known = known_of(self.normalise(torch.from_numpy(observation)), won, paid, self._terms)
        left = observation[:, TRAFFIC].astype(np.float64)
        unit = self.own.value_per_conversion / affordable
        plan = self.outcomes.plan(Situations(known, won, paid, left, unit))
        share = max(1 / max(self._tick, 1), self.revision)
        self._aim += share * (done + np.stack([plan.value, plan.cost], axis=1) - self._aim)
        self._tick += 1
        return (self._aim - done) * self.conditioned


def known_of(states: Tensor, won: Floats, paid: Floats, terms: Floats) -> Tensor:
    """What the outcome may depend on, (..., F + 4): normalised features, shares so far, and terms."""
    rest = np.concatenate([np.stack([won, paid], axis=-1), terms], axis=-1)
    return torch.cat([states, torch.from_numpy(rest).float()], dim=-1)


def build(settings: Settings) -> ProBid:
    """An untrained bidder, to be filled from a file."""
    return ProBid(settings)


def train(
    data: Trajectories, settings: Settings, *, seed: int = 0, steps: int = STEPS, watch: Watch | None = None
) -> ProBid:
    """Learn better levels than those of recorded periods, given the value and cost that they went on to bring.

    First the outcome model, then the levels, see `adsim.experiments.offline.sequences.fit`; both see periods near the
    Pareto frontier more often.

    Raises
    ------
    AdsimError
        For campaigns without a finite budget and a target, or periods of too many ticks.
    """
    check_ticks(data, settings)
    shares = shares_of(data)
    chance = _chance(shares, settings)
    with settled(seed):
        bidder = ProBid(settings)
        bidder.normalise.fit(data.observation[:, :-1])
        states, levels = states_of(data, bidder.normalise), torch.from_numpy(data.level)
        at = _situations(states, shares)
        free = torch.from_numpy(shares.free)
        rates = torch.from_numpy(shares.rates).float()
        known = at.known.reshape(*levels.shape, -1)
        rows = known[free], levels[free], rates[free]
        learn_outcomes(bidder.outcomes, *rows, seed=seed, steps=settings.outcome_steps)
        if settings.cro:
            levels = improve(bidder.outcomes, at, levels.flatten(), settings.gain).reshape(levels.shape)
        coming = torch.from_numpy(shares.coming).float()
        lesson = Lesson(coming * settings.cdpr, states, levels, chance)
        fit(bidder.network, lesson, settings, seed=seed, steps=steps, watch=watch)
    return bidder.eval()


def _chance(shares: Shares, settings: Settings) -> Floats:
    """Of each period to be drawn: the nearer to the frontier of like campaigns in like markets, the more."""
    value, cost = shares.coming[:, 0].T
    far = gaps(cost, value, shares.market) * settings.cdpr
    weight = np.exp(-far / settings.temperature)
    return weight / weight.sum()


def _situations(states: Tensor, shares: Shares) -> Situations:
    """All ticks of all periods."""
    terms = np.broadcast_to(shares.terms[:, None], (*shares.won.shape, 2))
    known = known_of(states, shares.won, shares.paid, terms)
    unit = np.broadcast_to(shares.unit[:, None], shares.won.shape)
    amounts = (each.ravel() for each in (shares.won, shares.paid, shares.left, unit))
    return Situations(known.flatten(0, 1), *amounts)
