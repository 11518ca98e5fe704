"""AuctionNet's offline evaluation: bidders against the lowest winning bids of a log, in single advertisers' places.

The evaluation of Su et al. (2024, arXiv 2412.10798): a bid that reaches leastWinningCost wins and pays it; what is
won is shown, and converts with a probability drawn from N(pValue, pValueSigma), clipped to [0, 1]. Rivals do not
answer, so that the bidder moves no price. The published program gives every bidder the budget and the CPA constraint
that its class has by default, and plays the first advertiser of a log alone; here each plays with its own.

Money is spent one opportunity after the other, and never beyond the budget: a price above what is left is not paid.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adsim import registry
from adsim.agents.base import Agent
from adsim.agents.table_bidder import TableBidder
from adsim.envs.score import score, violation
from adsim.errors import AdsimError, AgentError
from adsim.experiments.statistics import Estimate, difference, estimate, interval
from adsim.experiments.tables import records
from adsim.kernels.least_winning import bid_for, fill_outcome_keys
from adsim.logs.auctionnet_campaigns import Campaign, read_campaigns
from adsim.types import Constraints, Hindsight, Observation, PublicFacts, Totals

METRICS = ("score", "conversions", "cost", "cpa", "violation", "budget_use", "win_rate")
Seeds = NDArray[np.int64]
PLACE = ["bidder", "period", "advertiser"]


@dataclass(frozen=True)
class OfflineEvaluation:
    """What an offline evaluation found."""

    runs: pd.DataFrame
    """A row per bidder, period, advertiser and seed: these, score (conversions x min((constraint / CPA)^2, 1)),
    conversions, cost, cpa (NaN without conversions), violation (relative shortfall of conversions per cost from what
    the constraint asks), budget_use, win_rate."""
    advertisers: pd.DataFrame
    """A row per bidder, period and advertiser: these, category, budget, cpa_constraint, the metrics' means over seeds
    (cpa: cost over conversions of all seeds together), score_low and score_high (95 % interval over seeds)."""
    table: pd.DataFrame
    """A row per bidder and metric: bidder, metric, and the mean over advertisers with its 95 % interval: mean, low,
    high; cpa over those with conversions."""
    differences: pd.DataFrame
    """A row per further bidder and metric, of its paired differences to the first one: bidder, metric, mean, low,
    high, excludes_zero."""
    facts: dict[str, Any]
    """The log, its size, and the seeds."""

    @property
    def bidders(self) -> list[str]:
        """In the order given."""
        return list(dict.fromkeys(self.runs["bidder"]))

    def summary(self) -> dict[str, Any]:
        """Ready for JSON: NaN is None."""
        tables = {"bidders": self.table, "differences": self.differences, "advertisers": self.advertisers}
        return {**self.facts, **{name: records(table) for name, table in tables.items()}}


def evaluate_offline(
    log: str | Path | Sequence[Campaign],
    bidders: Sequence[str],
    *,
    advertisers: Sequence[int] | None = None,
    seeds: int = 10,
    first_seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> OfflineEvaluation:
    """Let bidders play single advertisers of a log.

    Parameters
    ----------
    log : str, Path or sequence of Campaign
        An AuctionNet log, or what `adsim.logs.auctionnet_campaigns.read_campaigns` read of one.
    bidders : sequence of str
        Agents as ``name:key=value``. A conversion is worth 1, so that the target ROI is 1 / CPAConstraint, and
        ``ecpc`` bids CPAConstraint x pValue. They know the log's share of traffic in each tick, as in live markets.
    advertisers : sequence of int, optional
        Their numbers; all unless given.
    seeds, first_seed : int
        How many draws of the conversions, and the first one's seed. All bidders meet the same.
    progress : callable, optional
        Called with the numbers of periods played and to play.

    Raises
    ------
    LogError
        When the log cannot be used.
    AdsimError
        When a setting or a bidder is impossible.
    """
    if not bidders:
        raise AdsimError("no bidders are given. Name one at least, such as 'ecpc'.")
    if seeds < 1:
        raise AdsimError(f"seeds = {seeds}: must be a whole number, 1 or more.")
    if not 0 <= first_seed <= 2**63 - 1 - seeds:
        raise AdsimError(f"seed = {first_seed}: must be a whole number from 0 to 2**63 - 1 - {seeds}.")
    agents = [_create(bidder) for bidder in bidders]
    named = str(log) if isinstance(log, str | Path) else "campaigns"
    campaigns = read_campaigns(log, advertisers) if isinstance(log, str | Path) else list(log)
    numbers = np.arange(first_seed, first_seed + seeds, dtype=np.int64)
    parts = []
    for bidder, agent in zip(bidders, agents, strict=True):
        for campaign in campaigns:
            parts.append(_runs(bidder, campaign, numbers, play(agent, campaign, numbers)))
            if progress:
                progress(len(parts), len(bidders) * len(campaigns))
    runs = pd.concat(parts, ignore_index=True)
    places = _places(runs, campaigns)
    facts = {
        "log": named,
        "periods": len({campaign.period for campaign in campaigns}),
        "advertisers": len(campaigns),
        "opportunities": max(campaign.value.size for campaign in campaigns),
        "seeds": numbers.tolist(),
    }
    return OfflineEvaluation(runs, places, _means(places), _differences(places), facts)


def _create(bidder: str) -> Agent:
    agent: Agent = registry.create("agents", *registry.parse(bidder))
    if isinstance(agent, TableBidder):
        raise AgentError(f"{bidder} bids whole prices by a histogram of them, which AuctionNet logs do not have.")
    return agent


def play(agent: Agent, campaign: Campaign, seeds: Seeds) -> Totals:
    """One advertiser's period, for each seed; totals of shape (seeds,).

    Wins are exposures, and so that agents see some, conversions are clicks.

    Raises
    ------
    AgentError
        When the agent lacks what it needs, or bids a negative amount or none.
    """
    size, ticks = len(seeds), campaign.bounds.size - 1
    keys = np.empty((size, 2), np.uint64)
    for seed, own in zip(seeds, keys, strict=True):
        fill_outcome_keys(np.uint64(seed), campaign.period, campaign.advertiser, own)
    agent.reset(_constraints(campaign, size), _facts(campaign))
    if agent.privileged:
        agent.reveal(Hindsight(campaign.value, campaign.value, campaign.least, campaign.least))
    total = np.zeros((size, len(Totals._fields)))
    last = total
    left, to_beat = np.full(size, campaign.budget), np.full(size, np.nan)
    for tick in range(ticks):
        multiplier = agent.act(
            Observation(
                tick, Totals(*last.T.copy()), Totals(*total.T.copy()), to_beat, left.copy(), np.full(size, np.inf)
            )
        )
        first, stop = campaign.bounds[tick : tick + 2]
        offered = campaign.value[first:stop], campaign.sigma[first:stop], campaign.least[first:stop]
        last = np.empty_like(total)
        for i in range(size):
            bid = np.asarray(agent.bids(offered[0], float(multiplier[i])), np.float64)
            if not (bid >= 0).all():
                raise AgentError(f"{type(agent).__name__} bids a negative amount or none. Mend its act or bids.")
            wins, conversions, predicted, kept = bid_for(bid, *offered, first, left[i], keys[i])
            last[i] = wins, wins, conversions, conversions, conversions, predicted, left[i] - kept, 0
            left[i] = kept
        total = total + last
        to_beat = np.full(size, offered[2].mean() if stop > first else np.nan)
    return Totals(*total.T)


def _constraints(campaign: Campaign, size: int) -> Constraints:
    """A value maximizer with the advertiser's terms, for each seed."""
    return Constraints(
        value_per_conversion=np.ones(size),
        maximizes_value=np.ones(size, np.bool_),
        budget=np.full(size, campaign.budget),
        target_roi=np.full(size, 1 / campaign.target_cpa),
        stock=np.full(size, np.inf),
        stock_unit=np.zeros(size),
    )


def _facts(campaign: Campaign) -> PublicFacts:
    opportunities = int(campaign.bounds[-1])
    return PublicFacts("second_price", False, np.diff(campaign.bounds) / opportunities, opportunities, None)


def _runs(bidder: str, campaign: Campaign, seeds: Seeds, totals: Totals) -> pd.DataFrame:
    """Rows of `OfflineEvaluation.runs`."""
    conversions, cost, target = totals.conversions, totals.spend, 1 / campaign.target_cpa
    each = [(won, paid, won, target, np.inf) for won, paid in zip(conversions, cost, strict=True)]
    return pd.DataFrame(
        {
            "bidder": bidder,
            "period": campaign.period,
            "advertiser": campaign.advertiser,
            "seed": seeds,
            "score": [float(score(*one, True)) for one in each],
            "conversions": conversions,
            "cost": cost,
            "cpa": np.divide(cost, conversions, out=np.full(cost.shape, np.nan), where=conversions > 0),
            "violation": [float(violation(*one)) for one in each],
            "budget_use": cost / campaign.budget,
            "win_rate": totals.wins / campaign.value.size,
        }
    )


def _places(runs: pd.DataFrame, campaigns: Sequence[Campaign]) -> pd.DataFrame:
    """Rows of `OfflineEvaluation.advertisers`."""
    terms = [(c.period, c.advertiser, c.category, c.budget, c.target_cpa) for c in campaigns]
    known = pd.DataFrame(terms, columns=["period", "advertiser", "category", "budget", "cpa_constraint"])
    groups = runs.groupby(PLACE, sort=False)
    found = groups[list(METRICS)].mean().reset_index()
    found["cpa"] = found["cost"] / found["conversions"].where(found["conversions"] > 0)
    bounds = [interval(part) for _, part in groups["score"]]
    found["score_low"], found["score_high"] = zip(*bounds, strict=True)
    return found.merge(known, on=["period", "advertiser"])[
        [*PLACE, "category", "budget", "cpa_constraint", *METRICS, "score_low", "score_high"]
    ]


def _means(places: pd.DataFrame) -> pd.DataFrame:
    """Rows of `OfflineEvaluation.table`."""
    rows = [
        [bidder, metric, *estimate(part[metric].dropna())]
        for bidder, part in places.groupby("bidder", sort=False)
        for metric in METRICS
    ]
    return pd.DataFrame(rows, columns=["bidder", "metric", *Estimate._fields])


def _differences(places: pd.DataFrame) -> pd.DataFrame:
    """Rows of `OfflineEvaluation.differences`, of the advertisers for which both are known."""
    rows = []
    (_, ours), *others = places.groupby("bidder", sort=False)
    for bidder, theirs in others:
        for metric in METRICS:
            pairs = theirs[metric].to_numpy(), ours[metric].to_numpy()
            both = ~np.isnan(pairs).any(axis=0)
            found = difference(pairs[0][both], pairs[1][both])
            rows.append([bidder, metric, *found, found.excludes_zero])
    return pd.DataFrame(rows, columns=["bidder", "metric", *Estimate._fields, "excludes_zero"])
