"""Figures of the frontier between liquid welfare and user experience, and of what mechanisms differ by."""

from collections.abc import Mapping
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from adsim.drawing import BLUE, GREEN, INK, ORANGE, PURPLE, SKY, VERMILLION, label_points, note, panels, styled
from adsim.experiments.frontier import CELL, Frontier

COLORS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
MARKERS = "osD^vP"
SHARES = {"objective_share": "weighted objective", "revenue_share": "revenue"}


def of_frontier(found: Frontier) -> dict[str, Figure]:
    """All figures that apply, by name."""
    figures = {"pareto": pareto(found)}
    if len(found.mechanisms) > 1:
        figures["verdict"] = verdict(found)
    return figures


@styled
def pareto(found: Frontier) -> Figure:
    """Mean liquid welfare against mean user experience, a point per beta; a panel per tightness."""
    factors = found.tightness
    title = f"{found.scenario.name}: liquid welfare against user experience"
    figure, axes = panels(title, (1.0 + 4.3 * len(factors), 5.6), 1, len(factors))
    names = ["optimum", *found.mechanisms]
    looks = dict(zip(found.mechanisms, cycle(zip(COLORS, MARKERS, strict=True)), strict=False))
    for axis, (factor, points) in zip(axes[0], relative(found).groupby("tightness"), strict=True):
        axis.set_title(f"stock \N{MULTIPLICATION SIGN} {factor:g}", fontweight="bold")
        axis.set_xlabel("user experience")
        _curves(axis, {str(name): part for name, part in points.groupby("mechanism")}, looks)
        for side in (axis.xaxis, axis.yaxis):
            side.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
            side.set_major_formatter(PercentFormatter(1, decimals=0))
    axes[0, 0].set_ylabel("liquid welfare")
    handles, _ = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=len(names), frameon=False, handlelength=2.4)
    least = found.betas[0]
    note(figure, f"100 %: of the optimum at \N{GREEK SMALL LETTER BETA} = {least:g}, by seed. {_sample(found)}")
    for axis, (_, points) in zip(axes[0], relative(found).groupby("tightness"), strict=True):
        _name_betas(axis, points)
    return figure


def relative(found: Frontier) -> pd.DataFrame:
    """Means over seeds of what the optimum and each mechanism reach, over the optimum's at the smallest beta.

    Returns
    -------
    pandas.DataFrame
        A row per cell and mechanism or ``optimum``: tightness, beta, mechanism, liquid_welfare, user_experience.
    """
    measures = ["liquid_welfare", "user_experience"]
    least = found.optima[found.optima["beta"] == found.betas[0]].set_index(["tightness", "seed"])[measures]
    points = pd.concat([found.optima.assign(mechanism="optimum"), found.runs], join="inner", ignore_index=True)
    base = least.loc[pd.MultiIndex.from_frame(points[["tightness", "seed"]])].to_numpy()
    points[measures] = points[measures] / np.where(base > 0, base, np.nan)
    return points.groupby([*CELL, "mechanism"], as_index=False)[measures].mean()


def _curves(axes: Axes, parts: Mapping[str, pd.DataFrame], looks: Mapping[str, tuple[str, str]]) -> None:
    """The optimum's frontier, and a line with a marker per beta for each mechanism; markers of the first on top."""
    best = parts["optimum"]
    axes.plot(best["user_experience"], best["liquid_welfare"], color=INK, linewidth=5, alpha=0.25, label="optimum")
    for depth, (name, (color, marker)) in enumerate(looks.items()):
        axes.plot(
            parts[name]["user_experience"],
            parts[name]["liquid_welfare"],
            color=color,
            marker=marker,
            markersize=7.5,
            markeredgecolor="white",
            markeredgewidth=0.8,
            linewidth=1.6,
            zorder=3 - depth / 100,
            label=name,
        )
    axes.margins(0.14)


def _name_betas(axes: Axes, points: pd.DataFrame) -> None:
    """Write beta at the optimum's points."""
    best = points["mechanism"] == "optimum"
    order = pd.concat([points[best], points[~best]])
    beta = "\N{GREEK SMALL LETTER BETA}"
    labels = [f"{beta} = {value:g}" for value in order["beta"][: int(best.sum())]]
    label_points(axes, order[["user_experience", "liquid_welfare"]].to_numpy(), labels, INK)


@styled
def verdict(found: Frontier) -> Figure:
    """Paired differences of shares to the baseline, a row per cell; a column per mechanism, scales of their own."""
    others = [name for name in found.mechanisms if name != found.baseline]
    cells = list(found.differences.groupby(CELL, sort=False).groups)
    title = f"{found.scenario.name}: differences to {found.baseline} on the same seeds"
    size = 1.9 + 3.3 * len(others), 1.9 + 2 * (0.8 + 0.21 * len(cells))
    figure, axes = panels(title, size, 2, len(others), sharey=True)
    for row, (metric, words) in zip(axes, SHARES.items(), strict=True):
        for axis, name in zip(row, others, strict=True):
            rows = found.differences.query("metric == @metric and mechanism == @name")
            _intervals(axis, rows)
            axis.set_title(f"{name}: {words}", fontweight="bold")
            axis.set_xlabel("percentage points" + (" of the optimum" if metric == "objective_share" else ""))
        _name_cells(row[0], cells)
    note(figure, f"Points: means over {len(found.seeds)} seeds, hollow where the 95 % interval holds 0.")
    return figure


def _intervals(axes: Axes, rows: pd.DataFrame) -> None:
    """A point and its interval per cell."""
    for place, row in enumerate(rows.itertuples()):
        axes.plot([100 * row.low, 100 * row.high], [place, place], color=BLUE, linewidth=2.2)
        face = BLUE if row.excludes_zero else "white"
        axes.plot(100 * row.mean, place, "o", color=BLUE, markersize=5.5, markerfacecolor=face)
    axes.axvline(0, color=INK, linewidth=1.2)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(5))


def _name_cells(axes: Axes, cells: list[tuple[float, float]]) -> None:
    """Betas at the rows, the tightness at the first of its rows."""
    before, labels = None, []
    for factor, beta in cells:
        stock = f"stock \N{MULTIPLICATION SIGN} {factor:g},  " if factor != before else ""
        labels.append(f"{stock}\N{GREEK SMALL LETTER BETA} = {beta:g}")
        before = factor
    axes.set_yticks(range(len(cells)), labels)


def _sample(found: Frontier) -> str:
    count = len(found.seeds)
    return "One market." if count == 1 else f"Means over {count} markets."
