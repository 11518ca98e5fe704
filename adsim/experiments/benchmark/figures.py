"""Figures of benchmarks: each function takes results and returns a matplotlib figure."""

from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from adsim.drawing import (
    BLUE,
    GREY,
    INK,
    VERMILLION,
    grouped,
    label_ends,
    label_points,
    logarithmic,
    note,
    panels,
    styled,
)
from adsim.experiments.benchmark.benchmark import Benchmark
from adsim.experiments.benchmark.conditions import PLAIN, RIVALS, TARGET
from adsim.experiments.benchmark.tuning import Tuning
from adsim.experiments.growth_figures import COLORS

WORDS = {RIVALS: "rivals' budgets", TARGET: "own target CPA"}


def of_benchmark(found: Benchmark) -> dict[str, Figure]:
    """All figures that apply, by name."""
    figures = {"profiles": profiles(found), "frontier": frontier(found)}
    if found.by_budget["budget"].nunique() > 1:
        figures["budgets"] = budgets(found)
    if found.by_shift["metric"].eq("degradation").any():
        figures["shifts"] = shifts(found)
    return figures


def _ranked(found: Benchmark) -> list[str]:
    """Bidders, the best first."""
    return list(dict.fromkeys(found.table["bidder"]))


def _colors(found: Benchmark) -> dict[str, str]:
    return dict(zip(_ranked(found), cycle(COLORS), strict=False))


def _dashes(found: Benchmark) -> dict[str, Any]:
    """Line styles: bidders whose colour another one has are dashed."""
    return {name: "-" if place < len(COLORS) else (0, (3, 1.5)) for place, name in enumerate(_ranked(found))}


def _sample(found: Benchmark) -> str:
    """How many markets are behind the numbers."""
    seats, seeds = len(found.seats), len(found.seeds)
    return f"{seats} {'seat' if seats == 1 else 'seats'}, {seeds} {'seed' if seeds == 1 else 'seeds'} each"


@styled
def profiles(found: Benchmark) -> Figure:
    """For every score, the share of runs above it; and each bidder's IQM with its interval."""
    names, colors, dashes = _ranked(found), _colors(found), _dashes(found)
    figure, axes = panels(
        f"{found.scenario.name}: bidders in the same seats", (13, max(4.6, 1.6 + 0.42 * len(names))), 1, 2
    )
    left, right = axes[0]
    left.set_title("Share of runs that score more", fontweight="bold")
    for name, line in found.profiles.groupby("bidder", sort=False):
        color = colors[str(name)]
        left.fill_between(line["threshold"], line["low"], line["high"], color=color, alpha=0.07, linewidth=0)
        left.plot(line["threshold"], line["mean"], color=color, linestyle=dashes[str(name)])
    most = float(found.profiles["threshold"].max())
    left.set(xlim=(0, most), ylim=(0, 1.01), xlabel=f"score over {found.reference}'s mean score")
    left.yaxis.set_major_formatter(PercentFormatter(1.0))
    rows = found.table[found.table["metric"] == "iqm"].set_index("bidder").loc[names]
    _bars(right, rows, colors, "interquartile mean of normalised scores")
    right.axvline(1, color=GREY, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
    note(figure, f"{_sample(found)}, all budgets; bands and bars: 95 % intervals by the stratified bootstrap.")
    return figure


def _bars(axes: Axes, rows: pd.DataFrame, colors: dict[str, str], title: str) -> None:
    """A dot with its interval for each bidder, from the top."""
    for place, (name, row) in enumerate(rows.iterrows()):
        color = colors[str(name)]
        axes.plot([row["low"], row["high"]], [place, place], color=color, linewidth=2.5)
        axes.plot(row["mean"], place, "o", color=color, markersize=7.5)
    axes.set_title(title[0].upper() + title[1:], fontweight="bold")
    axes.set_yticks(range(len(rows)), [str(name) for name in rows.index])
    for label in axes.get_yticklabels():
        label.set(color=colors[label.get_text()])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(6))


@styled
def budgets(found: Benchmark) -> Figure:
    """Mean score and CPA violation of each bidder by the factor on its budget."""
    figure, axes = panels(f"{found.scenario.name}: with less and more money", (13, 5.2), 1, 2)
    tables = {metric: found.by_budget[found.by_budget["metric"] == metric] for metric in ("score", "violation")}
    colors, dashes = _colors(found), _dashes(found)
    for axis, table in zip(axes[0], tables.values(), strict=True):
        for name, line in table.sort_values("budget").groupby("bidder", sort=False):
            look: dict[str, Any] = {"color": colors[str(name)], "linestyle": dashes[str(name)]}
            axis.fill_between(line["budget"], line["low"], line["high"], color=look["color"], alpha=0.07, linewidth=0)
            axis.plot(line["budget"], line["mean"], marker="o", markersize=4.5, **look)
        axis.set(xlabel="factor on the budget", ylim=(0, None), xticks=sorted(set(table["budget"])))
    axes[0, 0].set_title("Mean score", fontweight="bold")
    axes[0, 1].set_title("CPA above target", fontweight="bold")
    axes[0, 1].yaxis.set_major_formatter(PercentFormatter(1.0))
    note(figure, f"Means over {_sample(found)}; bands: 95 % intervals.")
    for axis, table in zip(axes[0], tables.values(), strict=True):
        last = table[table["budget"] == table["budget"].max()].to_dict("records")
        ends = [(float(row["mean"]), str(row["bidder"]), colors[row["bidder"]]) for row in last]
        label_ends(axis, float(table["budget"].max()), ends)
    return figure


@styled
def shifts(found: Benchmark) -> Figure:
    """What share of its score a bidder loses when the market shifts, and its violation then and before."""
    table, names, colors = found.by_shift, _ranked(found), _colors(found)
    kinds = [kind for kind in dict.fromkeys(table["shift"]) if kind != PLAIN]
    figure, axes = panels(
        f"{found.scenario.name}: shifted markets",
        (4 + 4.6 * len(kinds), max(3.6, 1.9 + 0.42 * len(names))),
        1,
        len(kinds),
        sharey=True,
    )
    for axis, kind in zip(axes[0], kinds, strict=True):
        rows = table[(table["shift"] == kind) & (table["metric"] == "degradation")].set_index("bidder").loc[names]
        _bars(axis, rows, colors, f"{WORDS[kind]} \N{MULTIPLICATION SIGN} {found.shifts[kind]:g}: score lost")
        axis.axvline(0, color=INK, linewidth=1.2, zorder=1)
        axis.xaxis.set_major_formatter(PercentFormatter(1.0))
    note(figure, f"{_sample(found)}, budget as it is; bars: 95 % intervals, paired by seed.")
    return figure


@styled
def frontier(found: Benchmark) -> Figure:
    """Mean score against mean CPA violation: best is up and to the left."""
    figure, axes = panels(f"{found.scenario.name}: score and CPA above target", (9, 6))
    axis, colors, names = axes[0, 0], _colors(found), _ranked(found)
    wide = found.table.set_index(["metric", "bidder"])
    scores, excess = wide.loc["mean"].loc[names], wide.loc["violation"].loc[names]
    for name in names:
        across, up = excess.loc[name], scores.loc[name]
        faint: dict[str, Any] = {"color": colors[name], "linewidth": 1.6, "alpha": 0.35}
        axis.plot([across["low"], across["high"]], [up["mean"]] * 2, **faint)
        axis.plot([across["mean"]] * 2, [up["low"], up["high"]], **faint)
        axis.plot(across["mean"], up["mean"], "o", color=colors[name], markersize=8)
    axis.set(xlabel="mean CPA above target", ylabel=f"mean score over {found.reference}'s")
    axis.set_xlim(left=0)
    axis.margins(x=0.12, y=0.12)
    axis.xaxis.set_major_formatter(PercentFormatter(1.0))
    grouped(axis.yaxis, 6)
    note(figure, f"{_sample(found)}, all budgets; lines: 95 % intervals.")
    label_points(axis, np.column_stack([excess["mean"], scores["mean"]]), names, INK)
    return figure


@styled
def trials(found: Tuning) -> Figure:
    """Paired gain of every trial on the agent as given, by each parameter; larger dots played more seeds."""
    names = [str(name) for name in found.trials.columns[2:-5]]
    figure, axes = panels(
        f"{found.scenario.name}: tuning {found.agent}", (1.5 + 4.2 * len(names), 4.8), 1, len(names), sharey=True
    )
    table = found.trials
    best = table[table["specification"] == found.best].iloc[0]
    for axis, name in zip(axes[0], names, strict=True):
        axis.axhline(0, color=INK, linewidth=1.2, zorder=1)
        size = 20 + 60 * table["seeds"] / len(found.seeds)
        axis.scatter(table[name], table["gain"], s=size, color=GREY, alpha=0.7, linewidth=0)
        axis.plot([best[name]] * 2, [best["low"], best["high"]], color=BLUE, linewidth=2.5)
        axis.plot(best[name], best["gain"], "o", color=BLUE, markersize=9)
        axis.plot(table[name].iloc[0], 0, "D", color=VERMILLION, markersize=8)
        axis.set(xlabel=name)
        if (table[name] > 0).all() and table[name].max() > 5 * table[name].min():
            axis.set_xscale("log")
            logarithmic(axis.xaxis, *axis.get_xlim())
    axes[0, 0].set_ylabel("mean score, less that as given")
    note(figure, "Paired by seed; blue: the best, with its 95 % interval; diamond: as given.")
    return figure
