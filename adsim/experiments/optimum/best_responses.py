"""Whether constant multipliers are an equilibrium: what each campaign could gain with another, the others bidding on.

A campaign's best response is the largest multiplier with which it keeps its constraints against rivals that bid on
(`adsim.experiments.optimum.own_multiplier`), found exactly. It is *at rest* when its sales are at most `TOLERANCE`
short of those of its best response, or one opportunity, and it breaks its constraints by at most `TOLERANCE` more
than the next opportunity that it would win breaks them: opportunities are indivisible, and no constant multiplier
wins a part of one. If all are at rest, multipliers are an epsilon-equilibrium of the game that campaigns play.

Under first price and LPA, stocks alone make a game of strategic complements (bids that rise win from others, who
raise theirs), so that an equilibrium exists (Tarski 1955; for pacing see Conitzer et al. 2022, arXiv 1706.07151).
With target ROIs under second price, bids that rise make others' wins dearer and lower their bids: best responses may
go round for ever. The notion of rest, and `settle`, are ours.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim import registry
from adsim.experiments.incentives.misreports import violation
from adsim.experiments.optimum.calibrate import Calibration, calibrate
from adsim.experiments.optimum.own_multiplier import ROUNDING, own_multiplier
from adsim.experiments.optimum.whole_period import WholePeriod
from adsim.market.metrics import delivered_value
from adsim.market.scenario import Scenario
from adsim.types import Constraints, Floats, Totals

TOLERANCE = 0.01
"""Relative shortfall of sales, and relative violation of constraints, that count as none."""
ROUNDS = 20
"""How often campaigns that are not at rest may take their best responses."""
NEXT = 1e-6
"""Relative step from the largest multiplier that keeps the constraints to one that does not."""


class BestResponses(NamedTuple):
    """What each campaign could do, all others bidding on; (N,) each."""

    multiplier: Floats
    """Its best response."""
    missed: Floats
    """Sales within the stock that the best response makes and the campaign's own multiplier does not; money."""
    sales: Floats
    """Made at the campaign's own multiplier within the stock, money."""
    violation: Floats
    """Largest relative violation of its constraints; 0 of those who leave when sold out."""
    at_rest: NDArray[np.bool_]
    """Whether what it misses and breaks is within `TOLERANCE` or one opportunity."""

    @property
    def missed_share(self) -> float:
        """What all miss, each if it alone took its best response, over all sales."""
        return _share(self.missed.sum(), self.sales.sum())


class Settled(NamedTuple):
    """Where campaigns that took their best responses came to."""

    calibration: Calibration
    responses: BestResponses
    """To these multipliers."""
    rounds: int
    """In which some took their best responses; 0 where calibration had come to rest."""

    @property
    def converged(self) -> bool:
        """Whether all are at rest."""
        return bool(self.responses.at_rest.all())


def settle(scenario: Scenario, seed: int = 0) -> Settled:
    """Calibrate, then let those who are not at rest take their best responses until all are, or `ROUNDS` are over.

    Raises
    ------
    AdsimError
        As `calibrate`.
    """
    found, period = calibrate(scenario, seed), WholePeriod(scenario, seed)
    multiplier, leaving = found.multiplier, found.leaving
    reached: list[tuple[Floats, NDArray[np.bool_], BestResponses]] = []
    for _ in range(ROUNDS + 1):
        best = best_responses(period, scenario.auction.mechanism, multiplier, leaving)
        reached.append((multiplier, leaving, best))
        if best.at_rest.all():
            break
        multiplier = np.where(best.at_rest, multiplier, np.maximum(best.multiplier, found.lowest))
        leaving = (multiplier <= found.lowest) & np.isfinite(period.constraints.stock)
    multiplier, leaving, best = max(reached, key=lambda state: int(state[2].at_rest.sum()))
    totals = period.totals(multiplier, leaving)
    return Settled(found._replace(multiplier=multiplier, leaving=leaving, totals=totals), best, len(reached) - 1)


def best_responses(
    period: WholePeriod, mechanism: str, multiplier: Floats, leaving: NDArray[np.bool_]
) -> BestResponses:
    """Find every campaign's best response, one at a time.

    Parameters
    ----------
    period : WholePeriod
        The traffic, and the constraints.
    mechanism : str
        That sells it.
    multiplier : array (N,)
        All campaigns' bids per unit of predicted value.
    leaving : array (N,)
        Campaigns that bid nothing and leave when their stock is sold.
    """
    kept = _binding(period.constraints, mechanism)
    at = period.totals(multiplier, leaving)
    sales, broken = delivered_value(kept, at), np.where(leaving, 0.0, violation(kept, at))
    best, missed = np.empty((2, multiplier.size))
    at_rest = np.empty(multiplier.size, np.bool_)
    for n in range(multiplier.size):
        stays = leaving & (np.arange(leaving.size) != n)
        best[n] = own_multiplier(period, mechanism, n, multiplier, stays)
        there = _at(period, multiplier, stays, n, best[n])
        most = float(delivered_value(kept, there)[n])
        missed[n] = max(0.0, most - sales[n])
        at_rest[n] = missed[n] <= TOLERANCE * most or there.wins[n] - at.wins[n] <= 1
        if at_rest[n] and broken[n] > TOLERANCE:
            beyond = _at(period, multiplier, stays, n, best[n] + NEXT * abs(best[n]))
            keeps = violation(kept, there)[n] <= ROUNDING
            at_rest[n] = keeps and broken[n] <= violation(kept, beyond)[n] + TOLERANCE
    return BestResponses(best, missed, sales, broken, at_rest)


def _binding(own: Constraints, mechanism: str) -> Constraints:
    """The constraints that a bid can break: under LPA the return is the target, whatever the bid."""
    liquid = registry.load("mechanisms", mechanism).pays_liquid_value
    return own._replace(target_roi=np.zeros_like(own.target_roi)) if liquid else own


def _at(period: WholePeriod, multipliers: Floats, leaving: NDArray[np.bool_], campaign: int, own: float) -> Totals:
    """The period if one campaign bid another multiplier."""
    bids = multipliers.copy()
    bids[campaign] = own
    return period.totals(bids, leaving)


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else 0.0
