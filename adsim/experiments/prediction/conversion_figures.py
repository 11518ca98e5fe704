"""Figures of conversions: how methods rank impressions and whether rates come true, and what delays do to both."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adsim.drawing import (
    BLUE,
    GREEN,
    GREY,
    INK,
    KEPT,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    label_ends,
    note,
    panels,
    styled,
)
from adsim.experiments.prediction.conversion_study import Conversions
from adsim.experiments.prediction.delay_study import Delays
from adsim.experiments.prediction.ladder import ORACLE

TITLES = {
    "cvr_auc": "AUC of pCVR, all impressions",
    "calibration": "calibration of pCVR, all impressions",
    "ctcvr_auc": "AUC of pCTR pCVR",
}
FREE = 0.03
"""Calibration that is as good as right."""
SHOWN = ("wait_1d", "wait_5d", "wait_15d", "duplicates", "fnw", "esdfm_6h")
COLORS = (VERMILLION, ORANGE, GREY, PURPLE, SKY, BLUE)


@styled
def conversions(found: Conversions) -> Figure:
    """Ranking and calibration of each method over all impressions, and ranking of what they promise a bidder."""
    names = [*found.methods, ORACLE]
    title = f"{found.scenario.name}: conversions of impressions, clicked or not"
    metrics = ("cvr_auc", "calibration", "ctcvr_auc")
    figure, axes = panels(title, (13.0, 1.9 + 0.34 * len(names)), 1, 3, sharey=True)
    for axis, metric in zip(axes[0], metrics, strict=True):
        _dots(axis, names, found.table[found.table["metric"] == metric].set_index("method"))
        axis.set_title(TITLES[metric], fontweight="bold")
    axes[0, 1].axvline(1, color=GREY, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
    axes[0, 0].set_yticks(np.arange(len(names))[::-1], [*found.methods, "true rates"])
    note(figure, _means(found.seeds) + " Calibration: predicted over observed.")
    return figure


@styled
def delays(found: Delays) -> Figure:
    """Calibration day by day, and AUC of each method."""
    figure, ((days, ranks),) = panels(
        f"{found.scenario.name}: learning while conversions are still to come",
        (13.0, 5.6),
        1,
        2,
        width_ratios=[1.5, 1],
    )
    ends = []
    shown = [name for name in SHOWN if name in found.methods]
    for name in shown:
        part, color = found.days[found.days["method"] == name], COLORS[SHOWN.index(name)]
        days.plot(part["day"], part["calibration"], color=color, linewidth=1.6)
        ends.append((float(part["calibration"].iloc[-1]), name, color))
    days.axhspan(1 - FREE, 1 + FREE, color=KEPT, linewidth=0, zorder=0)
    low = min((end for end, _, _ in ends), default=1.0)
    days.set(xlabel="day", ylim=(min(0.7, low - 0.15), 1.35), xlim=(0, found.days["day"].max()))
    days.set_title("calibration of the day's predictions", fontweight="bold")
    _dots(ranks, found.methods, found.table[found.table["metric"] == "auc"].set_index("method"))
    ranks.set_yticks(np.arange(len(found.methods))[::-1], found.methods)
    ranks.set_title("AUC, second half", fontweight="bold")
    note(figure, _means(found.seeds) + " Calibration: predicted over observed; shaded: within 3 %.")
    if ends:
        label_ends(days, float(found.days["day"].max()), ends)
    return figure


def _dots(axes: Axes, names: list[str], rows: pd.DataFrame) -> None:
    """Means with their intervals, the first name on top."""
    for place, name in enumerate(reversed(names)):
        if name not in rows.index:
            continue
        row, color = rows.loc[name], GREEN if name == ORACLE else BLUE
        axes.hlines(place, row["low"], row["high"], colors=color, linewidth=5, alpha=0.35)
        axes.scatter(row["mean"], place, color=color, s=50, zorder=3)
        end = row["mean"] if np.isnan(row["high"]) else max(row["high"], row["mean"])
        axes.annotate(f"{row['mean']:.3f}", (end, place), (8, 0), textcoords="offset points", va="center", color=INK)
    axes.grid(axis="y", visible=False)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.margins(x=0.15)
    low, high = axes.get_xlim()
    axes.set_xlim(low, high + 0.15 * (high - low))


def _means(seeds: list[int]) -> str:
    return "One world." if len(seeds) == 1 else f"Means over {len(seeds)} worlds, and 95 % intervals."
