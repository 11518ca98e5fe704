"""Figures of markets in which everyone adapts: multipliers on their way, and what the market reaches."""

from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from adsim.drawing import GREY, INK, logarithmic, note, panels, styled
from adsim.experiments.equilibrium.equilibrium import SETTLED, Equilibrium
from adsim.experiments.growth_figures import COLORS, label, lines, scale

ANARCHY = 0.5
"""Least share of the best liquid welfare in truthful auctions of value maximizers (Aggarwal et al. 2019)."""
TITLES = {
    "unrest": "spread of settled multipliers",
    "distance": "distance from the pacing equilibrium",
    "roi_shortfall": "value short of target ROI",
}


def of_equilibrium(found: Equilibrium) -> dict[str, Figure]:
    """All figures that apply, by name."""
    figures = {"multipliers": multipliers(found), "welfare": welfare(found)}
    if len(found.horizons) > 1 and _positive(found):
        figures["convergence"] = convergence(found)
    return figures


@styled
def multipliers(found: Equilibrium) -> Figure:
    """Positive multipliers over the first seed's longest period, by mechanism; dashed: the equilibrium's."""
    names = found.mechanisms
    title = f"{found.scenario.name}: multipliers while everyone adapts, T = {found.horizons[-1]:,}"
    figure, axes = panels(title, (max(10.0, 1.4 + 4.4 * len(names)), 5.4), 1, len(names), sharey=True)
    bids = found.paths["multiplier"]
    low, high = bids[bids > 0].min(), bids.max()
    for axis, name in zip(axes[0], names, strict=True):
        axis.set(yscale="log", xlim=(0, 1), ylim=(low / 1.1, high * 1.1))
        axis.set_title(name, fontweight="bold")
        axis.set_xlabel("share of the period")
        axis.xaxis.set_major_formatter(PercentFormatter(1.0))
        logarithmic(axis.yaxis, low / 1.1, high * 1.1)
        _paths(axis, found.paths[found.paths["mechanism"] == name])
    axes[0, 0].set_ylabel("multiplier")
    known = " Dashed: the first-price pacing equilibrium." if found.paths["equilibrium"].notna().any() else ""
    note(figure, f"A line per campaign; between the dotted lines they count as settled.{known}")
    return figure


def _paths(axes: Axes, paths: pd.DataFrame) -> None:
    """A line per campaign, and where it should end."""
    for color, (_, path) in zip(cycle(COLORS), paths.groupby("campaign", sort=False), strict=False):
        axes.plot(path["time"], path["multiplier"], color=color, linewidth=1.4)
        axes.plot(path["time"], path["equilibrium"], color=color, linewidth=1, linestyle=(0, (4, 3)))
    for moment in SETTLED:
        axes.axvline(moment, color=GREY, linewidth=1, linestyle=(0, (1, 3)))


@styled
def welfare(found: Equilibrium) -> Figure:
    """Shares of the best liquid welfare that are reached and charged, by mechanism, at the longest horizon."""
    bound = all(table.objective == "value" for table in found.scenario.campaigns)
    metrics = {"welfare_share": "liquid welfare", "revenue_share": "revenue"}
    title = f"{found.scenario.name}: share of the best liquid welfare"
    figure, axes = panels(title, (9, 1.8 + 0.5 * len(found.mechanisms)), 1, 2, sharey=True)
    last = found.table[found.table["horizon"] == found.horizons[-1]]
    places = np.arange(len(found.mechanisms))
    for axis, (metric, words) in zip(axes[0], metrics.items(), strict=True):
        rows = last[last["metric"] == metric].set_index("mechanism").loc[found.mechanisms]
        reach = np.abs(rows[["low", "high"]].to_numpy().T - rows["mean"].to_numpy())
        axis.errorbar(rows["mean"], places, xerr=reach, fmt="o", color=INK, capsize=3, linewidth=1.6)
        most = float(np.nanmax(rows[["mean", "high"]].to_numpy()))
        axis.set(xlim=(0, max(1.02, most + 0.02)), ylim=(len(places) - 0.5, -0.5))
        axis.set_yticks(places, found.mechanisms)
        axis.set_title(words, fontweight="bold")
        axis.xaxis.set_major_formatter(PercentFormatter(1.0))
    if bound:
        axes[0, 0].axvline(ANARCHY, color=GREY, linewidth=1.2, linestyle=(0, (4, 3)))
    note(figure, _sample(found, "bars") + (" Dashed: the worst case of truthful auctions, a half." if bound else ""))
    return figure


@styled
def convergence(found: Equilibrium) -> Figure:
    """How unrest, shortfall and distance from equilibrium change with the length of the period."""
    tables = _positive(found)
    title = f"{found.scenario.name}: what longer periods change"
    figure, axes = panels(title, (1.2 + 4.8 * len(tables), 5.2), 1, len(tables))
    for axis, (metric, table) in zip(axes[0], tables.items(), strict=True):
        axis.set_title(TITLES[metric], fontweight="bold")
        axis.set_xlabel("opportunities T")
        scale(axis, table)
        lines(axis, table, "mechanism")
    note(figure, _sample(found, "bands"))
    for axis, table in zip(axes[0], tables.values(), strict=True):
        label(axis, table, "mechanism", {name: name for name in found.mechanisms})
    return figure


def _positive(found: Equilibrium) -> dict[str, pd.DataFrame]:
    """Rows of the metrics of `TITLES` that are above 0 anywhere."""
    tables = {metric: found.table[found.table["metric"] == metric] for metric in TITLES}
    return {metric: table for metric, table in tables.items() if (table["mean"] > 0).any()}


def _sample(found: Equilibrium, marks: str) -> str:
    """How many markets are behind the numbers."""
    count = len(found.seeds)
    return "One market." if count == 1 else f"Means over {count} markets, {marks}: 95 % intervals."
