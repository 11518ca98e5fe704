"""Bidders against a recorded log: what each would have won and paid on a budget.

The protocol of Cai et al., "Real-Time Bidding by Reinforcement Learning in Display Advertising" (WSDM 2017).
The log is cut, in its order, into episodes of N impressions, the last one shorter. Each starts with a budget
of int(cpm * c0 * N); what is left over is lost. Bids are whole numbers; a bid that reaches the market price
wins and pays it. Prices are per 1,000 impressions; budgets and costs are sums of them, 1,000 times the money.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adsim import registry
from adsim.agents.base import Agent
from adsim.agents.linear import Linear
from adsim.agents.table_bidder import TableBidder
from adsim.errors import AdsimError, AgentError
from adsim.experiments.replay.tuning import tuned_b0
from adsim.kernels.replay import replay as bid_for
from adsim.kernels.table_bids import replay_by_table
from adsim.logs.auctions import MAX_BID, Auctions, budget_of, check_counts, read_auctions
from adsim.types import Constraints, Hindsight, History, Observation, PublicFacts, Totals

RESAMPLES = 2_000
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Replay:
    """What a replay found."""

    bidders: pd.DataFrame
    """A row per c0 and bidder: c0, bidder, parameters, budget, auctions, impressions, clicks, cost, win_rate,
    cpm (cost / impressions), ecpc (cost / 1000 / clicks), clicks_low and clicks_high (95 % bootstrap interval
    over episodes), clicks_difference (to the first bidder), clicks_difference_low and _high (paired)."""
    episodes: pd.DataFrame
    """A row per c0, bidder and episode: c0, bidder, parameters, episode, impressions, clicks, cost."""
    landscape: pd.DataFrame
    """A row per market price, and what always bidding it wins without a budget: price, share_of_auctions,
    average_cost (of an impression), share_of_clicks."""
    facts: dict[str, Any]
    """The log's totals, the settings, and what the bidders knew of the market and from where."""

    def summary(self) -> dict[str, Any]:
        """Facts and bidders, ready for JSON: whole numbers stay whole, undefined ratios are None."""
        table = self.bidders.astype(object)
        return {**self.facts, "bidders": table.where(table.notna(), None).to_dict("records")}


class Rules(NamedTuple):
    """How a log is played."""

    episode: int
    ticks: int
    max_bid: int


class Run(NamedTuple):
    """One bidder on one budget."""

    c0: float
    bidder: str
    parameters: str
    budget: int
    won: Counts
    """Impressions, clicks and cost of each episode; (episodes, 3)."""


def replay(
    log: str | Path,
    bidders: Sequence[str],
    *,
    info: str | Path | None = None,
    train: str | Path | None = None,
    episode: int = 1000,
    c0: Sequence[float] = (1 / 32,),
    ticks: int = 10,
    max_bid: int = MAX_BID,
    seed: int = 0,
    format: str | None = None,
    clicks: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Replay:
    """Replay a log once for every budget and bidder.

    Parameters
    ----------
    log : str or Path
        A log of any registered format; held in memory, 17 bytes an impression.
    bidders : sequence of str
        Agents as ``name:key=value``. Where the log has no predicted click rates, all see the average rate. With a
        training log, ``linear`` alone is tuned on it to each budget, see `adsim.experiments.replay.tuning`.
    info : str or Path, optional
        JSON with cost_train, imp_train and clk_train: cost, impressions and clicks of a training log.
    train : str or Path, optional
        The training log itself. With neither, the statistics are those of the replayed log.
    episode : int
        Impressions per episode (N).
    c0 : sequence of float
        Budgets, as shares of what an episode costs at average prices.
    ticks : int
        Equal parts of an episode; an agent acts before each.
    max_bid : int
        Higher bids are lowered to it.
    seed : int
        Of the bootstrap.
    format : str, optional
        The log's format; found by content unless given.
    clicks : str or Path, optional
        Click log, for a log of raw impressions.
    progress : callable, optional
        Called with the numbers of replays done and to do.

    Raises
    ------
    LogError
        When a log or the statistics cannot be used.
    AdsimError
        When a setting or a bidder is impossible.
    """
    _check(rules := Rules(episode, ticks, max_bid), bidders, c0)
    agents = [None if train and bidder == "linear" else _create(bidder) for bidder in bidders]
    names = [(name, parameters) for name, _, parameters in (bidder.partition(":") for bidder in bidders)]
    found = read_auctions(log, info=info, train=train, format=format, clicks=clicks)
    auctions, statistics, known = found.auctions, found.statistics, found.history(max_bid)
    if train and None in agents:
        training = read_auctions(train).auctions

    runs: list[Run] = []
    for share in c0:
        budget = budget_of(statistics.cpm, share, episode)
        for (name, parameters), agent in zip(names, agents, strict=True):
            if agent is None:
                b0 = tuned_b0(training, known.average_value, budget, episode, max_bid)
                agent, parameters = Linear(b0=b0), f"b0={b0}"
            won = _play(agent, auctions, budget, rules, known)
            runs.append(Run(float(share), name, parameters, budget, won))
            if progress:
                progress(len(runs), len(c0) * len(bidders))

    facts = {
        "log": str(log),
        "impressions": len(auctions.price),
        "clicks": int(auctions.click.sum()),
        "cost": int(auctions.price.sum()),
        **rules._asdict(),
        "seed": seed,
        "statistics": {
            **statistics._asdict(),
            "cpm": statistics.cpm,
            "average_value": known.average_value,
            "cost_per_conversion": known.cost_per_conversion,
        },
        "statistics_from": found.statistics_from,
        "values_from": found.values_from,
    }
    table = _bidder_table(runs, len(bidders), len(auctions.price), seed)
    return Replay(table, _episode_table(runs), _landscape(auctions), facts)


def _create(bidder: str) -> Agent:
    agent: Agent = registry.create("agents", *registry.parse(bidder))
    return agent


def _check(rules: Rules, bidders: Sequence[str], c0: Sequence[float]) -> None:
    check_counts(**rules._asdict())
    if not bidders:
        raise AdsimError("no bidders are given. Name one at least, such as 'linear:b0=10'.")
    if len(c0) == 0:
        raise AdsimError("no budgets are given. Give c0 one share at least, such as 1/32.")


def _play(agent: Agent, auctions: Auctions, budget: int, rules: Rules, history: History) -> Counts:
    """Impressions, clicks and cost of every episode, shape (episodes, 3)."""
    cuts = rules.episode * np.arange(rules.ticks + 1) // rules.ticks
    market = PublicFacts("second_price", False, np.diff(cuts) / rules.episode, rules.episode, history)
    constraints = Constraints(
        value_per_conversion=np.ones(1),
        maximizes_value=np.ones(1, dtype=np.bool_),
        budget=np.full(1, float(budget)),
        target_roi=np.zeros(1),
        stock=np.full(1, np.inf),
        stock_unit=np.zeros(1),
    )
    won = []
    for start in range(0, len(auctions.price), rules.episode):
        episode = auctions.part(start, start + rules.episode)
        agent.reset(constraints, market)
        if isinstance(agent, TableBidder):
            won.append(_play_priced(agent, episode, budget, rules.episode))
            continue
        if agent.privileged:
            price = episode.price.astype(float)
            agent.reveal(Hindsight(episode.value, episode.click.astype(float), price, price))
        won.append(_play_episode(agent, episode, budget, cuts, rules.max_bid))
    return np.array(won)


def _play_priced(agent: TableBidder, auctions: Auctions, budget: int, episode: int) -> Counts:
    """Impressions, clicks and cost of one episode, every bid of which follows from the auctions before."""
    worth = agent.worth(auctions.value)
    won = replay_by_table(agent.table.table, worth, auctions.price, auctions.click, budget, episode)
    return np.array(won, np.int64)


def _play_episode(agent: Agent, auctions: Auctions, budget: int, cuts: Counts, max_bid: int) -> Counts:
    """Impressions, clicks and cost of one episode, whose ticks begin at ``cuts``."""
    won = np.zeros(3, dtype=np.int64)
    last = total = _totals(0, 0, 0, 0.0)
    to_beat = np.nan
    for tick, (start, stop) in enumerate(pairwise(cuts)):
        left = budget - int(won[2])
        seen = Observation(tick, last, total, np.full(1, to_beat), np.full(1, float(left)), np.full(1, np.inf))
        value, price, click = auctions.part(start, stop)
        bid = agent.bids(value, float(agent.act(seen)[0]))
        if not (bid >= 0).all():
            raise AgentError(f"{type(agent).__name__} bids a negative amount or none. Mend its act or bids.")
        impressions, clicks, cost, predicted = bid_for(bid, value, price, click, left, max_bid)
        won += (impressions, clicks, cost)
        last = _totals(impressions, clicks, cost, predicted)
        total = Totals(*map(np.add, total, last))
        to_beat = float(price.mean()) if price.size else np.nan
    return won


def _totals(impressions: int, clicks: int, cost: int, predicted: float) -> Totals:
    """What an agent sees of its auctions: a click is a conversion, worth 1."""
    clicked = np.full(1, float(clicks))
    shown = np.full(1, float(impressions))
    return Totals(
        wins=shown,
        exposures=shown,
        clicks=clicked,
        conversions=clicked,
        value=clicked,
        predicted_value=np.full(1, predicted),
        spend=np.full(1, float(cost)),
        experience=np.zeros(1),
    )


def _bidder_table(runs: Sequence[Run], bidders: int, auctions: int, seed: int) -> pd.DataFrame:
    rows = []
    for number, run in enumerate(runs):
        first = runs[number - number % bidders]
        impressions, clicks, cost = (int(total) for total in run.won.sum(axis=0))
        more = run.won[:, 1] - first.won[:, 1]
        low, high = _interval_of_sum(run.won[:, 1], seed)
        low_more, high_more = _interval_of_sum(more, seed)
        rows.append(
            {
                **_label(run),
                "budget": run.budget,
                "auctions": auctions,
                "impressions": impressions,
                "clicks": clicks,
                "cost": cost,
                "win_rate": impressions / auctions,
                "cpm": cost / impressions if impressions else np.nan,
                "ecpc": cost / 1000 / clicks if clicks else np.nan,
                "clicks_low": low,
                "clicks_high": high,
                "clicks_difference": int(more.sum()),
                "clicks_difference_low": low_more,
                "clicks_difference_high": high_more,
            }
        )
    return pd.DataFrame(rows)


def _interval_of_sum(counts: Counts, seed: int) -> tuple[float, float]:
    """95 % bootstrap interval of a sum over episodes; not a number for a single episode.

    Episodes with equal counts are drawn together: the number of each kind in a resample is multinomial.
    """
    if len(counts) < 2:
        return np.nan, np.nan
    kinds, sizes = np.unique(counts, return_counts=True)
    draws = np.random.default_rng(seed).multinomial(len(counts), sizes / len(counts), size=RESAMPLES)
    low, high = np.quantile(draws @ kinds, (0.025, 0.975))
    return float(low), float(high)


def _episode_table(runs: Sequence[Run]) -> pd.DataFrame:
    tables = [pd.DataFrame(run.won, columns=["impressions", "clicks", "cost"]) for run in runs]
    for run, table in zip(runs, tables, strict=True):
        table.insert(0, "episode", np.arange(len(table)))
        for place, (name, value) in enumerate(_label(run).items()):
            table.insert(place, name, value)
    return pd.concat(tables, ignore_index=True)


def _label(run: Run) -> dict[str, float | str]:
    return {"c0": run.c0, "bidder": run.bidder, "parameters": run.parameters}


def _landscape(auctions: Auctions) -> pd.DataFrame:
    price, place, count = np.unique(auctions.price, return_inverse=True, return_counts=True)
    won = count.cumsum()
    clicks = np.bincount(place, weights=auctions.click).cumsum()
    return pd.DataFrame(
        {
            "price": price,
            "share_of_auctions": won / len(auctions.price),
            "average_cost": (price * count).cumsum() / won,
            "share_of_clicks": clicks / clicks[-1] if clicks[-1] else np.nan,
        }
    )
