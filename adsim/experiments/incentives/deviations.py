"""One market, in which one campaign after the other reports something else than the truth."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adsim.errors import AdsimError
from adsim.experiments.incentives.misreports import Judged, Report, judge, may_report, misreport
from adsim.experiments.optimum.calibrate import calibrate
from adsim.experiments.optimum.own_multiplier import own_multiplier
from adsim.experiments.optimum.whole_period import WholePeriod
from adsim.market.scenario import Scenario
from adsim.types import Floats

Others = Literal["fixed", "adapt"]
MOST = 3
"""Campaigns that deviate unless they are named: those with the most sales."""


class Question(NamedTuple):
    """What is asked of every market."""

    report: Report
    factors: list[float]
    """Reports over truth, 1 among them."""
    others: list[Others]
    campaigns: list[str] | None
    """Who deviates, by name; None: who sells most."""


class _Truth(NamedTuple):
    """A market in which everyone tells the truth."""

    scenario: Scenario
    seed: int
    period: WholePeriod
    multiplier: Floats
    """(N,)"""
    leaving: NDArray[np.bool_]
    """Who bids nothing and leaves when its stock is gone, (N,)."""


class _Told(NamedTuple):
    """A market in which one campaign has reported something."""

    period: WholePeriod
    multiplier: Floats
    leaving: NDArray[np.bool_]


def deviations(variants: Mapping[str, Scenario], question: Question, seed: int) -> pd.DataFrame:
    """A row per mechanism, others, campaign and factor; see
    `adsim.experiments.incentives.incentives.Incentives.runs`.

    Parameters
    ----------
    variants : mapping
        The scenario under every mechanism.
    question : Question
    seed : int
        Of the market.

    Raises
    ------
    AdsimError
        When a campaign is unknown, or lacks what is to be reported.
    """
    rows: list[dict[str, Any]] = []
    deviators: list[int] = []
    for name, scenario in variants.items():
        truth = _truthful(scenario, seed)
        deviators = deviators or _deviators(truth, question)
        for campaign in deviators:
            noise = np.nan if question.report == "value" else _noise(truth, campaign)
            told = {
                "mechanism": name,
                "seed": seed,
                "campaign": truth.period.names[campaign],
                "objective": "value" if truth.period.constraints.maximizes_value[campaign] else "utility",
                "noise": noise,
            }
            rows += [{**told, **row} for row in _reports(truth, question, campaign)]
    return pd.DataFrame(rows)


def _truthful(scenario: Scenario, seed: int) -> _Truth:
    period = WholePeriod(scenario, seed)
    own = period.constraints
    free = not own.maximizes_value.any() and not own.target_roi.any() and np.isinf([own.budget, own.stock]).all()
    if free:
        return _Truth(scenario, seed, period, np.ones(own.budget.size), np.zeros(own.budget.size, np.bool_))
    found = calibrate(scenario, seed)
    return _Truth(scenario, seed, period, found.multiplier, found.leaving)


def _deviators(truth: _Truth, question: Question) -> list[int]:
    """Indices of those who deviate."""
    names, able = truth.period.names, may_report(truth.period.constraints, question.report)
    if question.campaigns is None:
        sales = np.where(able, truth.period.totals(truth.multiplier, truth.leaving).value, -1.0)
        found = [int(n) for n in np.argsort(-sales, kind="stable")[:MOST] if able[n]]
        if not found:
            raise AdsimError(f"scenario '{truth.scenario.name}': no campaign has a {question.report} to report.")
        return found
    for name in question.campaigns:
        if name not in names:
            raise AdsimError(f"no campaign '{name}': there are {', '.join(names)}.")
        if not able[names.index(name)]:
            raise AdsimError(f"campaign '{name}' has no {question.report} to report.")
    return [names.index(name) for name in question.campaigns]


def _noise(truth: _Truth, campaign: int) -> float:
    """Relative difference of a truthful campaign's sales: with its calibrated multiplier, and its own best one."""
    calibrated = _outcome(truth, _Told(truth.period, truth.multiplier, truth.leaving), campaign).sales
    own = _outcome(truth, _against_fixed(truth, truth.period, campaign), campaign).sales
    return abs(own / calibrated - 1) if calibrated > 0 else 0.0


def _reports(truth: _Truth, question: Question, campaign: int) -> Iterator[dict[str, Any]]:
    """What every report makes of one campaign."""
    for others in question.others:
        for factor in question.factors:
            told = _tell(truth, question.report, others, campaign, factor)
            judged = _outcome(truth, told, campaign)
            yield {
                "others": others,
                "factor": factor,
                "multiplier": float(told.multiplier[campaign]),
                **judged._asdict(),
            }


def _tell(truth: _Truth, report: Report, others: Others, campaign: int, factor: float) -> _Told:
    """Let a campaign report ``factor`` times the truth."""
    if report == "value":
        bids = truth.multiplier.copy()
        bids[campaign] *= factor
        return _Told(truth.period, bids, truth.leaving)
    reported = misreport(truth.period.constraints, campaign, report, factor)
    period = WholePeriod(truth.scenario, truth.seed, reported)
    if others == "fixed":
        return _against_fixed(truth, period, campaign)
    found = truth if factor == 1 else calibrate(truth.scenario, truth.seed, reported=reported)
    return _Told(period, found.multiplier, found.leaving)


def _against_fixed(truth: _Truth, period: WholePeriod, campaign: int) -> _Told:
    """The truthful multipliers, but for that which one campaign's report asks for."""
    leaving = truth.leaving & (np.arange(truth.leaving.size) != campaign)
    bids = truth.multiplier.copy()
    bids[campaign] = own_multiplier(period, truth.scenario.auction.mechanism, campaign, bids, leaving)
    return _Told(period, bids, leaving)


def _outcome(truth: _Truth, told: _Told, campaign: int) -> Judged:
    """What a campaign gets, which leaves when the stock that it reported is sold."""
    leaving = told.leaving | (np.arange(told.leaving.size) == campaign)
    return judge(truth.period.constraints, told.period.totals(told.multiplier, leaving), campaign)
