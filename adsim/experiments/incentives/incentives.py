"""What one campaign gains by telling the platform something else than the truth.

The platform bids by the reported constraints, the outcome is judged by the true ones. Two questions: what if all
others go on bidding as they did (their multipliers are those that calibration finds when everyone tells the truth),
and what if the platform calibrates everyone's bids anew to the report.

Under the Liquid Payment Auction neither gains for a value maximizer with target ROI and stock, in theory: sales do
not rise with the target (the best weighted objective is convex in 1 / target, sales are its slope), a lower target
is not met, more stock than there is cannot be delivered. The abstract of Li et al. 2025 (arXiv 2507.02931) states
incentive compatibility; this argument is ours. A utility maximizer reports a higher target: that is what it pays by.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import joblib
import numpy as np
import pandas as pd

from adsim import registry
from adsim.errors import AdsimError
from adsim.experiments.incentives.deviations import Others, Question, deviations
from adsim.experiments.incentives.misreports import TOLERANCE, Report
from adsim.experiments.statistics import Estimate, estimate
from adsim.experiments.tables import records
from adsim.logs.auctions import check_counts
from adsim.market.scenario import Scenario
from adsim.types import Floats

ONE_SLOT = ("first_price", "second_price")
SEVERAL_SLOTS = ("first_price", "gsp", "vcg")
FACTORS = tuple(2 ** (k / 4) for k in range(-4, 5))
ROUNDING = 1e-9
"""Share of sales that is none."""
METRICS = ("relative_sales", "relative_utility")


@dataclass(frozen=True)
class Incentives:
    """What reports other than the truth bring, one campaign at a time."""

    scenario: Scenario
    report: Report
    mechanisms: list[str]
    others: list[Others]
    """Whether the others keep their multipliers (fixed), or the platform calibrates them to the report (adapt)."""
    factors: list[float]
    seeds: list[int]
    runs: pd.DataFrame
    """A row per mechanism, others, seed, campaign and factor: mechanism, others, seed, campaign, objective, factor
    (report / truth), multiplier, sales (money, up to the true stock), payment, violation (of true constraints, see
    `adsim.experiments.incentives.misreports.judge`), feasible (violation within `TOLERANCE` of the truthful
    report's), utility (sales of a value maximizer, sales - payment of a utility maximizer; -inf where not feasible),
    relative_sales and relative_utility (both over the truthful report's sales) and noise (see `gains`)."""
    table: pd.DataFrame
    """A row per mechanism, others, factor and metric, of means over the seeds' means over campaigns: mechanism,
    others, factor, metric (relative_sales, relative_utility), mean, low, high, infeasible (share of reports; the
    relative utility is -inf where there are any)."""
    gains: pd.DataFrame
    """A row per mechanism and others. Gains are those of the best feasible report over the truth, in shares of the
    truthful report's sales, 0 where none is better: mechanism, others, mean, low, high (over the seeds' means over
    campaigns), largest, factor (of the largest), noise (largest relative difference of a truthful campaign's sales
    with its calibrated multiplier from those with its own best one against fixed rivals; NaN for values),
    beyond_noise (whether the largest gain is larger), reversal (largest step of sales the wrong way, up for a higher
    target and down otherwise, between neighbouring factors, in shares of truthful sales) and broken (largest
    violation by truthful reports)."""

    def summary(self) -> dict[str, Any]:
        """Gains and curves, ready for JSON: what is not finite is None."""
        return {
            "scenario": self.scenario.name,
            "report": self.report,
            "mechanisms": self.mechanisms,
            "others": self.others,
            "factors": self.factors,
            "seeds": self.seeds,
            "tolerance": TOLERANCE,
            "gains": records(self.gains),
            "table": records(self.table),
        }


def incentives(
    scenario: Scenario,
    *,
    report: Report = "target",
    mechanisms: Sequence[str] | None = None,
    campaigns: Sequence[str] | None = None,
    factors: Sequence[float] = FACTORS,
    others: Sequence[Others] = get_args(Others),
    seeds: int = 10,
    first_seed: int = 0,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Incentives:
    """Let one campaign after the other report something else than the truth.

    Outcomes are taken in expectation, so that luck does not look like a gain. A report of `value` is a bid that many
    times the truthful one, all else as it was: where no campaign is constrained, everyone bids its value, under every
    mechanism; elsewhere truthful bids are the calibrated ones.

    Parameters
    ----------
    scenario : Scenario
        Several campaigns.
    report : {"target", "stock", "budget", "value"}
        What is reported.
    mechanisms : sequence of str, optional
        The scenario's and first and second price, or with several slots first price, GSP and VCG, unless given.
    campaigns : sequence of str, optional
        Who deviates, by name; unless given, in each market the three with the most sales under the first mechanism
        among those that have what is reported.
    factors : sequence of float
        Reports over truth, positive; 1 is added.
    others : sequence of {"fixed", "adapt"}
        See `Incentives`; `value` knows fixed only.
    seeds, first_seed : int
        How many markets, and the seed of the first.
    workers : int
        Processes; results do not depend on it.
    progress : callable, optional
        Called with the numbers of markets done and to do.

    Raises
    ------
    AdsimError
        When a setting is impossible, or nobody has what is to be reported.
    """
    check_counts(seeds=seeds, workers=workers)
    _check(report, campaigns, factors, others)
    variants = {name: _under(scenario, name) for name in mechanisms or _usual(scenario)}
    kinds: list[Others] = ["fixed"] if report == "value" else [kind for kind in get_args(Others) if kind in others]
    grid = sorted({1.0, *(float(factor) for factor in factors)})
    question = Question(report, grid, kinds, None if campaigns is None else list(campaigns))
    numbers = list(range(first_seed, first_seed + seeds))
    cells = [(variants, question, seed) for seed in numbers]
    runs = _judged(pd.concat(_run(cells, workers, progress), ignore_index=True))
    curves, gains = _curves(runs), _gains(runs, report)
    return Incentives(scenario, report, list(variants), kinds, grid, numbers, runs, curves, gains)


def _check(report: str, campaigns: Sequence[str] | None, factors: Sequence[float], others: Sequence[str]) -> None:
    if report not in get_args(Report):
        raise AdsimError(f"report = {report!r}: must be one of {', '.join(get_args(Report))}.")
    if not others or set(others) - set(get_args(Others)):
        raise AdsimError(f"others = {', '.join(others) or 'nothing'}: must be fixed, adapt or both.")
    if not all(0 < factor < np.inf for factor in factors):
        raise AdsimError(f"factors = {list(factors)}: must be positive numbers, reports over truth.")
    if campaigns is not None and not campaigns:
        raise AdsimError("nobody deviates: name one campaign at least.")


def _usual(scenario: Scenario) -> list[str]:
    """The scenario's mechanism, and those to compare it with."""
    usual = ONE_SLOT if len(scenario.auction.slot_exposure) == 1 else SEVERAL_SLOTS
    return list(dict.fromkeys([scenario.auction.mechanism, *usual]))


def _under(scenario: Scenario, mechanism: str) -> Scenario:
    registry.load("mechanisms", mechanism)
    return scenario.replace({"auction.mechanism": mechanism})


def _run(
    cells: list[tuple[dict[str, Scenario], Question, int]], workers: int, progress: Callable[[int, int], None] | None
) -> Iterator[pd.DataFrame]:
    """Outcomes of the cells, in their order."""
    parallel = joblib.Parallel(n_jobs=min(workers, len(cells)), return_as="generator")
    for done, outcome in enumerate(parallel(joblib.delayed(deviations)(*cell) for cell in cells), 1):
        yield outcome
        if progress:
            progress(done, len(cells))


def _judged(outcomes: pd.DataFrame) -> pd.DataFrame:
    """`Incentives.runs`: every outcome beside that of the truthful report."""
    keys = ["mechanism", "others", "seed", "campaign"]
    truth = outcomes.loc[outcomes["factor"] == 1, [*keys, "sales", "violation"]]
    beside = outcomes[keys].merge(truth, on=keys, how="left")
    sales = np.where(beside["sales"] > 0, beside["sales"], np.nan)
    feasible = outcomes["violation"].to_numpy() <= beside["violation"].to_numpy() + TOLERANCE
    utility = np.where(feasible, outcomes["worth"], -np.inf)
    order = [*keys, "objective", "factor", "multiplier", "sales", "payment", "violation"]
    return outcomes[order].assign(
        feasible=feasible,
        utility=utility,
        relative_sales=outcomes["sales"] / sales,
        relative_utility=utility / sales,
        noise=outcomes["noise"],
    )


def _curves(runs: pd.DataFrame) -> pd.DataFrame:
    """`Incentives.table`."""
    keys = ["mechanism", "others", "factor"]
    rows = []
    for key, cell in runs.groupby(keys, sort=False):
        infeasible = 1 - cell["feasible"].mean()
        rows += [[*key, metric, *_over_seeds(cell, metric), infeasible] for metric in METRICS]
    return pd.DataFrame(rows, columns=[*keys, "metric", *Estimate._fields, "infeasible"])


def _over_seeds(cell: pd.DataFrame, column: str) -> Estimate:
    """Mean over seeds of the means over campaigns that sell something when truthful; -inf where one is."""
    means = cell.groupby("seed")[column].mean().dropna()
    return Estimate(-np.inf, np.nan, np.nan) if np.isinf(means).any() else estimate(means)


def _gains(runs: pd.DataFrame, report: Report) -> pd.DataFrame:
    """`Incentives.gains`."""
    rows = []
    for (mechanism, others), cell in runs.groupby(["mechanism", "others"], sort=False):
        cell = cell.sort_values("factor", key=lambda factor: np.abs(np.log(factor)), kind="stable")
        one = cell.groupby(["seed", "campaign"], sort=False)
        truth = cell[cell["factor"] == 1].set_index(["seed", "campaign"])
        best = cell.loc[one["relative_utility"].agg(_best)].set_index(["seed", "campaign"])
        gain = (best["relative_utility"] - truth["relative_utility"]).rename("gain").reset_index()
        rows.append(
            {
                "mechanism": mechanism,
                "others": others,
                **_over_seeds(gain, "gain")._asdict(),
                "largest": gain["gain"].max(),
                "factor": best["factor"].to_numpy()[int(gain["gain"].argmax())],
                "noise": cell["noise"].max(),
                "beyond_noise": gain["gain"].max() > np.nanmax([ROUNDING, cell["noise"].max()]),
                "reversal": max(_reversal(campaign, report) for _, campaign in one),
                "broken": truth["violation"].max(),
            }
        )
    return pd.DataFrame(rows)


def _best(utility: pd.Series) -> Any:
    """Where the utility is largest, the first of those that rounding alone tells apart."""
    return (utility >= utility.max() - ROUNDING).idxmax()


def _reversal(campaign: pd.DataFrame, report: Report) -> float:
    """Largest step of one campaign's sales the wrong way between neighbouring factors, or 0."""
    steps: Floats = np.diff(campaign.sort_values("factor")["relative_sales"])
    return float(np.nan_to_num(steps if report == "target" else -steps).max(initial=0.0))
