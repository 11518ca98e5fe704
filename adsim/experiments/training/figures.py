"""Figures of trainings and evaluations: each function takes results and returns a matplotlib figure."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adsim.drawing import BLUE, GREEN, GREY, INK, KEPT, VERMILLION, grouped, label_ends, note, panels, styled
from adsim.experiments.training.evaluate import Evaluation, coinciding

if TYPE_CHECKING:
    from adsim.experiments.training.train import Training

MOST_DOTS = 400


@styled
def learning(training: "Training") -> Figure:
    """Score against steps on the validation seeds beside the scripted agents, and the difference to the best one."""
    curve, card, agents = training.curve, training.card, _means(training.scripted)
    title = f"{card.algorithm.upper()} learns to bid for {card.campaign_name} of {card.market.name}"
    compared = not agents.empty
    figure, axes = panels(title, (6.5 + 6 * compared, 5), 1, 1 + compared)
    left, end = axes[0, 0], float(curve["steps"].max())
    left.set_title("Mean score", fontweight="bold")
    _line(left, curve, "score", "low", "high")
    for mean in agents:
        left.axhline(mean, color=GREY, linewidth=1.2, linestyle=(0, (4, 2)), zorder=1)
    named = [(float(mean), str(agent), GREY) for agent, mean in agents.items()]
    if compared:
        right = axes[0, 1]
        best = str(agents.index[0]).split(", ")[0]
        right.set_title(f"Difference to the best scripted agent, {best}", fontweight="bold")
        _line(right, curve, "gain", "gain_low", "gain_high")
        _zoom(right, curve)
    for axis in axes.flat:
        axis.set(xlabel="environment steps", xlim=(-0.012 * end, 1.012 * end))
        grouped(axis.xaxis)
        grouped(axis.yaxis, 6)
    right = "; right: paired by seed, close to 0" if compared else ""
    note(
        figure,
        f"Bands: 95 % intervals over 32 seeds kept for validation, on which the bidder does not explore{right}.",
    )
    label_ends(left, 1.012 * end, [(float(curve["score"].iloc[-1]), card.algorithm, BLUE), *named])
    return figure


def _means(runs: pd.DataFrame) -> "pd.Series[float]":
    """Mean scores, the best first, agents that coincide on every seed under one name."""
    if runs.empty:
        return pd.Series(dtype=float)
    scores = runs.groupby("bidder", sort=False)["score"].mean()
    named = {group[0]: ", ".join(group) for group in coinciding(runs)}
    dropped = [name for group in coinciding(runs) for name in group[1:]]
    return scores.drop(dropped).rename(named).sort_values(ascending=False)


def _line(axes: Axes, curve: pd.DataFrame, mean: str, low: str, high: str) -> None:
    axes.fill_between(curve["steps"], curve[low], curve[high], color=BLUE, alpha=0.15, linewidth=0)
    axes.plot(curve["steps"], curve[mean], color=BLUE, marker="o", markersize=4.5, zorder=3)


def _zoom(axes: Axes, curve: pd.DataFrame) -> None:
    """Show the second half of a training in full, and the side on which the bidder is better shaded."""
    late = curve[curve["steps"] >= curve["steps"].iloc[-1] / 2]
    low, high = min(float(late["gain_low"].min()), 0.0), max(float(late["gain_high"].max()), 0.0)
    margin = max(0.12 * (high - low), 1e-9)
    axes.set_ylim(low - margin, high + margin)
    axes.axhline(0, color=INK, linewidth=1.2, zorder=1)
    axes.axhspan(0, high + margin, color=KEPT, linewidth=0, zorder=0)


@styled
def evaluation(found: Evaluation) -> Figure:
    """Paired differences of the model to each agent, and the scores of all on every seed."""
    order = _means(found.runs).index.tolist()
    first = {name: name.split(", ")[0] for name in order}
    model = next(name for name in order if found.model in name.split(", "))
    title = f"{found.model.upper()} and scripted agents bid for {found.campaign} of {found.scenario.name}"
    others = len(order) > 1
    figure, axes = panels(title, (6.5 + 7 * others, 2.3 + 0.48 * len(order)), 1, 1 + others, sharey=True)
    if others:
        axes[0, 0].set_title(f"Mean score of {found.model} less the agent's", fontweight="bold")
        rows = found.differences.query("metric == 'score'").set_index("bidder")
        _differences(axes[0, 0], [None if name == model else rows.loc[first[name]] for name in order])
    last = axes[0, -1]
    last.set_title("Scores, a dot per seed", fontweight="bold")
    scores = {name: part["score"].to_numpy() for name, part in found.runs.groupby("bidder", sort=False)}
    for place, name in enumerate(order):
        _spread(last, place, scores[first[name]], BLUE if name == model else GREY)
    last.set_xlim(left=min(0.0, last.get_xlim()[0]))
    axes[0, 0].set_yticks(range(len(order)), order)
    axes[0, 0].get_yticklabels()[order.index(model)].set(color=BLUE, fontweight="bold")
    axes[0, 0].set_ylim(len(order) - 0.4, -0.6)
    for axis in axes.flat:
        axis.grid(axis="y", visible=False)
        axis.tick_params(axis="y", length=0)
        axis.set_xlabel("score" if axis is last else "difference in score")
        grouped(axis.xaxis, 6)
    left = "Left: 95 % intervals, paired by seed, hollow where they hold 0. Right: " if others else ""
    note(figure, f"{left}{len(found.seeds)} seeds; bar: middle half, line: median, diamond: mean.")
    return figure


def _differences(axes: Axes, rows: "list[pd.Series[float] | None]") -> None:
    """A dot and an interval per agent, green where the model is better; None is the model itself."""
    axes.axvline(0, color=INK, linewidth=1.2, zorder=1)
    for place, row in enumerate(rows):
        if row is None:
            axes.plot(0, place, "D", color=BLUE, markersize=6)
            continue
        color = GREEN if row["mean"] > 0 else VERMILLION
        axes.plot([row["low"], row["high"]], [place, place], color=color, linewidth=2.5)
        fill = color if row["excludes_zero"] else "white"
        axes.plot(row["mean"], place, "o", color=color, markersize=7.5, markerfacecolor=fill)
        text = f"{_signed(row['mean'])} ({_signed(row['low'])} to {_signed(row['high'])})"
        beside: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
        axes.annotate(text, (1, place), (8, 0), **beside, color=color, va="center", fontsize=10.5)
    axes.margins(x=0.12)


def _signed(value: float) -> str:
    """Three digits at least, with a sign."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:+,.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _spread(axes: Axes, place: int, scores: np.ndarray, color: str) -> None:
    """Dots of single seeds, a bar over their middle half, a line at their median."""
    shown = scores[:MOST_DOTS]
    heights = place + np.random.default_rng(place).uniform(-0.26, 0.26, shown.size)
    axes.plot(shown, heights, "o", color=color, markersize=3.5, alpha=0.28, markeredgewidth=0)
    low, middle, high = np.quantile(scores, (0.25, 0.5, 0.75))
    axes.barh(place, high - low, left=low, height=0.36, color=color, alpha=0.35, linewidth=0)
    axes.plot([middle, middle], [place - 0.24, place + 0.24], color=color, linewidth=2.6, solid_capstyle="butt")
    axes.plot(scores.mean(), place, "D", color=color, markersize=6.5, markeredgecolor="white")
