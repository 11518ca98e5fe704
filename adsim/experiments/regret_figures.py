"""Figure of a regret experiment: how regret and violation grow with the horizon."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from adsim.drawing import note, panels, styled
from adsim.experiments.growth_figures import ROOT, guide, label, lines, scale
from adsim.experiments.regret import Regret

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
    figure, axes = panels(f"{found.scenario.name}: regret over the horizon", (15.5, 5.4), 1, 3)
    tables = {metric: found.table[found.table["metric"] == metric] for metric in metrics}
    for axis, (metric, table) in zip(axes[0], tables.items(), strict=True):
        axis.set_title(LABELS[metric], fontweight="bold")
        axis.set_xlabel("opportunities T")
        scale(axis, table)
        lines(axis, table, "agent")
    guide(axes[0, 0])
    if not violated:
        _linear(axes[0, 2], tables["optimum_share"])
    count = len(found.seeds)
    periods = "One period" if count == 1 else f"Means over {count} periods, bands: 95 % intervals"
    fitted = f" At the ends: the power of T that it grows with. Dotted: {ROOT}." if len(found.exponents) else ""
    note(figure, f"{periods}.{fitted}")
    label(axes[0, 0], tables["regret"], "agent", _names(found, "regret", found.agents))
    if violated:
        label(axes[0, 2], tables["violation"], "agent", _names(found, "violation", [""] * len(found.agents)))
    return figure


def _linear(axes: Axes, table: pd.DataFrame) -> None:
    """Shares, up to all of it."""
    low = max(table["mean"].min() - 0.02, 0.0)
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
