"""Figure of a regret experiment: how regret and violation grow with the horizon."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from adsim.drawing import note, panels, styled
from adsim.experiments.growth_figures import ROOT, guide, label, lines, scale
from adsim.experiments.regret.regret import Regret

LABELS = {
    "regret": "regret",
    "root_regret": f"regret / {ROOT}",
    "violation": "constraint violation",
    "optimum_share": "share of the hindsight optimum",
}


@styled
def regret(found: Regret) -> Figure:
    """Regret, regret / sqrt(T), and violation, or the share of the optimum where nobody violates anything."""
    violated = (found.runs["violation"] > 0).any()
    metrics = ["regret", "root_regret", "violation" if violated else "optimum_share"]
    size = 14.0 + 0.09 * max(map(len, found.agents)), max(5.4, 1.8 + 0.3 * len(found.agents))
    figure, axes = panels(f"{found.scenario.name}: regret over the horizon", size, 1, 3)
    tables = {metric: found.table[found.table["metric"] == metric] for metric in metrics}
    for axis, (metric, table) in zip(axes[0], tables.items(), strict=True):
        axis.set_title(LABELS[metric], fontweight="bold")
        axis.set_xlabel("opportunities T")
        scale(axis, table)
        lines(axis, table, "agent")
    if len(found.horizons) > 1 and (tables["regret"]["mean"] > 0).any():
        guide(axes[0, 0])
    if not violated:
        _linear(axes[0, 2], tables["optimum_share"])
    note(figure, _reading(found, tables["regret"]))
    named = label(axes[0, 0], tables["regret"], "agent", _names(found, "regret", found.agents))
    rest = ["" if agent in named else agent for agent in found.agents]
    label(axes[0, 2], tables[metrics[2]], "agent", _names(found, metrics[2], rest))
    return figure


def _reading(found: Regret, table: pd.DataFrame) -> str:
    """How to read the figure."""
    several = len(found.horizons) > 1
    marks = f"{'bands' if several else 'bars'}: 95 % intervals"
    parts = ["One period" if len(found.seeds) == 1 else f"Means over {len(found.seeds)} periods, {marks}"]
    if several:
        parts.append(f"At the ends: the power of T that it grows with. Dotted: {ROOT}")
    if (table["mean"] < 0).any():
        parts.append("Regret is below 0 where violation pays, and not drawn there")
    return ". ".join(parts) + "."


def _linear(axes: Axes, table: pd.DataFrame) -> None:
    """Shares, up to all of it."""
    low = max(float(np.nanmin(table[["mean", "low"]].to_numpy())) - 0.02, 0.0)
    axes.set(yscale="linear", ylim=(low, 1.005))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0 if low < 0.9 else 1))


def _names(found: Regret, metric: str, names: Sequence[str]) -> dict[str, str]:
    """What stands at the ends of lines: names and exponents, where there are any."""
    powers = found.exponents.query("metric == @metric").set_index("agent")["value"].dropna()
    labels = {}
    for agent, name in zip(found.agents, names, strict=True):
        power = f"$T^{{{powers[agent]:.2f}}}$" if agent in powers else ""
        labels[agent] = ": ".join(part for part in (name, power) if part)
    return labels
