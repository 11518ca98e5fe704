"""The best that a market could have made of liquid welfare and user experience together, knowing everything.

    max sum_ij (v_ij / tau_i + beta u_ij) x_ij   subject to   sum_j v_ij / tau_i x_ij <= L_i,

v the expected sales, tau the target ROI (1 without one), u the user experience and L the liquid value of stock or
budget: the objective that the Liquid Payment Auction is to maximise, in our derivation from the abstract of Li et al.
2025 (arXiv 2507.02931). Stock is hard: what is sold beyond it counts neither as welfare nor as experience.

By duality, an opportunity goes to the highest (1 / tau - lambda) v + beta u: LPA at the multipliers 1 / tau - lambda.
So a market that is too large for a linear program is solved by calibrating LPA in it. The totals of one period sold
at any multipliers, budgets and stocks ending nothing, give the dual, a bound:

    D(lambda) = sum_i lambda_i tau_i L_i + sum_i ((1 / tau_i - lambda_i) V_i + beta U_i).

A period in which campaigns leave when their stock is sold, what exceeds it given up in proportion, is feasible and
gives a value from below. Both are derived here, and hold up to the rounding of bids in float32.
"""

from typing import Any, NamedTuple

import numpy as np

from adsim.errors import AdsimError
from adsim.experiments.optimum.calibrate import calibrate
from adsim.experiments.optimum.packing import Packing, pack
from adsim.experiments.optimum.whole_period import WholePeriod
from adsim.market.markets import Markets
from adsim.market.reveal import Pairs, true_pairs
from adsim.market.scenario import ContextualTraffic, Scenario
from adsim.types import Constraints, Floats, Totals

EXACT_SIZE = 100_000
"""Opportunities x campaigns x slots up to which the linear program is solved: some seconds."""
SWEEPS = 100
"""Of the calibration of larger markets."""
QUICK_SIZE = 5_000_000
"""Opportunities x campaigns x slots up to which the optimum takes about three seconds at most."""


class WeightedOptimum(NamedTuple):
    """In money, and user experience in its own unit."""

    objective: float
    """Liquid welfare + beta x user experience, of a feasible allocation."""
    bound: float
    """That no allocation exceeds: the dual at `dual`."""
    exact: bool
    """Whether the objective is the optimum (and equals the bound up to rounding), by linear programming."""
    dual: Floats
    """lambda, what a unit of sales value costs the objective where stock or budget binds, (N,): LPA's best
    multipliers are 1 / target - dual. Where the value of a conversion varies and a stock counts conversions, of
    the value that a conversion has without."""
    liquid_welfare: float
    """Of that allocation."""
    experience: float
    """User experience of it."""

    @property
    def gap(self) -> float:
        """Relative distance of objective and bound."""
        return 1 - self.objective / self.bound if self.bound > 0 else 0.0


def weighted_optimum(scenario: Scenario, seed: int = 0, *, sweeps: int = SWEEPS) -> WeightedOptimum:
    """The optimum of one market; with a certified gap where it is larger than `EXACT_SIZE`.

    Parameters
    ----------
    scenario : Scenario
        Mechanism, reserve, quality, agents and predictor are of no account.
    seed : int
        Of the market.
    sweeps : int
        Periods sold to find the duals of a large market: more make a smaller gap. Two thousand campaigns come within
        1 % in 60, a hundred within a thousandth.

    Raises
    ------
    AdsimError
        With posted competition; where the value of a conversion varies (baskets, phases, independent draws) and a
        campaign has both stock and budget, or the market is large and has stock.
    """
    if scenario.competition is not None:
        raise AdsimError(f"scenario '{scenario.name}': the optimum does not know posted competition.")
    return _program(scenario, seed) if _size(scenario) <= EXACT_SIZE else _calibrated(scenario, seed, sweeps)


def is_quick(scenario: Scenario) -> bool:
    """Whether a market has user experience and stock to weigh, and its optimum is known within seconds."""
    size, tables = _size(scenario), scenario.campaigns
    weighed = scenario.traffic.experience is not None and any(table.has_stock for table in tables)
    solved = size <= EXACT_SIZE and not any(table.budget for table in tables)
    return weighed and scenario.competition is None and size <= QUICK_SIZE and (solved or not _varies(scenario))


def _size(scenario: Scenario) -> int:
    return scenario.market.opportunities * scenario.size * len(scenario.auction.slot_exposure)


def _program(scenario: Scenario, seed: int) -> WeightedOptimum:
    markets = Markets(scenario, [seed], agents=dict.fromkeys(range(scenario.size)))
    markets.open()
    pairs = true_pairs(markets)
    own = Constraints._make(row[0] for row in markets.campaigns.constraints)
    target, beta = _targets(own), scenario.auction.beta
    liquid = pairs.value / target
    use, capacity, per_value = _limits(scenario, own, pairs, liquid)
    exposure = np.array(scenario.auction.slot_exposure)
    packed, seen = pack(Packing(liquid + beta * pairs.experience, use, capacity, exposure))
    welfare, experience = float((seen * liquid).sum()), float((seen * pairs.experience).sum())
    return WeightedOptimum(packed.value, packed.bound, True, packed.price * per_value, welfare, experience)


def _limits(scenario: Scenario, own: Constraints, pairs: Pairs, liquid: Floats) -> tuple[Floats, Floats, Floats]:
    """Uses (T, N) and capacities (N,), of budgets in money and of stocks in units; uses per sales value."""
    target, price = _targets(own), own.value_per_conversion
    if _varies(scenario):
        stocked = np.isfinite(own.stock)
        if (stocked & np.isfinite(own.budget)).any():
            raise AdsimError(
                f"scenario '{scenario.name}': where the value of a conversion varies, the optimum knows stock or "
                "budget of a campaign, not both."
            )
        in_value = own.stock_unit > 0
        units = np.where(in_value, pairs.value / np.where(in_value, own.stock_unit, 1), pairs.conversions)
        use = np.where(stocked, units, liquid)
        return use, np.where(stocked, own.stock, own.budget), np.where(stocked, 1 / price, 1 / target)
    return liquid, _liquid_limit(own), 1 / target


def _calibrated(scenario: Scenario, seed: int, sweeps: int) -> WeightedOptimum:
    market = _under_liquid_payment(scenario)
    period, beta = WholePeriod(market, seed), scenario.auction.beta
    own = period.constraints
    if _varies(scenario) and np.isfinite(own.stock).any():
        raise AdsimError(
            f"scenario '{scenario.name}': where the value of a conversion varies, the optimum of a market with stock "
            f"is known up to {EXACT_SIZE} opportunities x campaigns x slots: take fewer opportunities."
        )
    target, limit = _targets(own), _liquid_limit(own)
    multiplier = calibrate(market, seed, sweeps=sweeps).multiplier
    free = period.totals(multiplier)
    dual = 1 / target - multiplier
    at_limit = dual > 0
    bound = float((dual * target * limit)[at_limit].sum() + multiplier @ free.value + beta * free.experience.sum())
    feasible = [_kept(totals, target, limit) for totals in (free, period.totals(multiplier, np.isfinite(limit)))]
    welfare, experience = max(feasible, key=lambda made: made[0] + beta * made[1])
    return WeightedOptimum(welfare + beta * experience, bound, False, dual, welfare, experience)


def _kept(totals: Totals, target: Floats, limit: Floats) -> tuple[float, float]:
    """Liquid welfare and user experience of what is left when each campaign gives up what exceeds its limit."""
    liquid = totals.value / target
    share = np.divide(limit, liquid, out=np.ones_like(limit), where=liquid > limit)
    return float(share @ liquid), float(share @ totals.experience)


def _under_liquid_payment(scenario: Scenario) -> Scenario:
    """The auction that maximises the objective: LPA that knows true rates and ranks by nothing else."""
    changes: dict[str, Any] = {"auction.mechanism": "lpa", "auction.reserve": 0.0, "predictor": {"kind": "oracle"}}
    for number, table in enumerate(scenario.campaigns):
        changes[f"campaigns.{number}.quality"] = 1.0
        if table.target_roi is None and table.target_cpa is None:
            changes[f"campaigns.{number}.target_roi"] = 1.0
    return scenario.replace(changes)


def _targets(own: Constraints) -> Floats:
    return np.where(own.target_roi > 0, own.target_roi, 1.0)


def _liquid_limit(own: Constraints) -> Floats:
    """Of budget and stock, the smaller in money."""
    return np.minimum(own.stock * own.value_per_conversion / _targets(own), own.budget)


def _varies(scenario: Scenario) -> bool:
    """Whether the value of a campaign's conversion differs from one opportunity to another."""
    traffic = scenario.traffic
    if not isinstance(traffic, ContextualTraffic):
        return True
    return traffic.basket > 0 or (scenario.phases is not None and scenario.phases.value is not None)
