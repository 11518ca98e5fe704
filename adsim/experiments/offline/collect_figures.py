"""Figure of a collection: what its periods brought, and which multipliers they show."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from adsim.drawing import BLUE, GREY, INK, logarithmic, note, number, panels, styled
from adsim.experiments.offline.collect import Collection
from adsim.types import Floats

BANDS = ((0.05, 0.95), (0.25, 0.75))
MOST_DOTS = 600
LARGEST = 0.995
"""Quantile of the scores that the axis shows in full."""


@styled
def collection(found: Collection) -> Figure:
    """A column per agent: score against spend, a dot per trajectory, and bands of multipliers over the ticks."""
    runs, agents = found.runs, found.table["agent"].tolist()
    title = f"{found.scenario.name}: {len(runs):,} recorded periods of single campaigns"
    figure, axes = panels(title, (1.6 + 2.7 * len(agents), 7), 2, len(agents), sharex="row", sharey="row")
    points, words, relative = _points(found, runs)
    levels = found.trajectories.level.astype(np.float64)
    for place, agent in enumerate(agents):
        mine = (runs["agent"] == agent).to_numpy()
        upper, lower = axes[:, place]
        upper.set_title(agent.replace(":", "\n"), fontweight="bold", verticalalignment="bottom")
        upper.axline((0, 0), slope=1, color=INK, linewidth=1.2, zorder=1) if relative else None
        upper.plot(*points[mine][:MOST_DOTS].T, "o", color=BLUE, markersize=3.2, alpha=0.3, markeredgewidth=0)
        _bands(lower, levels[mine], found.terms.span)
        upper.set_xlabel(words[0])
        lower.set_xlabel("tick")
    axes[0, 0].set_ylabel(words[1])
    axes[1, 0].set_ylabel("multiplier / reference")
    _frame(axes[0, 0], points, relative=relative)
    line = "Upper: above the line, conversions were cheaper than their target. " if relative else ""
    note(figure, f"{line}Lower: median, middle half and middle 90 % of the campaigns.")
    return figure


def _points(found: Collection, runs: pd.DataFrame) -> tuple[Floats, tuple[str, str], bool]:
    """Spend and score, (E, 2), relative to the budget and what it buys at target where all have both."""
    budget, target = found.trajectories.budget, found.trajectories.target_roi
    points = runs[["spend", "score"]].to_numpy()
    if np.isfinite(budget).all() and (target > 0).all():
        return (
            points / np.stack([budget, budget * target], axis=1),
            ("spend / budget", "score / budget at target"),
            True,
        )
    return points, ("spend", "score"), False


def _frame(axes: Axes, points: Floats, *, relative: bool) -> None:
    """From 0, few ticks, outliers beyond the edge."""
    low, high = min(0.0, float(points[:, 1].min())), float(np.quantile(points[:, 1], LARGEST))
    right = float(points[:, 0].max())
    axes.set(xlim=(0, 1.04 * right if right > 0 else 1), ylim=(low, 1.1 * high if high > low else low + 1))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(PercentFormatter(1.0) if relative else FuncFormatter(lambda value, _: number(value)))


def _bands(axes: Axes, levels: Floats, span: float) -> None:
    """Quantiles of the multiplier in each tick, over the reference."""
    ticks = np.arange(levels.shape[1])
    for band in BANDS:
        low, high = span ** np.quantile(levels, band, axis=0)
        axes.fill_between(ticks, low, high, color=BLUE, alpha=0.2, linewidth=0)
    axes.plot(ticks, span ** np.median(levels, axis=0), color=BLUE)
    axes.axhline(1, color=GREY, linewidth=1.2, linestyle=(0, (4, 2)), zorder=1)
    axes.set(yscale="log", ylim=(1 / span, span), xlim=(0, max(ticks[-1], 1)))
    logarithmic(axes.yaxis, 1 / span, span)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
