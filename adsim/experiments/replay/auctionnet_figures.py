"""Figures of offline evaluations on AuctionNet logs: what bidders scored, and how they kept to their constraints."""

from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from adsim.drawing import BLUE, INK, KEPT, VERMILLION, grouped, logarithmic, note, panels, styled
from adsim.experiments.replay.auctionnet import OfflineEvaluation

SHARES = "violation", "budget_use"
MOST_COLUMNS = 4
REACH = 4.0
"""CPA are drawn up to that many times the constraint, and down to the same fraction of it."""


def of_offline(found: OfflineEvaluation) -> dict[str, Figure]:
    """All figures of an offline evaluation, by name."""
    return {"scores": scores(found), "constraints": constraints(found)}


@styled
def scores(found: OfflineEvaluation) -> Figure:
    """Mean score, its paired difference to the first bidder, CPA violation and budget use, with 95 % intervals."""
    bidders = found.bidders
    first, several = bidders[0], len(bidders) > 1
    columns = 3 + several
    size = 1.6 + 3.1 * columns, 2.1 + 0.42 * len(bidders)
    figure, axes = panels("Bidders in the advertisers' places", size, 1, columns, sharey=True)
    _dots(axes[0, 0], bidders, found.table.query("metric == 'score'"))
    axes[0, 0].set_title("score", fontweight="bold")
    if several:
        beyond = axes[0, 1]
        beyond.axvline(0, color=INK, linewidth=1.2)
        _dots(beyond, bidders, found.differences.query("metric == 'score'"))
        beyond.set_title(f"score beyond {first}", fontweight="bold")
    for axis, metric in zip(axes[0, -2:], SHARES, strict=True):
        _dots(axis, bidders, found.table.query("metric == @metric"))
        axis.set_title({"violation": "CPA violation", "budget_use": "budget use"}[metric], fontweight="bold")
        axis.xaxis.set_major_locator(MaxNLocator(4))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g}%"))
    for axis in axes[0, : columns - 2]:
        grouped(axis.xaxis)
    advertisers, seeds = found.facts["advertisers"], len(found.facts["seeds"])
    hollow = "; a difference is hollow where it holds 0" if several else ""
    note(figure, f"Dots: means over {advertisers} advertisers, {seeds} draws each. Lines: 95 % intervals{hollow}.")
    return figure


def _dots(axes: Axes, names: list[str], table: pd.DataFrame) -> None:
    """A row per bidder of the table, those that it lacks left empty."""
    rows = table.set_index("bidder")
    for place, name in enumerate(names):
        if name in rows.index:
            row: Any = rows.loc[name]
            axes.plot([row["low"], row["high"]], [place, place], color=BLUE, linewidth=2.5)
            filled = row.get("excludes_zero", True)
            axes.plot(
                row["mean"], place, "o", color=BLUE, markersize=7.5, markerfacecolor=BLUE if filled else "white"
            )
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.margins(x=0.12)
    axes.grid(axis="y", visible=False)


@styled
def constraints(found: OfflineEvaluation) -> Figure:
    """CPA over its constraint against budget use, a dot per advertiser, a panel per bidder."""
    bidders = found.bidders
    columns = min(MOST_COLUMNS, len(bidders))
    rows = ceil(len(bidders) / columns)
    title = "What advertisers paid for a conversion, and how much of their budgets they spent"
    size = 1.2 + 3.4 * columns, 1.3 + 3.3 * rows
    figure, axes = panels(title, size, rows, columns, sharex=True, sharey=True)
    for axis, bidder in zip(axes.flat, bidders, strict=False):
        part = found.advertisers.query("bidder == @bidder")
        relative = part["cpa"] / part["cpa_constraint"]
        kept = relative <= 1
        axis.axhspan(1 / REACH / 1.1, 1, color=KEPT, linewidth=0, zorder=0)
        axis.axhline(1, color=INK, linewidth=1.2, zorder=1)
        colors = np.where(kept, BLUE, VERMILLION)
        axis.scatter(part["budget_use"], relative.clip(1 / REACH, REACH), c=colors, s=26, alpha=0.75, linewidth=0)
        axis.set_title(f"{bidder}: {kept.sum()} of {len(part)} keep it", fontsize=11.5)
        axis.set_yscale("log")
        axis.set(xlim=(-0.03, 1.05), ylim=(1 / REACH / 1.1, REACH * 1.1))
        axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        logarithmic(axis.yaxis, 1 / REACH, REACH)
    for axis in axes.flat[len(bidders) :]:
        axis.set_visible(False)
    figure.supylabel("CPA over its constraint", fontsize=12)
    for axis in axes.flat[max(0, len(bidders) - columns) : len(bidders)]:
        axis.set_xlabel("budget use")
        axis.tick_params(axis="x", labelbottom=True)
    far = f"CPA beyond {REACH:g} times the constraint are drawn there; who had no conversion is not drawn."
    note(figure, f"A dot per advertiser, over {len(found.facts['seeds'])} draws of the conversions. {far}")
    return figure
