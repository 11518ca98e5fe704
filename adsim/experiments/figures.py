"""Figures of markets and comparisons: each function takes results and returns a matplotlib figure."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from adsim.experiments.compare import Comparison
from adsim.experiments.drawing import (
    BLUE,
    GREEN,
    GREY,
    INK,
    KEPT,
    VERMILLION,
    grouped,
    label_ends,
    logarithmic,
    panels,
    styled,
)
from adsim.market.metrics import TOLERANCE
from adsim.market.result import Result
from adsim.types import Floats, Totals

UNITS = {
    "welfare": "money",
    "liquid_welfare": "money",
    "revenue": "money",
    "user_experience": "sum of scores",
    "roi_violations": "share of campaigns",
}
"""The metrics that are drawn, as far as they say something, the first four of them."""
USED_UP = 0.95
MOST_LABELS = 8


@styled
def variants(comparison: Comparison) -> Figure:
    """Means by mechanism or agent with 95 % intervals, and below them the paired differences to the baseline."""
    names, baseline = comparison.variants, comparison.baseline
    metrics = [name for name in UNITS if comparison.runs[name].any() and comparison.runs[name].notna().all()][:4]
    rows = 2 if len(names) > 1 else 1
    title = f"{comparison.scenario.name}: {comparison.varied}s on the same {len(comparison.seeds)} markets"
    size = 1.6 + 2.9 * len(metrics), 1.4 + rows * (1.0 + 0.34 * len(names))
    figure, axes = panels(title, size, rows, len(metrics), sharey="row")
    for column, metric in enumerate(metrics):
        top = axes[0, column]
        _dots(top, names, comparison.table.query("metric == @metric"), baseline)
        top.set_title(metric.replace("_", " ").replace("roi", "ROI"), fontweight="bold")
        top.set_xlabel(f"{UNITS[metric]}, mean over seeds")
        if rows == 2:
            others = [name for name in names if name != baseline]
            below = axes[1, column]
            _dots(below, others, comparison.differences.query("metric == @metric"), baseline)
            below.axvline(0, color=INK, linewidth=1.2)
            below.set_xlabel(f"difference to {baseline}")
    return figure


def _dots(axes: Axes, names: list[str], table: pd.DataFrame, baseline: str) -> None:
    """A row per variant: its mean and interval; hollow where an interval of differences holds 0."""
    rows = table.set_index("variant")
    for place, name in enumerate(names):
        mean, low, high = (float(rows.loc[name, field]) for field in ("mean", "low", "high"))  # type: ignore[arg-type]
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
    """Spend against budget, and sales against stock, over the ticks, beside the traffic they could follow.

    Raises
    ------
    ValueError
        When no campaign has a budget or a stock.
    """
    limits = {"budget": ("spend", "spent"), "stock": ("conversions", "sold")}
    limits = {limit: words for limit, words in limits.items() if np.isfinite(result.campaigns[limit]).any()}
    if not limits:
        raise ValueError("no campaign has a budget or a stock to pace.")
    title = " and ".join(f"{words[0].replace('conversions', 'sales')} against {limit}" for limit, words in limits.items())
    figure, axes = panels(title.capitalize() + " over the period", (1.5 + 6.5 * len(limits), 5.2), 1, len(limits))
    for place, (limit, (total, done)) in enumerate(limits.items()):
        limited = np.isfinite(result.campaigns[limit])
        used = result.history[:, limited, Totals._fields.index(total)] / result.campaigns[limit][limited].to_numpy()
        _cumulative(axes[0, place], used, result.campaigns["campaign"][limited].tolist(), result)
        axes[0, place].set_ylabel(f"share of {limit} {done}")
    return figure


def _cumulative(axes: Axes, used: Floats, names: list[str], result: Result) -> None:
    """A line per campaign, and the traffic; the lines that end low are named."""
    ticks = len(used) - 1
    share = result.ticks["traffic_share"].to_numpy().reshape(ticks, -1)[:, 0]
    traffic = np.concatenate([[0.0], share.cumsum()])
    low = [int(i) for i in np.argsort(used[-1]) if used[-1, i] < USED_UP]
    for i, line in enumerate(used.T):
        axes.plot(line, color=VERMILLION if i in low else BLUE, linewidth=1.6, alpha=0.8)
    axes.plot(traffic, color=INK, linewidth=1.8, linestyle=(0, (4, 2)))
    middle = ticks // 2
    axes.annotate(
        "traffic",
        (middle, traffic[middle]),
        xytext=(12, -16),
        textcoords="offset points",
        fontweight="bold",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
    )
    axes.set_xlim(0, ticks)
    axes.set_ylim(0, max(1.03, 1.03 * float(used.max())))
    axes.set_xlabel("ticks since the period began")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    labels = [(float(used[-1, i]), names[i], VERMILLION) for i in low[:MOST_LABELS]]
    if len(low) < len(names):
        rest = np.delete(np.arange(len(names)), low)
        named = names[rest[0]] if len(rest) == 1 else f"{'the other ' if low else 'all '}{len(rest)}"
        labels.append((float(used[-1, rest].mean()), named, BLUE))
    label_ends(axes, ticks, *map(list, zip(*labels, strict=True)))  # type: ignore[arg-type]


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
    spent = campaigns[campaigns["target_roi"].notna() & (campaigns["spend"] > 0)]
    if spent.empty:
        raise ValueError("no campaign with a target ROI spent anything.")
    several = "variant" in spent
    parts = dict(list(spent.groupby("variant", sort=False))) if several else {"": spent}
    missed = int((spent["roi_shortfall"] > TOLERANCE).sum())
    title = f"{len(spent) - missed:,} of {len(spent):,} campaigns keep their target ROI"
    if several:
        title = "Realised ROI against target, a point per campaign and seed"
    columns = min(3, len(parts))
    rows = -(-len(parts) // columns)
    size = (10.5, 0.8 + 3.6 * rows) if several else (7.4, 5.8)
    figure, axes = panels(title, size, rows, columns, sharex=True, sharey=True)
    floor = float(spent["roi"][spent["roi"] > 0].min()) / 1.4 if spent["roi"].any() else 0.01
    x_limits = float(spent["target_roi"].min()) / 1.12, float(spent["target_roi"].max()) * 1.12
    y_limits = min(floor, x_limits[0]), max(float(spent["roi"].max()) * 1.25, x_limits[1])
    for axis, name in zip(axes.flat, [*parts, *[None] * (axes.size - len(parts))], strict=True):
        if name is None:
            axis.set_visible(False)
            continue
        _targets(axis, parts[name], x_limits, y_limits, several)
        if several:
            shown = parts[name]
            axis.set_title(f"{name}: {(shown['roi_shortfall'] > TOLERANCE).mean():.0%} miss it", fontweight="bold")
    for axis in axes[:, 0]:
        axis.set_ylabel("realised ROI (value / spend)")
    for column in range(columns):
        last = axes[rows - 1, column] if axes[rows - 1, column].get_visible() else axes[rows - 2, column]
        last.set_xlabel("target ROI")
        last.tick_params(labelbottom=True)
    return figure


def _targets(axes: Axes, part: pd.DataFrame, x: tuple[float, float], y: tuple[float, float], several: bool) -> None:
    """The points of one panel, the kept side of the diagonal shaded."""
    missed = part["roi_shortfall"] > TOLERANCE
    axes.set(xscale="log", yscale="log", xlim=x, ylim=y)
    axes.fill_between(x, x, y[1], color=KEPT, linewidth=0, zorder=0)
    axes.plot(x, x, color=GREEN, linewidth=1.4)
    axes.text(0.03, 0.96, "kept", transform=axes.transAxes, color=GREEN, va="top", fontweight="bold")
    axes.text(0.97, 0.04, "missed", transform=axes.transAxes, color=VERMILLION, ha="right", fontweight="bold")
    look: dict[str, Any] = {"s": 14, "alpha": 0.45, "linewidth": 0} if several else {"s": 60, "edgecolor": "white"}
    for rows, color in ((part[~missed], BLUE), (part[missed], VERMILLION)):
        axes.scatter(rows["target_roi"], rows["roi"].clip(lower=y[0]), color=color, zorder=3, clip_on=False, **look)
    logarithmic(axes.xaxis, *x)
    logarithmic(axes.yaxis, *y)
    if not several:
        worst = part[missed].nlargest(MOST_LABELS, "roi_shortfall")
        for row in worst.itertuples():
            place = float(row.target_roi), max(float(row.roi), y[0])  # type: ignore[arg-type]
            axes.annotate(str(row.campaign), place, xytext=(7, -4), textcoords="offset points", color=VERMILLION)


@styled
def landscape(frame: pd.DataFrame) -> Figure:
    """Value, spend and ROI of one campaign against the factor on its bids; see `adsim.experiments.landscape`."""
    name, target, budget = frame.loc[0, ["campaign", "target_roi", "budget"]]
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
        returns.axhline(target, color=GREEN, linewidth=1.4)
        returns.annotate(
            "target", (frame["factor"].max(), target), xytext=(-6, 5), textcoords="offset points", ha="right", color=GREEN
        )
    label_ends(money, frame["factor"].max(), *map(list, zip(*ends, strict=True)))  # type: ignore[arg-type]
    return figure


def _times(factor: float) -> str:
    return f"×{factor:g}" if factor >= 1 else f"×1/{1 / factor:g}"
