"""What figures of growth with a horizon share: logarithmic panels, lines with bands, a slope to compare with."""

from collections.abc import Mapping
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from adsim.drawing import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SKY, VERMILLION, label_ends, logarithmic

COLORS = (VERMILLION, BLUE, GREEN, PURPLE, ORANGE, SKY, INK, GREY)
ROOT = "\N{SQUARE ROOT}T"
MOST_TICKS = 5


def scale(axes: Axes, table: pd.DataFrame) -> None:
    """Logarithmic axes that hold the positive part of a table (horizon, mean, low, high), ticks at horizons."""
    horizons = sorted(set(table["horizon"]))
    numbers = table[["mean", "low", "high"]].to_numpy()
    numbers = numbers[np.isfinite(numbers) & (numbers > 0)]
    low, high = (numbers.min() / 1.6, numbers.max() * 1.2) if numbers.size else (0.1, 1.0)
    axes.set(xscale="log", yscale="log", xlim=(horizons[0] / 1.1, horizons[-1] * 1.1), ylim=(low, high))
    logarithmic(axes.yaxis, low, high)
    axes.xaxis.set_major_locator(FixedLocator(horizons[:: -(-len(horizons) // MOST_TICKS)]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def lines(axes: Axes, table: pd.DataFrame, by: str) -> None:
    """A line with its band for each name in column ``by``, a bar for a single horizon; only what is positive."""
    for color, (_, line) in zip(cycle(COLORS), table.groupby(by, sort=False), strict=False):
        shown = line[line["mean"] > 0]
        if len(line) > 1:
            axes.fill_between(shown["horizon"], shown["low"], shown["high"], color=color, alpha=0.18, linewidth=0)
        else:
            axes.vlines(shown["horizon"], shown["low"], shown["high"], color=color)
        axes.plot(shown["horizon"], shown["mean"], color=color, marker="o", markersize=4)
    if not (table["mean"] > 0).any():
        axes.text(0.5, 0.5, "nothing above 0", color=GREY, ha="center", transform=axes.transAxes)


def guide(axes: Axes, power: float = 0.5) -> None:
    """The slope of a power of the horizon, from the lower left."""
    start, end = axes.get_xlim()
    height = 1.1 * axes.get_ylim()[0]
    reach = [height, height * (end / start) ** power]
    axes.plot([start, end], reach, color=GREY, linewidth=1.4, linestyle=(0, (1, 2)))


def label(axes: Axes, table: pd.DataFrame, by: str, names: Mapping[Any, str]) -> set[Any]:
    """Write each line's name, if it has one, where the line ends; call it last. Returns whose lines there are."""
    last, ends, drawn = float(table["horizon"].max()), [], set()
    for color, (key, line) in zip(cycle(COLORS), table.groupby(by, sort=False), strict=False):
        shown = line[line["mean"] > 0]
        if shown.empty:
            continue
        drawn.add(key)
        x, y = shown[["horizon", "mean"]].iloc[-1]
        if names[key] and x == last:
            ends.append((float(y), names[key], color))
        elif names[key]:
            axes.annotate(names[key], (x, y), (6, 0), textcoords="offset points", color=color, va="center")
    if ends:
        label_ends(axes, last, ends)
    return drawn
