"""Figure of online allocations: how regret grows with the horizon."""

from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from adsim.drawing import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    label_ends,
    logarithmic,
    note,
    panels,
    styled,
)
from adsim.experiments.allocation import Allocation

COLORS = (VERMILLION, BLUE, GREEN, PURPLE, ORANGE, SKY)
MOST_TICKS = 5
ROOT = "\N{SQUARE ROOT}T"
LABELS = {"regret": "regret", "root_regret": f"regret / {ROOT}"}


@styled
def regret(found: Allocation) -> Figure:
    """Regret over horizons, and below it regret / sqrt(T); a column per reference, a line per step."""
    references = list(dict.fromkeys(found.runs["reference"]))
    title = f"Regret of dual mirror descent: {found.resources} resources, {found.choices} choices"
    size = 1.2 + 4.3 * len(references), 7.6
    figure, axes = panels(title, size, 2, len(references), sharex=True, sharey="row")
    for row, (metric, label) in enumerate(LABELS.items()):
        table = found.table[found.table["metric"] == metric]
        axes[row, 0].set_ylabel(label)
        for axis, reference in zip(axes[row], references, strict=True):
            _scale(axis, table)
            _lines(axis, table[table["reference"] == reference])
    for axis, reference in zip(axes[0], references, strict=True):
        axis.set_title(reference, fontweight="bold")
        _guide(axis)
    for axis in axes[1]:
        axis.set_xlabel("requests T")
    worlds = "one world" if len(found.seeds) == 1 else f"{len(found.seeds)} worlds, bands: 95 % intervals"
    fitted = " At the ends: step, and the power of T that regret grows with." if len(found.exponents) else ""
    note(figure, f"Means over {worlds}.{fitted} Dotted: {ROOT}.")
    for row, metric in enumerate(LABELS):
        for axis, reference in zip(axes[row], references, strict=True):
            _label(axis, found, reference, metric)
    return figure


def _scale(axes: Axes, table: pd.DataFrame) -> None:
    """Logarithmic axes that hold all of a table, ticks at horizons."""
    horizons = sorted(set(table["horizon"]))
    positive = table[["mean", "low", "high"]].to_numpy()
    positive = positive[positive > 0]
    low, high = (positive.min() / 1.6, positive.max() * 1.2) if positive.size else (0.1, 1.0)
    axes.set(xscale="log", yscale="log", xlim=(horizons[0] / 1.1, horizons[-1] * 1.1), ylim=(low, high))
    logarithmic(axes.yaxis, low, high)
    axes.xaxis.set_major_locator(FixedLocator(horizons[:: -(-len(horizons) // MOST_TICKS)]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _lines(axes: Axes, table: pd.DataFrame) -> None:
    """A line with its band for each step."""
    for color, (_, line) in zip(cycle(COLORS), table.groupby("step", sort=False), strict=False):
        axes.fill_between(line["horizon"], line["low"], line["high"], color=color, alpha=0.18, linewidth=0)
        axes.plot(line["horizon"], line["mean"], color=color, marker="o", markersize=4)


def _guide(axes: Axes) -> None:
    """The slope of sqrt(T), from the lower left."""
    start, end = axes.get_xlim()
    height = 1.1 * axes.get_ylim()[0]
    axes.plot([start, end], [height, height * (end / start) ** 0.5], color=GREY, linewidth=1.4, linestyle=(0, (1, 2)))


def _label(axes: Axes, found: Allocation, reference: str, metric: str) -> None:
    """Name each line by its step; those of regret also by the exponent."""
    table = found.table.query("metric == @metric and reference == @reference")
    last = table[table["horizon"] == table["horizon"].max()]
    exponents = found.exponents.query("reference == @reference").set_index("step")["value"].dropna()
    ends = []
    for color, row in zip(cycle(COLORS), last.to_dict("records"), strict=False):
        power = f": $T^{{{exponents[row['step']]:.2f}}}$" if metric == "regret" and row["step"] in exponents else ""
        ends.append((row["mean"], f"step {row['step']:g}{power}", color))
    if ends := [end for end in ends if end[0] > 0]:
        label_ends(axes, last["horizon"].iloc[0], ends)
