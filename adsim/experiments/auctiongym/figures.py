"""Figures of AuctionGym's study: welfare, surplus and revenue against competition and over iterations; regrets."""

from collections.abc import Sequence
from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from adsim.drawing import GREY, label_ends, note, panels, styled
from adsim.experiments.auctiongym.study import SETTING, Study
from adsim.experiments.growth_figures import COLORS

MONEY = ("welfare", "surplus", "revenue")
REGRETS = ("allocation_regret", "estimation_regret", "overbid_regret", "underbid_regret")
ROUNDING = 1e-9
"""Regrets that are nowhere larger are left out."""


def of_study(found: Study) -> dict[str, Figure]:
    """All figures that apply, by name."""
    figures = {}
    if "participants" in found.varied():
        figures["competition"] = competition(found)
    if found.iterations > 1:
        figures["iterations"] = over_iterations(found, MONEY)
        table = found.table[found.table["mean"].abs() > ROUNDING]
        regrets = [metric for metric in REGRETS if metric in set(table["metric"])]
        if regrets:
            figures["regrets"] = over_iterations(found, regrets)
    return figures


@styled
def competition(found: Study) -> Figure:
    """Welfare, surplus and revenue of the last iteration against the number of participants."""
    last = found.table[found.table["iteration"] == found.iterations - 1]
    by = [part for part in found.varied() if part != "participants"]
    return _draw(found, last, MONEY, "participants", by, "advertisers in an auction")


@styled
def over_iterations(found: Study, metrics: Sequence[str]) -> Figure:
    """Some metrics over the iterations, a line per setting."""
    return _draw(found, found.table, metrics, "iteration", found.varied(), "iteration")


def _draw(found: Study, table: pd.DataFrame, metrics: Sequence[str], along: str, by: list[str], name: str) -> Figure:
    """A panel per metric with a line and its band for each setting, named in the last one."""
    figure, axes = panels(f"{found.scenario.name}: {_common(found)}", (1.2 + 4 * len(metrics), 4.8), 1, len(metrics))
    ends = []
    for axis, metric in zip(axes[0], metrics, strict=True):
        axis.set_title(metric.replace("_", " "), fontweight="bold")
        axis.set_xlabel(name)
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        rows = table[table["metric"] == metric]
        groups = rows.groupby(by, sort=False) if by else [((), rows)]
        ends = [
            (_line(axis, line, along, color), _label(by, key), color)
            for (key, line), color in zip(groups, cycle(COLORS), strict=False)
        ]
        if rows["mean"].min() < 0:
            axis.axhline(0, color=GREY, linewidth=1)
        else:
            axis.set_ylim(bottom=0)
    count = len(found.seeds)
    sample = "one market" if count == 1 else f"means over {count} markets, bands: 95 % intervals"
    note(figure, f"Per auction, {found.rounds:,} auctions an iteration; {sample}.")
    if by:
        label_ends(axes[0, -1], float(table[along].max()), ends)
    return figure


def _line(axes: Axes, line: pd.DataFrame, along: str, color: str) -> float:
    """Draw one setting; where its line ends."""
    axes.fill_between(line[along], line["low"], line["high"], color=color, alpha=0.18, linewidth=0)
    axes.plot(line[along], line["mean"], color=color, marker="o", markersize=4)
    return float(line["mean"].iloc[-1])


def _label(by: list[str], key: tuple[object, ...]) -> str:
    """A setting in words."""
    parts = [
        f"{value} participants" if part == "participants" else str(value) for part, value in zip(by, key, strict=True)
    ]
    return ", ".join(parts).replace("_", " ")


def _common(found: Study) -> str:
    """What all settings have in common, in words."""
    first, varied = found.runs.iloc[0], found.varied()
    words = {
        "mechanism": str(first["mechanism"]).replace("_", " "),
        "participants": f"{first['participants']} of {found.scenario.size} advertisers in an auction",
        "rates": f"{first['rates']} rates",
        "bidder": f"{first['bidder']} bids",
    }
    return ", ".join(words[part] for part in SETTING if part not in varied)
