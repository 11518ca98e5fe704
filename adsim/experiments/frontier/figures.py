"""Figures of the frontier between liquid welfare and user experience, and of what mechanisms differ by."""

from collections.abc import Mapping
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import Bbox

from adsim.drawing import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SKY, VERMILLION, measured, note, panels, styled
from adsim.experiments.frontier.frontier import CELL, Frontier

COLORS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
MARKERS = "osD^vP"
SIZES = 11.0, 8.0, 5.5, 7.0, 7.0, 7.0
NEAR = 0.6
"""How far from the optimum's frontier the close-up looks, in spans of the frontier."""
BETA = "\N{GREEK SMALL LETTER BETA}"
SHARES = {"objective_share": ("weighted objective", "objective"), "revenue_share": ("revenue", "liquid welfare")}
"""What a share is of, and the optimum's that it is a share of."""


def of_frontier(found: Frontier) -> dict[str, Figure]:
    """All figures that apply, by name."""
    figures = {"pareto": pareto(found)}
    if len(found.mechanisms) > 1:
        figures["verdict"] = verdict(found)
    return figures


@styled
def pareto(found: Frontier) -> Figure:
    """Mean liquid welfare against mean user experience, a point per beta; a column per factor on stocks.

    Above all mechanisms, below the surroundings of the optimum's frontier.
    """
    factors = found.stocks
    title = f"{found.scenario.name}: liquid welfare against user experience"
    figure, axes = panels(title, (2.6 + 3.9 * len(factors), 8.2), 2, len(factors))
    looks = dict(zip(found.mechanisms, cycle(zip(COLORS, MARKERS, SIZES, strict=True)), strict=False))
    points = relative(found)
    tables = {factor: points[points["stocks"] == factor] for factor in factors}
    for row in axes:
        for axis, (factor, table) in zip(row, tables.items(), strict=True):
            _curves(axis, table, looks)
            axis.set_title(f"stock \N{MULTIPLICATION SIGN} {factor:g}", fontweight="bold")
        row[0].set_ylabel("liquid welfare")
    for axis, table in zip(axes[1], tables.values(), strict=True):
        axis.set_title("near the optimum", fontweight="bold")
        axis.set_xlabel("user experience")
        _close_up(axis, table)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right upper", frameon=False, handlelength=2.2)
    note(figure, f"100%: the optimum at {BETA} = {found.betas[0]:g}, of each market. {_sample(found)}")
    for axis, table in zip(axes[1], tables.values(), strict=True):
        _name_betas(axis, table)
    return figure


def relative(found: Frontier) -> pd.DataFrame:
    """Means over seeds of what the optimum and each mechanism reach, over the optimum's at the smallest beta.

    Returns
    -------
    pandas.DataFrame
        A row per cell and mechanism or ``optimum``: stocks, beta, mechanism, liquid_welfare, user_experience.
    """
    measures = ["liquid_welfare", "user_experience"]
    least = found.optima[found.optima["beta"] == found.betas[0]].set_index(["stocks", "seed"])[measures]
    points = pd.concat([found.optima.assign(mechanism="optimum"), found.runs], join="inner", ignore_index=True)
    base = least.loc[pd.MultiIndex.from_frame(points[["stocks", "seed"]])].to_numpy()
    points[measures] = points[measures] / np.where(base > 0, base, np.nan)
    return points.groupby([*CELL, "mechanism"], as_index=False)[measures].mean()


def _curves(axes: Axes, table: pd.DataFrame, looks: Mapping[str, tuple[str, str, float]]) -> None:
    """The optimum's frontier, and a line with a marker per beta for each mechanism, the first the largest."""
    parts = {
        str(name): (part["user_experience"], part["liquid_welfare"]) for name, part in table.groupby("mechanism")
    }
    axes.plot(*parts["optimum"], color=INK, linewidth=6, alpha=0.25, label="optimum")
    axes.plot(*parts["optimum"], ".", color=INK, markersize=6)
    for name, (color, marker, size) in looks.items():
        look: dict[str, Any] = {"color": color, "marker": marker, "markersize": size, "markeredgecolor": "white"}
        axes.plot(*parts[name], linewidth=1.4, markeredgewidth=0.8, label=name, **look)
    axes.margins(0.1)
    for side in (axes.xaxis, axes.yaxis):
        side.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        side.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.5g}%"))


def _close_up(axes: Axes, table: pd.DataFrame) -> None:
    """Limits around the optimum's frontier and the points near it."""
    points = table[["user_experience", "liquid_welfare"]].to_numpy()
    best = points[table["mechanism"] == "optimum"]
    room = np.maximum(np.ptp(best, axis=0), 0.01)
    near = points[(np.abs(points - np.clip(points, best.min(axis=0), best.max(axis=0))) < NEAR * room).all(axis=1)]
    low, high = near.min(axis=0), near.max(axis=0)
    margin = 0.12 * np.maximum(high - low, room)
    axes.set_xlim(low[0] - margin[0], high[0] + 2 * margin[0])
    axes.set_ylim(low[1] - margin[1], high[1] + 2 * margin[1])


def _name_betas(axes: Axes, table: pd.DataFrame) -> None:
    """Write beta above and to the right of the optimum's points, where nothing else can be; not one over another."""
    measured(axes)
    taken: list[Bbox] = []
    for point in table[table["mechanism"] == "optimum"].itertuples():
        place = float(point.user_experience), float(point.liquid_welfare)  # type: ignore[arg-type]
        text = axes.annotate(
            f"{BETA} = {point.beta:g}", place, (4, 5), textcoords="offset points", annotation_clip=True
        )
        box = text.get_window_extent()
        if box.count_overlaps(taken):
            text.remove()
        else:
            taken.append(box.padded(3))


@styled
def verdict(found: Frontier) -> Figure:
    """Paired differences of shares to the baseline, a row per cell; a column per mechanism, scales of their own."""
    others = [name for name in found.mechanisms if name != found.baseline]
    cells = [(factor, beta) for factor in found.stocks for beta in found.betas]
    title = f"{found.scenario.name}: differences to {found.baseline} on the same seeds"
    size = 1.9 + 3.7 * len(others), 1.9 + 2 * (0.8 + 0.21 * len(cells))
    figure, axes = panels(title, size, 2, len(others), sharey=True)
    for row, (metric, (words, unit)) in zip(axes, SHARES.items(), strict=True):
        for axis, name in zip(row, others, strict=True):
            gaps = found.differences
            rows = gaps[(gaps["metric"] == metric) & (gaps["mechanism"] == name)]
            _intervals(axis, rows)
            axis.set_title(f"{name}: {words}", fontweight="bold")
            axis.set_xlabel(f"% of the optimum's {unit}")
        _name_cells(row[0], cells)
    note(figure, f"Points: means over {len(found.seeds)} seeds, hollow where the 95 % interval holds 0.")
    return figure


def _intervals(axes: Axes, rows: pd.DataFrame) -> None:
    """A point and its interval per cell."""
    numbers = 100 * rows[["mean", "low", "high"]].to_numpy(np.float64)
    for place, ((mean, low, high), apart) in enumerate(zip(numbers, rows["excludes_zero"], strict=True)):
        axes.plot([low, high], [place, place], color=BLUE, linewidth=2.2)
        face = BLUE if apart else "white"
        axes.plot(mean, place, "o", color=BLUE, markersize=5.5, markerfacecolor=face)
    axes.axvline(0, color=INK, linewidth=1.2)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.margins(x=0.08)
    axes.grid(axis="y", visible=False)
    for last in np.flatnonzero(np.diff(rows["stocks"])).tolist():
        axes.axhline(last + 0.5, color=GREY, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.xaxis.set_major_locator(MaxNLocator(5))


def _name_cells(axes: Axes, cells: list[tuple[float, float]]) -> None:
    """Betas at the rows, the factor on stocks at the first of its rows."""
    before, labels = None, []
    for factor, beta in cells:
        stock = f"stock \N{MULTIPLICATION SIGN} {factor:g},  " if factor != before else ""
        labels.append(f"{stock}{BETA} = {beta:g}")
        before = factor
    axes.set_yticks(range(len(cells)), labels)


def _sample(found: Frontier) -> str:
    count = len(found.seeds)
    return "One market." if count == 1 else f"Means over {count} markets."
