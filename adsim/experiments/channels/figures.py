"""Figures of several channels: each function takes results and returns a matplotlib figure."""

from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from adsim.drawing import BLUE, INK, VERMILLION, grouped, label_ends, logarithmic, note, panels, styled
from adsim.experiments import growth_figures as growth
from adsim.experiments.channels.channel_study import EVEN, FIXED, LEARNER, OPTIMUM, Study
from adsim.experiments.channels.channels import KnapsackChannel
from adsim.experiments.channels.levers import global_optimum, lever_optimum

NAMES = {LEARNER: "SGD-UCB", EVEN: "even split", FIXED: "best fixed split"}
DOTTED: Any = {"color": INK, "linewidth": 1.2, "linestyle": (0, (1, 2))}
PAPER = -1 / 3
"""Exponent of the paper's bound on the gap a period."""
SCALES = np.geomspace(1, 100, 9)
"""X of the counter-example."""


@styled
def learning(found: Study) -> Figure:
    """The gap against the horizon, spend by channel over periods, and what levers reach in the counter-example."""
    figure, ((gap, spend, levers),) = panels("One budget over several channels", (16.5, 5), 1, 3)
    _share(spend, found)
    _counter_example(levers)
    _gaps(gap, found)
    note(
        figure,
        "Bands: 95 % intervals over seeds. Gap: what the best mixture of budgets brings on the same periods, less "
        "what was brought, a period.\n"
        "Dashed: the mixture's own spend. Dotted: the slope \N{MINUS SIGN}1/3; 1 / (1 + X).",
    )
    return figure


def _gaps(axes: Axes, found: Study) -> None:
    """Mean gap of each policy, log-log."""
    row = found.exponents.set_index("policy").loc[LEARNER]
    power = f"{row['exponent']:.2f} ({row['low']:.2f} to {row['high']:.2f})".replace("-", "\N{MINUS SIGN}")
    table = found.table[found.table["policy"] != OPTIMUM].rename(columns={"periods": "horizon", "gap": "mean"})
    growth.scale(axes, table)
    growth.lines(axes, table, "policy")
    horizons, learned = np.unique(table["horizon"]), table[table["policy"] == LEARNER]
    axes.plot(horizons, learned["mean"].iloc[0] * (horizons / horizons[0]) ** PAPER, **DOTTED)
    axes.set_title(f"Gap a period; exponent {power}", fontweight="bold")
    axes.set(xlabel="periods", ylabel="gap in conversion value a period")
    growth.label(axes, table, "policy", NAMES)


def _share(axes: Axes, found: Study) -> None:
    """Spend by channel over the longest horizon."""
    axes.set_title("Spend by channel, share of the budget", fontweight="bold")
    axes.set(xlabel="period", ylim=(0, 1.05))
    ends = []
    for color, (name, part) in zip(cycle(growth.COLORS), found.shares.groupby("channel", sort=False), strict=False):
        axes.plot(part["period"], part["spend"], color=color)
        axes.axhline(float(part["optimum"].iloc[0]), color=color, linewidth=1.4, linestyle=(0, (4, 2)))
        ends.append((float(part["spend"].iloc[-1]), str(name).removeprefix("channel_"), color))
    axes.set_xlim(0, end := float(found.table["periods"].max()))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    grouped(axes.xaxis)
    label_ends(axes, end, ends)


def _counter_example(axes: Axes) -> None:
    """Share of the optimum that ROI levers and budget levers reach, by the size of the second channel."""
    reached = counter_example(SCALES)
    axes.set_title("Levers of the counter-example", fontweight="bold")
    axes.set(xscale="log", xlabel="X (size of the second channel's auctions)", ylim=(0, 1.05))
    axes.set_ylabel("share of the optimum")
    axes.plot(reached["x"], reached["budget"], color=BLUE, marker="o", markersize=4.5)
    axes.plot(reached["x"], reached["roi"], color=VERMILLION, marker="o", markersize=4.5)
    axes.plot(reached["x"], 1 / (1 + reached["x"]), **DOTTED)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    logarithmic(axes.xaxis, SCALES[0], SCALES[-1])
    ends = [(float(reached[each].iloc[-1]), each, color) for each, color in (("budget", BLUE), ("roi", VERMILLION))]
    label_ends(axes, SCALES[-1], [(y, {"budget": "budgets", "roi": "target ROIs"}[name], c) for y, name, c in ends])


def counter_example(scales: np.ndarray) -> pd.DataFrame:
    """What levers reach where target ROIs fail (Deng et al. 2023, arXiv 2302.01523).

    Target ROI 1 over all; the first channel gives the value 1 for nothing, the second sells values X and 2 X for
    1 + X and 2 (1 + X): a target ROI buys both of its auctions or none, a budget one of them.

    Parameters
    ----------
    scales : array (n,)
        X.

    Returns
    -------
    pandas.DataFrame
        x; budget and roi: what these levers reach, as shares of the optimum.
    """
    rows = []
    for x in scales:
        channels = [KnapsackChannel([1.0], [0.0]), KnapsackChannel([x, 2 * x], [1 + x, 2 * (1 + x)])]
        best = global_optimum(channels, target_roi=1.0)[0]
        budget = lever_optimum(channels, "budget", target_roi=1.0)[0] / best
        rows.append({"x": x, "budget": budget, "roi": lever_optimum(channels, "roi", target_roi=1.0)[0] / best})
    return pd.DataFrame(rows)
