"""Figures of offline trainings: each function takes results and returns a matplotlib figure."""

import pandas as pd
from matplotlib.figure import Figure

from adsim.drawing import BLUE, ORANGE, grouped, note, panels, styled
from adsim.experiments.offline.models import Card

HELD_OUT = "held_out_"


@styled
def learning(curve: pd.DataFrame, card: Card) -> Figure:
    """Losses against steps, a panel each: over the batches trained on, and over transitions held out."""
    losses = [name for name in curve.columns[2:] if not name.startswith(HELD_OUT)]
    title = f"{card.algorithm.upper()} learns from {card.data['trajectories']:,} periods of campaigns of "
    figure, axes = panels(title + card.market.name, (5.5 * len(losses), 4.6), 1, len(losses))
    for axis, name in zip(axes[0], losses, strict=True):
        axis.set_title(f"Loss of the {name}", fontweight="bold")
        axis.plot(curve["steps"], curve[name], color=BLUE, label="trained on")
        if HELD_OUT + name in curve:
            axis.plot(curve["steps"], curve[HELD_OUT + name], color=ORANGE, label="held out")
        axis.set(xlabel="steps")
        grouped(axis.xaxis, 5)
    axes[0, 0].legend()
    note(
        figure,
        "Values are shares of a period's worth; their losses may rise, as what later ticks bring reaches them.",
    )
    return figure
