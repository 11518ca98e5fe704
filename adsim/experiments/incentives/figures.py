"""Figures of what reports other than the truth bring: sales and utility against the report."""

from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from adsim.drawing import GREY, label_ends, note, panels, styled
from adsim.experiments.growth_figures import COLORS
from adsim.experiments.incentives.incentives import Incentives

OTHERS = {"fixed": "others bid on as before", "adapt": "all bids adapt to the report"}
METRICS = {"relative_sales": "sales / truthful sales", "relative_utility": "utility / truthful sales"}
REPORTS = {"target": "reported / true target ROI", "stock": "reported / true stock"}
REPORTS |= {"budget": "reported / true budget", "value": "bid / truthful bid"}
MOST_TICKS = 5
ALIKE = 1e-3
"""Difference of means that a ring does not tell apart: the report nearest the truth has it."""


def of_incentives(found: Incentives) -> dict[str, Figure]:
    """All figures, by name."""
    return {"reports": reports(found)}


@styled
def reports(found: Incentives) -> Figure:
    """Sales and, where it is something else, utility against the report, by what the others do."""
    utility = (found.runs["objective"] == "utility").any()
    metrics = list(METRICS) if utility else ["relative_sales"]
    cells = [(metric, kind) for metric in metrics for kind in found.others]
    shape = (len(metrics), len(found.others)) if len(found.others) > 1 else (1, len(metrics))
    size = 2.2 + 5.2 * shape[1], 1.8 + 3.9 * shape[0]
    title = f"{found.scenario.name}: reporting another {found.report}"
    figure, axes = panels(title, size, *shape, sharey="row" if len(found.others) > 1 else False, sharex=True)
    tables = [
        found.table[(found.table["metric"] == metric) & (found.table["others"] == kind)] for metric, kind in cells
    ]
    for axis, table, (metric, kind) in zip(axes.flat, tables, cells, strict=True):
        _frame(axis, found.factors)
        _lines(axis, table, ringed=metric == metrics[-1])
        axis.set_title(OTHERS[kind], fontweight="bold")
        axis.set_ylabel(METRICS[metric])
    for axis in axes[-1]:
        axis.set_xlabel(REPORTS[found.report])
    note(figure, _reading(found))
    for axis, table in zip(axes.flat, tables, strict=True):
        _labels(axis, table)
    return figure


def _frame(axes: Axes, factors: list[float]) -> None:
    """A logarithmic axis of reports, and a line at the truth."""
    middle = factors.index(1.0)
    step = max(1, -(-(len(factors) - 1) // (MOST_TICKS - 1)))
    shown = [factor for place, factor in enumerate(factors) if (place - middle) % step == 0]
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.axvline(1, color=GREY, linewidth=1, linestyle=(0, (1, 3)))


def _lines(axes: Axes, table: pd.DataFrame, *, ringed: bool) -> None:
    """A line with its band per mechanism, the first the widest, since some coincide; dashed where not feasible."""
    names = list(dict.fromkeys(table["mechanism"]))
    widths = np.linspace(4.2, 1.6, len(names)) if len(names) > 1 else [2.0]
    for color, width, name in zip(cycle(COLORS), widths, names, strict=False):
        line = table[(table["mechanism"] == name) & np.isfinite(table["mean"])]
        kept = line["infeasible"] == 0
        axes.fill_between(line["factor"], line["low"], line["high"], color=color, alpha=0.15, linewidth=0)
        axes.plot(line["factor"], line["mean"], color=color, linewidth=0.45 * width, linestyle=(0, (3, 2)))
        axes.plot(line["factor"], line["mean"].where(kept), color=color, linewidth=width, marker="o", markersize=4)
        if ringed and kept.any():
            near = line[kept & (line["mean"] >= line.loc[kept, "mean"].max() - ALIKE)]
            best = near.loc[np.abs(np.log(near["factor"])).idxmin()]
            axes.plot(best["factor"], best["mean"], "o", color=color, fillstyle="none", markersize=13)


def _labels(axes: Axes, table: pd.DataFrame) -> None:
    """Name each line where it ends."""
    ends = []
    for color, (name, line) in zip(cycle(COLORS), table.groupby("mechanism", sort=False), strict=False):
        shown = line[np.isfinite(line["mean"])]
        if len(shown):
            ends.append((shown["factor"].iloc[-1], shown["mean"].iloc[-1], str(name), color))
    if ends:
        label_ends(axes, max(end[0] for end in ends), [end[1:] for end in ends])


def _reading(found: Incentives) -> str:
    """How to read the figure."""
    markets = f"{len(found.seeds)} markets, bands: 95 % intervals" if len(found.seeds) > 1 else "one market"
    dashed = " Dashed: some reports break a true constraint." if not found.runs["feasible"].all() else ""
    return f"Means over {markets}. Rings: the report best on average, to {ALIKE:.1%}.{dashed}"
