"""Figure of online allocations: how regret grows with the horizon."""

from typing import Any

from matplotlib.figure import Figure

from adsim.drawing import note, panels, styled
from adsim.experiments.allocation.allocation import Allocation
from adsim.experiments.growth_figures import ROOT, guide, label, lines, scale

LABELS = {"regret": "regret", "root_regret": f"regret / {ROOT}"}


@styled
def regret(found: Allocation) -> Figure:
    """Regret over horizons, and below it regret / sqrt(T); a column per reference, a line per step."""
    references = list(dict.fromkeys(found.runs["reference"]))
    title = f"Regret of dual mirror descent: {found.resources} resources, {found.choices} choices"
    size = 1.2 + 4.3 * len(references), 7.6
    figure, axes = panels(title, size, 2, len(references), sharex=True, sharey="row")
    for row, (metric, words) in enumerate(LABELS.items()):
        table = found.table[found.table["metric"] == metric]
        axes[row, 0].set_ylabel(words)
        for axis, reference in zip(axes[row], references, strict=True):
            scale(axis, table)
            lines(axis, table[table["reference"] == reference], "step")
    for axis, reference in zip(axes[0], references, strict=True):
        axis.set_title(reference, fontweight="bold")
        guide(axis)
    for axis in axes[1]:
        axis.set_xlabel("requests T")
    worlds = "one world" if len(found.seeds) == 1 else f"{len(found.seeds)} worlds, bands: 95 % intervals"
    fitted = " At the ends: step, and the power of T that regret grows with." if len(found.exponents) else ""
    note(figure, f"Means over {worlds}.{fitted} Dotted: {ROOT}.")
    table = found.table[found.table["metric"] == "regret"]
    for axis, reference in zip(axes[0], references, strict=True):
        label(axis, table[table["reference"] == reference], "step", _names(found, reference))
    return figure


def _names(found: Allocation, reference: str) -> dict[Any, str]:
    """What stands at the ends of the lines of regret: steps and exponents."""
    powers = found.exponents.query("reference == @reference").set_index("step")["value"].dropna()
    steps = dict.fromkeys(found.table["step"])
    return {step: f"step {step:g}" + (f": $T^{{{powers[step]:.2f}}}$" if step in powers else "") for step in steps}
