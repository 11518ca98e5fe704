"""The constant multipliers that a period asks for, when everyone else's are constant, too.

Min-pacing (Conitzer et al. 2022, arXiv 1706.07151; Balseiro et al. 2023, arXiv 2302.08530): of the multipliers that
target ROI, budget and stock each ask for, the least. A campaign rests where none of its constraints is broken and one
binds, or where it bids the most that it ever would. Under LPA no payment depends on a bid, so only budget and stock
count, and the resting point is 1 / target - lambda with the duals of the weighted objective
(`adsim.experiments.optimum.weighted_optimum`); that, and the damping below, are derived here.

All opportunities are sold again and again, each time at multipliers moved by the relative slack of the tightest
constraint: in proportion, or under LPA with user experience, where they may be negative, in steps of 1 / target. A
campaign's gain is cut when its slack changes sign and grows while it does not, and all moves become smaller from
sweep to sweep. How near that comes to rest is measured by best responses
(`adsim.experiments.optimum.best_responses`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim import registry
from adsim.errors import AdsimError
from adsim.experiments.optimum.whole_period import WholePeriod
from adsim.market.metrics import delivered_share, liquid_value, units_sold
from adsim.market.scenario import Scenario
from adsim.types import Constraints, Floats, Totals

FIRST_GAIN, LEAST_GAIN, LARGEST_GAIN = 0.3, 0.01, 4.0
"""Change of the log-multiplier per relative slack. The least one keeps slack of changing sign 0 on average."""
GROWTH, DAMPING = 1.2, 0.6
"""Factors on a gain whose slack kept and changed its sign."""
CLIP = 0.5
"""Largest log-slack, and largest change of a log-multiplier, of a sweep."""
COOLING = 50
"""Sweeps after which moves are half of what they would be, then a third, and so on."""
LOWEST, HIGHEST = np.log(1e-3), np.log(1e6)
"""Bounds of the log-multiplier times the target. A bid at the lower one counts as no bid."""
LOWEST_LIQUID = -1e3
"""Lower bound of the multiplier times the target under LPA with user experience."""
LAST = 1 / 3
"""Part of the sweeps, the last, of which the best is taken."""
BROKEN = 5
"""What use above 1 weighs, use below 1 weighing 1, when one of the last sweeps is chosen."""


class Calibration(NamedTuple):
    """Multipliers, and how far they are from using what they may.

    A campaign's *use* is the largest of stock used / stock, spend / budget and target ROI / ROI.
    """

    multiplier: Floats
    """Bid per unit of predicted value, (N,): of the last sweeps', those that break and waste the least."""
    leaving: NDArray[np.bool_]
    """Campaigns that bid nothing and leave when their stock is gone, (N,)."""
    lowest: Floats
    """The multiplier that counts as bidding nothing, (N,)."""
    residuals: Floats
    """|use - 1| at these multipliers, (N,); 0 where the campaign bids the most it would and use is below 1, and where
    it bids nothing and the stock that others' bids leave it is gone."""
    history: Floats
    """Mean residual, and liquid welfare + beta * user experience within stocks, of each sweep; (sweeps, 2)."""
    totals: Totals
    """What the period brings at these multipliers in expectation, budgets and stocks ending nothing; (N,) each."""

    @property
    def drift(self) -> float:
        """How much the objective still changed: its standard deviation over the last sweeps, relative to its mean."""
        objective = self.history[_last(len(self.history)), 1]
        return float(objective.std() / objective.mean()) if objective.any() else 0.0


def calibrate(
    scenario: Scenario,
    seed: int = 0,
    *,
    reported: Constraints | None = None,
    held: ArrayLike | None = None,
    sweeps: int = 300,
) -> Calibration:
    """Find each campaign's multiplier by selling the whole period `sweeps` times.

    Value maximizers bid as much as their constraints allow, utility maximizers at most their value. Sellers whom user
    experience alone sells out at no bid leave when their stock is gone.

    Parameters
    ----------
    scenario : Scenario
        Its agents are of no account, nor is whether outcomes are sampled.
    seed : int
        Of the market.
    reported : Constraints, optional
        What the campaigns report, arrays (N,), in place of what the scenario draws.
    held : array (N,), optional
        Multipliers of campaigns that do not adapt; NaN for those that do.
    sweeps : int
        40 to 80 are usual until multipliers hardly move; a third are the last, of which the best is taken.

    Raises
    ------
    AdsimError
        When a value maximizer has no constraint, so that no multiplier is the best, or an array has a wrong shape.
    """
    period = WholePeriod(scenario, seed, reported)
    plan = _Plan.of(scenario, period)
    still, level = _held(plan, held)
    gain, before = np.full(level.size, FIRST_GAIN), np.zeros(level.size)
    levels, uses = np.empty((2, sweeps, level.size))
    objectives = np.empty(sweeps)
    for sweep in range(sweeps):
        totals = period.totals(plan.multiplier(level), plan.leaving(level))
        levels[sweep], uses[sweep] = level, plan.use(totals)
        objectives[sweep] = _objective(plan.constraints, totals, scenario.auction.beta)
        with np.errstate(divide="ignore"):
            slack = np.clip(-np.log(uses[sweep]), -CLIP, CLIP)
        gain = np.clip(gain * np.where(slack * before < 0, DAMPING, GROWTH), LEAST_GAIN, LARGEST_GAIN)
        moved = level + np.clip(gain * slack, -CLIP, CLIP) / (1 + sweep / COOLING)
        level, before = np.where(still, level, np.clip(moved, plan.lowest, plan.highest)), slack
    return _best(period, plan, still, levels, uses, objectives)


def _objective(own: Constraints, totals: Totals, beta: float) -> float:
    """Without what is sold beyond the stocks."""
    experience = totals.experience * delivered_share(own, totals)
    return float(liquid_value(own, totals).sum() + beta * experience.sum())


def _last(sweeps: int) -> slice:
    """Which sweeps are the last."""
    return slice(int(sweeps * (1 - LAST)), None)


class _Plan(NamedTuple):
    """Multipliers as levels: their logarithm or, where they may be negative, themselves, in units of 1 / target."""

    constraints: Constraints
    liquid: bool
    """Whether payments are liquid values, whatever the bids."""
    signed: bool
    """Whether negative bids make sense: under LPA, where user experience wins opportunities for them."""
    unit: Floats
    """1 / target, 1 without one; (N,)."""
    lowest: Floats
    highest: Floats
    """Bounds of the levels, (N,)."""

    @staticmethod
    def of(scenario: Scenario, period: WholePeriod) -> "_Plan":
        own, size = period.constraints, scenario.size
        liquid = registry.load("mechanisms", scenario.auction.mechanism).pays_liquid_value
        free = np.isinf(own.budget) & np.isinf(own.stock) & (own.target_roi == 0) & own.maximizes_value
        if free.any():
            raise AdsimError(
                f"campaign '{period.names[int(free.argmax())]}': a value maximizer without budget, target ROI or "
                "stock has no best multiplier: give it a constraint, or make it a utility maximizer."
            )
        unit = 1 / np.where(own.target_roi > 0, own.target_roi, 1)
        signed = liquid and scenario.auction.beta > 0
        if liquid:
            lowest, most = (LOWEST_LIQUID, 1.0) if signed else (LOWEST, 0.0)
            return _Plan(own, liquid, signed, unit, np.full(size, lowest), np.full(size, most))
        highest = np.where(own.maximizes_value, HIGHEST, -np.log(unit))
        return _Plan(own, liquid, signed, unit, np.full(size, LOWEST), highest)

    def multiplier(self, level: Floats) -> Floats:
        return self.unit * (level if self.signed else np.exp(level))

    def use(self, totals: Totals) -> Floats:
        """Of the tightest constraint; (N,)."""
        own = self.constraints
        use = np.maximum(units_sold(own, totals) / own.stock, totals.spend / own.budget)
        if self.liquid:
            return use
        due = own.target_roi * totals.spend
        return np.maximum(use, np.divide(due, totals.value, out=np.zeros_like(due), where=due > 0))

    def residuals(self, level: Floats, use: Floats) -> Floats:
        at_bound = ((level >= self.highest) & (use < 1)) | (self.leaving(level) & (use > 1))
        return np.where(at_bound, 0.0, np.abs(use - 1))

    def leaving(self, level: Floats) -> NDArray[np.bool_]:
        """Who bids nothing and has a stock to lose, (N,)."""
        return (level <= self.lowest) & np.isfinite(self.constraints.stock)


def _held(plan: _Plan, held: ArrayLike | None) -> tuple[NDArray[np.bool_], Floats]:
    """Which campaigns do not adapt, and the levels at which all begin."""
    start = np.minimum(1.0 if plan.signed else 0.0, plan.highest)
    if held is None:
        return np.zeros(start.shape, bool), start
    given = np.asarray(held, np.float64)
    if given.shape != start.shape:
        raise AdsimError(f"held: has shape {given.shape}, must have {start.shape}, one number a campaign.")
    still = ~np.isnan(given)
    relative = given / plan.unit
    with np.errstate(divide="ignore", invalid="ignore"):
        return still, np.where(still, relative if plan.signed else np.log(relative), start)


def _best(
    period: WholePeriod, plan: _Plan, still: NDArray[np.bool_], levels: Floats, uses: Floats, objectives: Floats
) -> Calibration:
    """The best of the last sweeps."""
    residuals = np.where(still, 0.0, plan.residuals(levels, uses))
    last = _last(len(levels))
    weight = np.where(uses[last] > 1, BROKEN, 1)
    best = last.start + int((residuals[last] * weight).mean(axis=1).argmin())
    level = levels[best]
    multiplier, leaving = plan.multiplier(level), plan.leaving(level)
    return Calibration(
        multiplier,
        leaving,
        plan.multiplier(plan.lowest),
        residuals[best],
        np.column_stack([residuals.mean(axis=1), objectives]),
        period.totals(multiplier, leaving),
    )
