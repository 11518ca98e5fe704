"""How fast SGD-UCB closes the gap to the best split of a budget over channels, beside splits that never change."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from adsim.errors import AdsimError
from adsim.experiments.channels.channels import Bought, Channel, KnapsackChannel
from adsim.experiments.channels.levers import Choice, best_arms
from adsim.experiments.channels.sgd_ucb import Run, check_problem, sgd_ucb
from adsim.experiments.channels.splits import play_mixture, play_split
from adsim.experiments.statistics import Exponent, estimate, exponent
from adsim.experiments.tables import records
from adsim.types import Floats

GRID = 20
"""Levels of the benchmark's budgets between 0 and an even split."""
SAMPLES = 4000
"""Periods over which a market's means are taken for the benchmark, for each budget."""
BLOCKS = 60
"""Points over the longest horizon at which spend by channel is kept."""
LEARNER, EVEN, FIXED, OPTIMUM = "sgd_ucb", "even_split", "best_fixed_split", "best_mixture"


@dataclass(frozen=True)
class Study:
    """What policies made of several channels over several horizons."""

    budget: float
    target_roi: float
    optimum: Choice
    """The best mixture of budgets by means over `SAMPLES` periods, or exact ones of a `KnapsackChannel`."""
    runs: pd.DataFrame
    """A row per policy, horizon and seed: policy, periods, seed; value and spend a period; optimum, the value of the
    best mixture on the same periods, and gap to it; overspend relative to the budget, roi_shortfall to the target."""
    table: pd.DataFrame
    """A row per policy and horizon: mean gap a period with its 95 % interval over seeds (gap, low, high), gap_share
    of the optimum, mean value, spend, overspend and roi_shortfall."""
    exponents: pd.DataFrame
    """A row per policy but the best mixture: exponent of the gap a period in the horizon, and its 95 % interval
    (low, high)."""
    shares: pd.DataFrame
    """A row per channel and block of the longest horizon: channel, period (middle of the block), spend, and that of
    the optimum, both as shares of the budget."""
    means: pd.DataFrame
    """A row per channel and budget: what it brings on average."""

    def summary(self) -> dict[str, Any]:
        """The results as plain data; None where a number is unknown."""
        tables = {name: records(getattr(self, name)) for name in ("table", "exponents")}
        best = self.runs.query("policy == @OPTIMUM and periods == periods.max()")[["value", "spend"]].mean()
        return {"optimum": best.to_dict(), **tables}


def study(
    channels: Sequence[Channel],
    horizons: Sequence[int],
    seeds: int = 20,
    *,
    budget: float,
    target_roi: float = 0.0,
    first_seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Study:
    """Let `sgd_ucb` learn over several horizons, and compare it with the best mixture of budgets.

    Beside it, on the same periods: the budget split evenly, the best split that never changes (in hindsight), and the
    best mixture itself, which gaps are measured from. What it brings is taken from these periods and not from the
    means that chose it: the chosen mean of several is too high.

    Parameters
    ----------
    channels : sequence of Channel
    horizons : sequence of int
        Numbers of periods; two at least, for an exponent.
    seeds : int
        Runs for each horizon; a run keeps its periods over horizons.
    budget, target_roi : float
        See `sgd_ucb`.
    first_seed : int
    progress : callable, optional
        Called with the numbers of periods played and to play.

    Returns
    -------
    Study

    Raises
    ------
    AdsimError
        When there are too few horizons, periods or seeds, or a constraint is none.
    """
    spans = sorted(set(horizons))
    if len(spans) < 2:
        raise AdsimError("give two horizons at least: an exponent takes two points.")
    if seeds < 1:
        raise AdsimError(f"seeds = {seeds}: must be 1 or more.")
    check_problem(channels, spans[0], budget, target_roi)
    levels = [_levels(channel, budget, len(channels)) for channel in channels]
    means = [channel.means(level, SAMPLES) for channel, level in zip(channels, levels, strict=True)]
    optimum = best_arms(means, budget, target_roi)
    chosen = np.arange(first_seed, first_seed + seeds)
    learned = _learn(channels, spans, chosen, budget, target_roi, progress)
    splits = {EVEN: np.full(len(channels), budget / len(channels)), FIXED: _fixed(means, levels, budget, target_roi)}
    held = {name: play_split(channels, split, spans[-1], chosen) for name, split in splits.items()}
    held[OPTIMUM] = play_mixture(channels, levels, optimum.weights, spans[-1], chosen)
    parts = [_outcomes(LEARNER, run, chosen) for run in learned]
    parts += [_outcomes(name, _until(run, span), chosen) for name, run in held.items() for span in spans]
    runs = _judged(pd.concat(parts, ignore_index=True), budget, target_roi)
    return Study(
        budget=budget,
        target_roi=target_roi,
        optimum=optimum,
        runs=runs,
        table=_table(runs),
        exponents=_exponents(runs, spans),
        shares=_shares(channels, learned[-1], means, optimum, budget),
        means=_means(channels, levels, means),
    )


def _levels(channel: Channel, budget: float, channels: int) -> Floats:
    """Budgets for the benchmark: a grid that holds an even split and, for a knapsack, whatever may be a corner."""
    grid = np.linspace(0, budget, GRID * channels + 1)
    if isinstance(channel, KnapsackChannel):
        return np.union1d(grid, channel.spend[channel.spend < budget])
    return grid


def _learn(
    channels: Sequence[Channel],
    horizons: Sequence[int],
    seeds: np.ndarray,
    budget: float,
    target_roi: float,
    progress: Callable[[int, int], None] | None,
) -> list[Run]:
    """A learner of its own for each horizon, which its constants depend on."""
    runs, total = [], sum(horizons)
    for number, periods in enumerate(horizons):
        before = sum(horizons[:number])

        def tell(done: int, _: int, before: int = before) -> None:
            if progress:
                progress(before + done, total)

        runs.append(sgd_ucb(channels, periods, seeds, budget=budget, target_roi=target_roi, progress=tell))
    return runs


def _fixed(means: Sequence[Bought], levels: Sequence[Floats], budget: float, target_roi: float) -> Floats:
    """The best budgets that never change, (M,)."""
    weights = best_arms(means, budget, target_roi, mixed=False).weights
    return np.array([level[weight.argmax()] for level, weight in zip(levels, weights, strict=True)])


def _until(run: Run, periods: int) -> Run:
    return Run(*(each[:, :periods] for each in run))


def _outcomes(policy: str, run: Run, seeds: np.ndarray) -> pd.DataFrame:
    """Value and spend a period, a row per seed."""
    periods = run.value.shape[1]
    value, spend = (each.sum(axis=(1, 2)) / periods for each in (run.value, run.spend))
    return pd.DataFrame({"policy": policy, "periods": periods, "seed": seeds, "value": value, "spend": spend})


def _judged(runs: pd.DataFrame, budget: float, target_roi: float) -> pd.DataFrame:
    """Runs beside the best mixture on the same periods, and what they missed of the constraints."""
    best = runs.loc[runs["policy"] == OPTIMUM, ["periods", "seed", "value"]].rename(columns={"value": "optimum"})
    runs = runs.merge(best, on=["periods", "seed"], how="left", validate="many_to_one")
    due = target_roi * runs["spend"]
    return runs.assign(
        gap=runs["optimum"] - runs["value"],
        overspend=np.maximum(runs["spend"] / budget - 1, 0),
        roi_shortfall=np.where(due > 0, np.maximum(1 - runs["value"] / due.where(due > 0, 1), 0), 0),
    )


def _table(runs: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (policy, periods), part in runs.groupby(["policy", "periods"], sort=False):
        gap = estimate(part["gap"])
        found = {"gap": gap.mean, "low": gap.low, "high": gap.high}
        rest = part[["value", "spend", "overspend", "roi_shortfall"]].mean()
        share = gap.mean / part["optimum"].mean() if part["optimum"].any() else 0.0
        rows.append({"policy": policy, "periods": periods, **found, "gap_share": share, **rest})
    return pd.DataFrame(rows)


def _exponents(runs: pd.DataFrame, horizons: Sequence[int]) -> pd.DataFrame:
    rows = []
    for policy, part in runs[runs["policy"] != OPTIMUM].groupby("policy", sort=False):
        wide = part.pivot(index="seed", columns="periods", values="gap")
        found: Exponent = exponent(wide[list(horizons)].to_numpy(), horizons)
        rows.append({"policy": policy, "exponent": found.value, "low": found.low, "high": found.high})
    return pd.DataFrame(rows)


def _shares(
    channels: Sequence[Channel], run: Run, means: Sequence[Bought], optimum: Choice, budget: float
) -> pd.DataFrame:
    """Spend by channel over the periods of a run, and the optimum's."""
    spend = run.spend.mean(axis=0) / budget
    blocks = np.array_split(np.arange(len(spend)), min(BLOCKS, len(spend)))
    rows = []
    for j, (channel, each) in enumerate(zip(channels, means, strict=True)):
        best = float(optimum.weights[j] @ each.spend) / budget
        for block in blocks:
            share = float(spend[block, j].mean())
            rows.append({"channel": channel.name, "period": block.mean() + 1, "spend": share, "optimum": best})
    return pd.DataFrame(rows)


def _means(channels: Sequence[Channel], levels: Sequence[Floats], means: Sequence[Bought]) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"channel": channel.name, "budget": level, **each._asdict()})
        for channel, level, each in zip(channels, levels, means, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)
