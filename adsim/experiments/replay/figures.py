"""Figures of log replays: what bidders got, how they spent, and what the log would have sold at other bids."""

from fractions import Fraction
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from adsim.drawing import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    grouped,
    label_ends,
    note,
    number,
    panels,
    styled,
)
from adsim.experiments.replay.replay import Replay

COLORS = BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY


def of_replay(replay: Replay) -> dict[str, Figure]:
    """All figures of a replay, by name."""
    drawn = {"clicks": clicks(replay), "spending": spending(replay), "prices": prices(replay)}
    first = replay.bidders.groupby("c0")["clicks"].first()
    if len(first) > 1 and len(replay.bidders) > len(first) and (first > 0).all():
        drawn["advantage"] = advantage(replay)
    return drawn


def labels(replay: Replay) -> list[str]:
    """The bidders of every budget, without parameters where these differ between budgets."""
    rows, bidders = replay.bidders, len(replay.bidders) // replay.bidders["c0"].nunique()
    found = []
    for place in range(bidders):
        mine = rows.iloc[place::bidders]
        parameters = mine["parameters"].unique()
        name = mine["bidder"].iloc[0]
        found.append(bidder_label(name, parameters[0]) if len(parameters) == 1 else f"{name}, tuned")
    return found


def bidder_label(bidder: str, parameters: str) -> str:
    """A bidder as a reader knows it: `linear b0=10`."""
    return f"{bidder} {parameters.replace(':', ' ')}".strip()


def budget_label(c0: float) -> str:
    """A budget's share, as a fraction where it is a simple one: `c0 = 1/32`."""
    share = Fraction(c0).limit_denominator(1000)
    exact = float(share) == c0 and share.numerator == 1 and share != 1
    return f"c0 = {share if exact else number(c0)}"


@styled
def clicks(replay: Replay) -> Figure:
    """Clicks of each bidder with 95 % intervals, a panel per budget."""
    budgets = {float(c0): replay.bidders.query("c0 == @c0") for c0 in replay.bidders["c0"].unique()}
    bidders = len(next(iter(budgets.values())))
    size = 2.6 + 3.4 * len(budgets), 1.9 + 0.55 * bidders
    figure, axes = panels("Clicks that each bidder won within its budget", size, 1, len(budgets), sharey=True)
    for axis, (c0, table) in zip(axes[0], budgets.items(), strict=True):
        for place, row in enumerate(table.to_dict("records")):
            low, high = row["clicks_low"], row["clicks_high"]
            axis.plot([low, high], [place, place], color=BLUE, linewidth=2.5)
            axis.plot(row["clicks"], place, "o", color=BLUE, markersize=8)
            axis.annotate(
                number(row["clicks"]), (row["clicks"], place), (0, 8), textcoords="offset points", ha="center"
            )
        axis.set_yticks(range(bidders), labels(replay))
        axis.set_ylim(bidders - 0.5, -0.7)
        axis.set_xlim(0, 1.08 * max(1, np.nanmax(table[["clicks", "clicks_high"]])))
        axis.grid(axis="y", visible=False)
        axis.set_title(budget_label(c0))
        axis.set_xlabel("clicks")
        grouped(axis.xaxis)
    note(figure, "Lines: 95 % intervals over episodes.")
    return figure


@styled
def advantage(replay: Replay) -> Figure:
    """Clicks of each bidder beyond those of the first, over budgets: paired differences with 95 % intervals."""
    first, *others = labels(replay)
    budgets, rows = replay.bidders["c0"].drop_duplicates().tolist(), replay.bidders
    title = f"Clicks beyond those of {first}, on the same budgets"
    figure, ((axis,),) = panels(title, (2.5 + 1.3 * len(budgets), 4.8))
    clicks = rows["clicks"].iloc[:: len(others) + 1].to_numpy()
    axis.axhline(0, color=GREY, linewidth=1.4)
    ends = []
    for place, (name, color) in enumerate(zip(others, cycle(COLORS), strict=False), 1):
        mine = rows.iloc[place :: len(others) + 1]
        columns = ("clicks_difference", "clicks_difference_low", "clicks_difference_high")
        share, low, high = (mine[column].to_numpy() / clicks for column in columns)
        x = np.arange(len(budgets)) + 0.12 * (place - (len(others) + 1) / 2)
        axis.vlines(x, low, high, color=color)
        axis.plot(x, share, color=color, marker="o", markersize=6, linewidth=0.8)
        ends.append((float(share[-1]), name, color))
    axis.set_xticks(range(len(budgets)), [budget_label(c0) for c0 in budgets])
    axis.set(xlim=(-0.4, right := len(budgets) - 0.6), xlabel="budget", ylabel="difference in clicks")
    axis.yaxis.set_major_formatter(PercentFormatter(1))
    note(figure, "Lines: 95 % intervals of paired differences over episodes.")
    label_ends(axis, right, ends)
    return figure


@styled
def spending(replay: Replay) -> Figure:
    """Share of the budget that each bidder spent in every episode, a row per bidder, a column per budget."""
    table = replay.bidders
    budgets, bidders = table["c0"].nunique(), len(table) // table["c0"].nunique()
    size = 2.2 + 5.2 * budgets, 1.4 + 1.75 * bidders
    title = "Share of the budget spent in every episode"
    figure, axes = panels(title, size, bidders, budgets, sharex=True, sharey=True)
    costs = replay.episodes["cost"].to_numpy().reshape(len(table), -1)
    for axis, row, cost in zip(axes.T.flat, table.to_dict("records"), costs, strict=True):
        share = cost / row["budget"]
        axis.fill_between(np.arange(len(share) + 1), [*share, share[-1]], step="post", color=SKY, linewidth=0)
        axis.axhline(share.mean(), color=BLUE, linewidth=1.4)
        name = bidder_label(row["bidder"], row["parameters"])
        axis.set_title(f"{name}, {budget_label(row['c0'])}: {share.mean():.0%} on average")
        axis.set(xlim=(0, len(share)), ylim=(0, 1.06))
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    for axis in axes[-1]:
        axis.set_xlabel("episode, in the order of the log")
    figure.supylabel("share of the episode's budget", fontsize=12)
    return figure


@styled
def prices(replay: Replay) -> Figure:
    """The bid landscape of the log: what a constant bid wins without a budget, and what it pays."""
    table = replay.landscape
    top = float(table["price"].max())
    figure, ((won, cost),) = panels("What a bid wins in this log, and what it costs", (11, 4.8), 1, 2)
    start = pd.DataFrame({"price": [0.0], "share_of_auctions": [0.0], "share_of_clicks": [0.0]})
    steps = pd.concat([start, table]) if table["price"].iloc[0] > 0 else table
    ends = [("share_of_auctions", "auctions", BLUE), ("share_of_clicks", "clicks", VERMILLION)]
    ends = [end for end in ends if table[end[0]].notna().all()]
    for column, _, color in ends:
        won.step(steps["price"], steps[column], where="post", color=color, linewidth=1.8)
    won.set(xlabel="bid (price per 1,000 impressions)", ylabel="share won", xlim=(0, top), ylim=(0, 1.02))
    won.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    cost.plot([0, top], [0, top], color=GREY, linewidth=1.4, linestyle=(0, (4, 2)))
    cost.plot(table["price"], table["average_cost"], color=BLUE)
    cost.set(xlabel="bid (price per 1,000 impressions)", ylabel="price per 1,000 impressions", xlim=(0, top))
    cost.set_ylim(0, 1.02 * top)
    for axis in (won.xaxis, cost.xaxis, cost.yaxis):
        grouped(axis, 6)
    label_ends(won, top, [(float(table[column].iloc[-1]), label, color) for column, label, color in ends])
    label_ends(cost, top, [(top, "the bid", INK), (float(table["average_cost"].iloc[-1]), "average paid", BLUE)])
    return figure
