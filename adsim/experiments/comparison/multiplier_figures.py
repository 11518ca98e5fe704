"""Figure of a market: how its campaigns' multipliers move over the period."""

from itertools import cycle

import numpy as np
from matplotlib.figure import Figure

from adsim.drawing import label_ends, panels, styled
from adsim.experiments.growth_figures import COLORS
from adsim.market.result import Result

MOST = len(COLORS)


@styled
def multipliers(result: Result) -> Figure:
    """Of the campaigns that won most value, as multiples of 1 / target ROI where all have one."""
    targets = result.constraints.target_roi
    targeted = bool((targets > 0).all())
    shown = np.argsort(-result.totals.value, kind="stable")[:MOST]
    paths = (result.multipliers * (targets if targeted else 1))[:, shown]
    figure, axes = panels("Multipliers over the period", (9.5, 5.4))
    axis = axes[0, 0]
    low = min(0.0, float(paths.min()))
    axis.set(
        xlabel="ticks since the period began",
        xlim=(0, max(len(paths) - 1, 1)),
        ylim=(low, 1.05 * float(paths.max()) or 1.0),
    )
    axis.set_ylabel("multiplier x target ROI" if targeted else "bid / predicted value")
    names, ends = result.campaigns["campaign"], []
    for color, place, path in zip(cycle(COLORS), shown, paths.T, strict=False):
        axis.plot(path, color=color, linewidth=1.6)
        ends.append((float(path[-1]), str(names[place]), color))
    axis.set_title("all campaigns" if len(names) <= MOST else f"the {MOST} of {len(names)} campaigns that won most")
    label_ends(axis, len(paths) - 1, ends)
    return figure
