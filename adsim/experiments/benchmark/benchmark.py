"""Bidders ranked: each in the same seats of the same markets, with more and less money, and in shifted markets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adsim.errors import AdsimError
from adsim.experiments.benchmark.bidders import Bidder, Specification, make_bidder
from adsim.experiments.benchmark.conditions import PLAIN, SHIFTS, Condition, changed
from adsim.experiments.benchmark.seats import find_seats
from adsim.experiments.benchmark.verdicts import aggregates, degradations, differences, improvements, levels, profiles
from adsim.experiments.tables import records
from adsim.market.campaigns import campaign_names
from adsim.market.markets import Markets
from adsim.market.scenario import Scenario
from adsim.types import Floats

REFERENCE = "ecpc"
"""Bids the target CPA, from first to last."""
BUDGETS = (0.5, 0.75, 1.0, 1.25, 1.5)
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Benchmark:
    """What a benchmark found.

    Intervals are those of `adsim.experiments.aggregates`: seats are the strata, seeds the runs, budgets their cells.
    """

    scenario: Scenario
    bidders: list[str]
    """As they were given."""
    seats: list[str]
    """Names of the campaigns whose seats they took."""
    seeds: list[int]
    shifts: dict[str, float]
    """Factor of each."""
    reference: str
    """The agent whose mean score in the same seat, at the same budget and shift, is 1."""
    baseline: str
    """The bidder that differences are taken to."""
    runs: pd.DataFrame
    """A row per bidder, seat, budget, shift and seed: bidder, seat, campaign, budget (factor), shift, seed, score
    (see `adsim.envs.score`), normalised (over the reference's mean), value, conversions, spend, roi (NaN without
    spend), violation (relative excess of CPA over target, 0 without; of the first conversion where there was none),
    exceeded (whether there was an excess), budget_use (NaN without a budget)."""
    table: pd.DataFrame
    """A row per bidder and metric, over all budgets without a shift, the best IQM first: bidder, metric, mean, low,
    high; iqm, mean, median and optimality_gap of normalised scores, and means of the other metrics."""
    by_budget: pd.DataFrame
    """A row per bidder, budget and metric, without a shift: bidder, budget, metric, mean, low, high."""
    by_shift: pd.DataFrame
    """A row per bidder, shift and metric, at the budget as it is: bidder, shift, metric, mean, low, high; degradation
    is the share of its unshifted mean score that a bidder loses."""
    differences: pd.DataFrame
    """A row per bidder but the baseline and metric, paired by seat, budget and seed: bidder, metric, mean, low, high,
    excludes_zero."""
    improvements: pd.DataFrame
    """A row per ordered pair of bidders: bidder, over, mean, low, high of the probability of improvement."""
    profiles: pd.DataFrame
    """A row per bidder and threshold: bidder, threshold, mean, low, high of the share of normalised scores above."""

    def summary(self) -> dict[str, Any]:
        """All but runs and profiles, ready for JSON: NaN is None."""
        tables = ("table", "by_budget", "by_shift", "differences", "improvements")
        return {**self.facts(), **{name: records(getattr(self, name)) for name in tables}}

    def facts(self) -> dict[str, Any]:
        """What was compared, ready for JSON."""
        return {
            "scenario": self.scenario.name,
            "bidders": self.bidders,
            "seats": self.seats,
            "seeds": self.seeds,
            "shifts": self.shifts,
            "reference": self.reference,
            "baseline": self.baseline,
        }


def benchmark(
    scenario: Scenario,
    bidders: Sequence[Specification] | Mapping[str, Specification],
    *,
    seats: int | Sequence[int | str] = 6,
    seeds: int = 20,
    first_seed: int = 0,
    budgets: Sequence[float] = BUDGETS,
    shifts: Mapping[str, float] = SHIFTS,
    reference: str = REFERENCE,
    baseline: str | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Benchmark:
    """Let every bidder take the same seats against the same others, on seeds that no training uses.

    Parameters
    ----------
    scenario : Scenario
        The market; all campaigns but the seat play their own agents.
    bidders : sequence, or mapping by name
        See `adsim.experiments.benchmark.bidders.make_bidder`.
    seats : int or sequence
        Campaigns by index or name; or how many, evenly spread over all.
    seeds, first_seed : int
        How many markets of each condition, and the seed of the first.
    budgets : sequence of float
        Factors on the seat's budget.
    shifts : mapping
        Factors by name: rivals, on the budgets of all others; target, on the seat's target CPA.
    reference : str
        Agent whose mean score in a condition is its unit.
    baseline : str, optional
        Name of the bidder that differences are taken to; the first unless given.
    workers : int
        Processes; results do not depend on it.
    progress : callable, optional
        Called with the numbers of markets played and to play.

    Raises
    ------
    AdsimError
        When a setting is impossible, a bidder does not fit a seat, or the reference scores nothing in a condition.
    """
    for name, count in (("seeds", seeds), ("workers", workers)):
        if not (isinstance(count, int | np.integer) and count >= 1):
            raise AdsimError(f"{name} = {count!r}: must be a whole number, 1 or more.")
    named = _named(bidders)
    chosen = baseline or next(iter(named))
    if chosen not in named:
        raise AdsimError(f"baseline {chosen!r}: must be one of {', '.join(named)}.")
    places = find_seats(scenario, seats)
    conditions = _conditions(scenario, places, budgets, shifts)
    _check(named, reference, conditions)
    numbers = np.arange(first_seed, first_seed + seeds)
    missing = {} if reference in named else {reference: reference}
    calls = [
        joblib.delayed(_cell)(name, specification, condition, market, numbers)
        for name, specification in {**missing, **named}.items()
        for condition, market in conditions.items()
    ]
    parts = _played(calls, workers, seeds, progress)
    runs = _normalised(pd.concat(parts, ignore_index=True), reference)
    runs = runs[runs["bidder"].isin(list(named))].reset_index(drop=True)
    names = campaign_names(scenario)
    runs.insert(2, "campaign", runs["seat"].map(dict(enumerate(names))))
    plain = runs[runs["shift"] == PLAIN]
    table = aggregates(plain)
    return Benchmark(
        scenario=scenario,
        bidders=list(named),
        seats=[names[place] for place in places],
        seeds=numbers.tolist(),
        shifts=dict(shifts),
        reference=reference,
        baseline=chosen,
        runs=runs,
        table=table,
        by_budget=levels(plain, "budget"),
        by_shift=degradations(runs[runs["budget"] == 1]),
        differences=differences(plain, chosen),
        improvements=improvements(plain),
        profiles=profiles(plain),
    )


def _named(bidders: Sequence[Specification] | Mapping[str, Specification]) -> dict[str, Specification]:
    """Bidders by name."""
    if isinstance(bidders, Mapping):
        named = dict(bidders)
    else:
        made = [(make_bidder(each).name, each) for each in bidders]
        named = dict(made)
        if len(named) < len(made):
            raise AdsimError(f"bidders {', '.join(name for name, _ in made)}: give each a name of its own.")
    if not named:
        raise AdsimError("nothing to rank: name one bidder at least.")
    return named


def _conditions(
    scenario: Scenario, seats: Sequence[int], budgets: Sequence[float], shifts: Mapping[str, float]
) -> dict[Condition, Scenario]:
    """All budgets without a shift, and all shifts at the budget as it is."""
    factors = list(dict.fromkeys(float(factor) for factor in budgets))
    if not factors:
        raise AdsimError("budgets: name one factor at least, such as 1.")
    found = [Condition(seat, factor) for seat in seats for factor in factors]
    found += [Condition(seat, 1.0, name, factor) for seat in seats for name, factor in shifts.items()]
    return {condition: changed(scenario, condition) for condition in found}


def _check(named: Mapping[str, Specification], reference: str, conditions: Mapping[Condition, Scenario]) -> None:
    """Complain before any work is done."""
    first = {condition.seat: (market, condition.seat) for condition, market in conditions.items()}
    for specification in (reference, *named.values()):
        bidder = make_bidder(specification)
        for market, seat in first.values():
            bidder.check(market, seat)


@lru_cache(maxsize=32)
def _loaded(specification: str) -> Bidder:
    return make_bidder(specification)


def _cell(
    name: str, specification: Specification, condition: Condition, market: Scenario, seeds: NDArray[np.integer]
) -> pd.DataFrame:
    """A bidder's runs under one condition."""
    saved = isinstance(specification, str | Path)
    bidder = _loaded(str(specification)) if saved else make_bidder(specification)
    runs = bidder.runs(market, condition.seat, seeds)
    excess = _excess(market, condition.seat, runs)
    return pd.DataFrame(
        {
            "bidder": name,
            "seat": condition.seat,
            "budget": condition.budget,
            "shift": condition.shift,
            **runs[["seed", "score", "value", "conversions", "spend", "roi"]],
            "violation": excess,
            "exceeded": excess > 0,
            "budget_use": runs["budget_use"],
        }
    )


def _excess(market: Scenario, seat: int, runs: pd.DataFrame) -> Floats:
    """Relative excess of cost per conversion over its target; (runs,).

    Who paid and got nothing is taken to have got one conversion, so that the excess is finite.
    """
    terms = Markets(market, runs["seed"].to_numpy()).campaigns.of(slice(seat, seat + 1))
    earned = np.maximum(runs["value"], terms.value_per_conversion)
    return np.maximum(runs["spend"] * terms.target_roi / earned - 1, 0.0).to_numpy()


def _played(calls: list[Any], workers: int, seeds: int, progress: Progress | None) -> list[pd.DataFrame]:
    """Outcomes of delayed calls, in their order."""
    found = []
    for outcome in joblib.Parallel(n_jobs=min(workers, len(calls)), return_as="generator")(calls):
        found.append(outcome)
        if progress:
            progress(seeds * len(found), seeds * len(calls))
    return found


def _normalised(runs: pd.DataFrame, reference: str) -> pd.DataFrame:
    """The runs with their scores over the mean of the reference under the same condition.

    Raises
    ------
    AdsimError
        When that is 0 or less.
    """
    own = ["seat", "budget", "shift"]
    unit = runs[runs["bidder"] == reference].groupby(own)["score"].mean().rename("unit")
    if not (unit > 0).all():
        worst = unit.reset_index().sort_values("unit").to_dict("records")[0]
        raise AdsimError(
            f"reference {reference}: its mean score is {worst['unit']:.4g} in seat {worst['seat']} (budget "
            f"{worst['budget']:g}, shift {worst['shift']}), and scores are counted in it. Name another reference or "
            "seat, or take more seeds."
        )
    found = runs.join(unit, on=own)
    place = list(runs.columns).index("score")
    found.insert(place + 1, "normalised", found["score"] / found.pop("unit"))
    return found
