"""Figures of markets and comparisons: each function takes results and returns a matplotlib figure."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from adsim.drawing import (
    BLUE,
    GREEN,
    GREY,
    INK,
    KEPT,
    VERMILLION,
    grouped,
    label_ends,
    label_points,
    logarithmic,
    note,
    panels,
    styled,
)
from adsim.experiments.comparison.compare import Comparison
from adsim.experiments.comparison.multiplier_figures import multipliers
from adsim.market.metrics import TOLERANCE, units_sold
from adsim.market.result import Result
from adsim.types import Floats, Totals

UNITS = {
    "welfare": "money",
    "liquid_welfare": "money",
    "revenue": "money",
    "user_experience": "sum of scores",
    "roi_violations": "share of campaigns",
}
"""The metrics that are drawn: the first four of those that say something."""
USED_UP = 0.95
MOST_LABELS = 16
REACH = 8
"""ROI are drawn up to that many times the largest target, and down to the same fraction of the smallest."""


def of_market(result: Result, curve: pd.DataFrame) -> dict[str, Figure]:
    """All figures of one market that apply to it, by name; ``curve`` is a campaign's bid landscape."""
    figures = {"landscape": landscape(curve), "multipliers": multipliers(result)}
    if np.isfinite(result.campaigns[["budget", "stock"]].to_numpy()).any():
        figures["pacing"] = pacing(result)
    if _with_target(result.campaigns).size:
        figures["roi"] = roi(result.campaigns)
    return figures


def of_comparison(comparison: Comparison) -> dict[str, Figure]:
    """All figures of a comparison that apply to it, by name."""
    figures = {"comparison": variants(comparison)}
    if comparison.scenario.size > 1 and _with_target(comparison.campaigns).size:
        figures["roi"] = roi(comparison.campaigns)
    return figures


@styled
def variants(comparison: Comparison) -> Figure:
    """Means by mechanism or agent with 95 % intervals, and below them the paired differences to the baseline."""
    names, baseline = comparison.variants, comparison.baseline
    others = [name for name in names if name != baseline]
    metrics = [name for name in UNITS if comparison.runs[name].any() and comparison.runs[name].notna().all()][:4]
    rows = 2 if others else 1
    markets = "one market" if len(comparison.seeds) == 1 else f"the same {len(comparison.seeds)} markets"
    title = f"{comparison.scenario.name}: {comparison.varied}s on {markets}"
    size = 1.6 + 2.9 * len(metrics), 1.8 + rows * (1.0 + 0.34 * len(names))
    figure, axes = panels(title, size, rows, len(metrics), sharey="row")
    for column, metric in enumerate(metrics):
        axes[0, column].set_title(metric.replace("_", " ").replace("roi", "ROI"), fontweight="bold")
        _dots(axes[0, column], names, comparison.table.query("metric == @metric"), baseline)
        axes[0, column].set_xlabel(UNITS[metric])
        if others:
            below = axes[1, column]
            _dots(below, others, comparison.differences.query("metric == @metric"), baseline)
            below.axvline(0, color=INK, linewidth=1.2)
            below.set_xlabel(f"difference to {baseline}")
    hollow = "; a difference is hollow where it holds 0" if others else ""
    note(figure, f"Dots: means over seeds. Lines: their 95 % intervals{hollow}.")
    return figure


def _dots(axes: Axes, names: list[str], table: pd.DataFrame, baseline: str) -> None:
    """A row per variant: its mean and interval; hollow where an interval of differences holds 0."""
    rows = table.set_index("variant")
    for place, name in enumerate(names):
        mean, low, high = (float(rows[field][name]) for field in ("mean", "low", "high"))
        color = INK if name == baseline else BLUE
        filled = rows["excludes_zero"][name] if "excludes_zero" in rows else True
        axes.plot([low, high], [place, place], color=color, linewidth=2.5)
        axes.plot(mean, place, "o", color=color, markersize=7.5, markerfacecolor=color if filled else "white")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.margins(x=0.12)
    axes.grid(axis="y", visible=False)
    grouped(axes.xaxis)


@styled
def pacing(result: Result) -> Figure:
    """Spend against budget, and sales against stock, over the ticks, beside the traffic that brings them.

    Raises
    ------
    ValueError
        When no campaign has a budget or a stock.
    """
    kinds = {"budget": ("spend", "spent"), "stock": ("sales", "sold")}
    kinds = {limit: words for limit, words in kinds.items() if np.isfinite(result.campaigns[limit]).any()}
    if not kinds:
        raise ValueError("no campaign has a budget or a stock.")
    title = " and ".join(f"{words[0]} against {limit}" for limit, words in kinds.items()).capitalize()
    figure, axes = panels(f"{title} over the period", (1.5 + 6.5 * len(kinds), 5.4), 1, len(kinds))
    totals = Totals(*np.moveaxis(result.history, 2, 0))
    taken = {"budget": totals.spend, "stock": units_sold(result.constraints, totals)}
    for axis, (limit, (_, done)) in zip(axes[0], kinds.items(), strict=True):
        limited = np.isfinite(result.campaigns[limit])
        used = taken[limit][:, limited] / result.campaigns[limit][limited].to_numpy()
        count = int((used[-1] >= USED_UP).sum())
        axis.set_title(f"{count} of {used.shape[1]} campaigns {done} {USED_UP:.0%} or more")
        axis.set_ylabel(f"share of the {limit} {done}")
        _cumulative(axis, used, result.campaigns["campaign"][limited].tolist(), _traffic(result))
    return figure


def _traffic(result: Result) -> Floats:
    """Expected share of the period's traffic before each tick and at the end; (ticks + 1,)."""
    ticks = len(result.history) - 1
    return np.concatenate([[0.0], result.ticks["traffic_share"].to_numpy().reshape(ticks, -1)[:, 0].cumsum()])


def _cumulative(axes: Axes, used: Floats, names: list[str], traffic: Floats) -> None:
    """A line per campaign, and the traffic; those that end low are named."""
    end = len(used) - 1
    low = [int(i) for i in np.argsort(used[-1]) if used[-1, i] < USED_UP]
    rest = np.delete(np.arange(len(names)), low)
    for i, line in enumerate(used.T):
        axes.plot(line, color=VERMILLION if i in low else BLUE, linewidth=1.6, alpha=0.85 if len(names) < 25 else 0.5)
    axes.plot(traffic, color=INK, linewidth=2, linestyle=(0, (3, 1.5)))
    axes.set(xlabel="ticks since the period began", xlim=(0, end), ylim=(0, max(1.03, 1.03 * float(used.max()))))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ends = [(float(used[-1, i]), names[i], VERMILLION) for i in low[:MOST_LABELS]]
    if len(rest):
        group = names[rest[0]] if len(rest) == 1 else f"{len(rest)} others" if low else f"all {len(rest)}"
        ends.append((float(used[-1, rest].mean()), group, BLUE))
    label_ends(axes, end, [*ends, (1.0, "traffic", INK)])


@styled
def roi(campaigns: pd.DataFrame) -> Figure:
    """Realised ROI against target, a point per campaign; a panel per variant where there are several.

    Parameters
    ----------
    campaigns : pandas.DataFrame
        `Result.campaigns` or `Comparison.campaigns`.

    Raises
    ------
    ValueError
        When no campaign with a target ROI spent anything.
    """
    spent = _with_target(campaigns)
    if spent.empty:
        raise ValueError("no campaign with a target ROI spent anything.")
    if "variant" not in spent:
        figure, axes = panels(_verdict(spent), (8, 6))
        _targets(axes[0, 0], spent, _limits(spent), (25, 260), {"edgecolor": "white"})
        _name_sides(axes[0, 0])
        _name_missed(axes[0, 0], spent)
        return figure
    parts = {str(name): part for name, part in spent.groupby("variant", sort=False)}
    columns = 2 if len(parts) in (2, 4) else min(3, len(parts))
    rows = -(-len(parts) // columns)
    size = 0.9 + 3.6 * columns, 1.2 + 3.4 * rows
    figure, axes = panels("Realised ROI by campaign and seed (area: spend)", size, rows, columns)
    for axis in axes.flat[len(parts) :]:
        axis.remove()
    for axis, (name, part) in zip(axes.flat, parts.items(), strict=False):
        axis.set_title(f"{name}: {_missed(part).mean():.0%} miss it", fontweight="bold")
        _targets(axis, part, _limits(spent), (5, 130), {"alpha": 0.45, "linewidth": 0})
        if axis.get_subplotspec().is_last_col():
            _name_sides(axis)
    return figure


def _with_target(campaigns: pd.DataFrame) -> pd.DataFrame:
    """The campaigns that have a target ROI and spent something, for there is no ROI without."""
    return campaigns[campaigns["target_roi"].notna() & (campaigns["spend"] > 0)]


def _missed(part: pd.DataFrame) -> "pd.Series[bool]":
    return part["roi_shortfall"] > TOLERANCE


def _verdict(part: pd.DataFrame) -> str:
    """How many keep their targets, in words."""
    kept = len(part) - int(_missed(part).sum())
    if len(part) == 1:
        return f"{part['campaign'].iloc[0]} {'keeps' if kept else 'misses'} its target ROI"
    return f"{kept} of {len(part)} campaigns keep their target ROI"


def _limits(part: pd.DataFrame) -> tuple[tuple[float, float], tuple[float, float]]:
    """Limits in target and in realised ROI."""
    low, high = float(part["target_roi"].min()), float(part["target_roi"].max())
    lowest, highest = float(part["roi"].min()) / 1.3, float(part["roi"].max()) * 1.3
    bottom, top = max(low / REACH, min(lowest, low / 1.5)), min(high * REACH, max(highest, high * 1.5))
    return (low / 1.15, high * 1.15), (bottom, top)


def _targets(
    axes: Axes,
    part: pd.DataFrame,
    limits: tuple[tuple[float, float], tuple[float, float]],
    sizes: tuple[float, float],
    look: dict[str, Any],
) -> None:
    """The points of one panel, the kept side of the diagonal shaded; triangles lie beyond the limits.

    Areas grow with spend from the first of ``sizes`` to the second: who hardly bought anything hardly shows.
    """
    x, (bottom, top) = limits
    axes.set(xscale="log", yscale="log", xlim=x, ylim=(bottom, top))
    axes.set_xlabel("target ROI")
    if axes.get_subplotspec().is_first_col():  # type: ignore[union-attr]
        axes.set_ylabel("realised ROI (value / spend)")
    axes.fill_between(x, x, top, color=KEPT, linewidth=0, zorder=0)
    axes.plot(x, x, color=GREEN, linewidth=1.4)
    beyond = np.select([part["roi"] > top, part["roi"] < bottom], ["^", "v"], "o")
    colors = np.where(_missed(part), VERMILLION, BLUE)
    areas = sizes[0] + (sizes[1] - sizes[0]) * (part["spend"] / part["spend"].max()).to_numpy()
    for marker in np.unique(beyond):
        chosen = beyond == marker
        place = part["target_roi"][chosen], part["roi"][chosen].clip(bottom, top)
        axes.scatter(
            *place, s=areas[chosen], color=colors[chosen], marker=str(marker), zorder=3, clip_on=False, **look
        )
    logarithmic(axes.xaxis, *x)
    logarithmic(axes.yaxis, bottom, top)


def _name_sides(axes: Axes) -> None:
    end = axes.get_xlim()[1]
    axes.annotate("kept", (end, end), (4, 7), textcoords="offset points", color=GREEN)
    axes.annotate("missed", (end, end), (4, -14), textcoords="offset points", color=VERMILLION)


def _name_missed(axes: Axes, part: pd.DataFrame) -> None:
    """Name who missed its target, the worst first."""
    worst_first = part.sort_values("roi_shortfall", ascending=False)
    points = worst_first[["target_roi", "roi"]].to_numpy().clip(min=axes.get_ylim()[0])
    label_points(axes, points, worst_first["campaign"][_missed(worst_first)].tolist()[:MOST_LABELS], VERMILLION)


@styled
def landscape(frame: pd.DataFrame) -> Figure:
    """Value, spend and ROI of one campaign against the factor on its bids, from its bid landscape."""
    name, target, budget = frame["campaign"][0], float(frame["target_roi"][0]), float(frame["budget"][0])
    figure, ((money, returns),) = panels(f"What {name} gets for higher and lower bids", (11, 4.8), 1, 2)
    for axes in (money, returns):
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda factor, _: _times(factor)))
        axes.set_xlabel("bids, times those of the agent")
        axes.axvline(1, color=GREY, linewidth=1.2, linestyle=(0, (1, 2)))
        axes.set_xlim(frame["factor"].min(), frame["factor"].max())
    money.plot(frame["factor"], frame["value"], color=BLUE)
    money.plot(frame["factor"], frame["spend"], color=VERMILLION)
    returns.plot(frame["factor"], frame["roi"], color=BLUE)
    money.set(ylabel="money per period", ylim=(0, 1.08 * max(frame["value"].max(), frame["spend"].max(), 1e-12)))
    returns.set(ylabel="realised ROI (value / spend)", ylim=(0, 1.15 * np.nanmax([*frame["roi"], target, 1e-12])))
    grouped(money.yaxis, 6)
    grouped(returns.yaxis, 6)
    last = frame.iloc[-1]
    ends = [(last["value"], "value", BLUE), (last["spend"], "spend", VERMILLION)]
    if np.isfinite(budget):
        money.axhline(budget, color=INK, linewidth=1.2, linestyle=(0, (4, 2)))
        money.annotate("budget", (frame["factor"].min(), budget), xytext=(6, 4), textcoords="offset points")
    if np.isfinite(target):
        returns.axhspan(target, returns.get_ylim()[1], color=KEPT, linewidth=0, zorder=0)
        returns.axhline(target, color=GREEN, linewidth=1.4, zorder=1)
        returns.annotate(
            "target",
            (frame["factor"].max(), target),
            xytext=(-6, 5),
            textcoords="offset points",
            ha="right",
            color=GREEN,
        )
    label_ends(money, frame["factor"].max(), ends)
    return figure


def _times(factor: float) -> str:
    return "\N{MULTIPLICATION SIGN}" + (f"{factor:g}" if factor >= 1 else f"1/{1 / factor:g}")
