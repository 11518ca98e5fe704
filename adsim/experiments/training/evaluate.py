"""A bidder against the scripted agents: all control the same campaign in the same markets, one after the other."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adsim import registry
from adsim.agents.base import Agent
from adsim.envs.engine import SPAN, Engine, find_campaigns
from adsim.envs.score import score, violation
from adsim.errors import AdsimError, AgentError
from adsim.experiments.offline.bidder import OfflineBidder
from adsim.experiments.offline.models import is_offline, load_bidder, read_bidder_card
from adsim.experiments.offline.trajectories import LEVEL
from adsim.experiments.statistics import Estimate, difference, estimate
from adsim.experiments.training.cards import BaseCard
from adsim.experiments.training.models import Card, find_model, load_model, read_card, require_rl
from adsim.market import metrics
from adsim.market.campaigns import campaign_names
from adsim.market.market import Market
from adsim.market.markets import Markets, make_events
from adsim.market.scenario import Scenario
from adsim.types import Constraints, Floats, Totals

Policy = Callable[[NDArray[np.float32]], NDArray[Any]]
"""Observations (E, F) to actions (E, 1)."""
Bidder = Policy | OfflineBidder
Progress = Callable[[int, int], None]
MODEL = "model"
METRICS = ("score", "value", "spend", "conversions", "roi", "violation", "budget_use")
BATCH = 64
"""Markets that are played side by side."""


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found; a *bidder* is the model or a scripted agent."""

    scenario: Scenario
    campaign: str
    model: str
    """Name of the model among the bidders."""
    seeds: list[int]
    left_out: dict[str, str]
    """Agents that do not fit the campaign, and why."""
    runs: pd.DataFrame
    """A row per bidder and seed: bidder, seed, score (see `adsim.envs.score`), value, spend, conversions, roi (NaN
    without spend), violation (relative shortfall from the target ROI plus relative sales beyond the stock),
    budget_use (NaN without a budget); with the oracle also optimum_share, the score over the oracle's."""
    table: pd.DataFrame
    """A row per bidder and metric: bidder, metric, mean, low, high."""
    differences: pd.DataFrame
    """A row per scripted agent and metric, of the model's paired differences to it: bidder, metric, mean, low, high,
    excludes_zero."""

    @property
    def bidders(self) -> list[str]:
        """The model first, then the agents as they were given."""
        return list(dict.fromkeys(self.runs["bidder"]))

    def summary(self) -> dict[str, Any]:
        """Means, differences and their intervals by bidder and metric, ready for JSON: NaN is None."""
        return {
            "scenario": self.scenario.name,
            "campaign": self.campaign,
            "model": self.model,
            "seeds": self.seeds,
            "left_out": self.left_out,
            "bidders": _nested(self.table),
            "differences": _nested(self.differences),
        }


def evaluate(
    model: Any,
    scenario: Scenario | None = None,
    *,
    campaign: int | str | None = None,
    seeds: int = 100,
    first_seed: int = 0,
    agents: Sequence[str] | None = None,
    span: float | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> Evaluation:
    """Let a trained bidder and scripted agents control one campaign, each on the same seeds.

    Training takes its markets elsewhere (see `adsim.experiments.training.train`), so that seeds 0, 1, 2 and on are
    new to every model. Bidders act without exploration.

    Parameters
    ----------
    model : str, Path, object with ``predict``, OfflineBidder, or callable
        A folder, .zip or .pt that `adsim.experiments.training.train.train` or `adsim.experiments.offline.train.train`
        wrote, a model of Stable-Baselines3, an `adsim.experiments.offline.bidder.OfflineBidder`, or a function of
        observations (E, F) to actions (E, 1).
    scenario : Scenario, optional
        The one that a saved model was trained on, unless given.
    campaign : int or str, optional
        Index or name; the one that a saved model was trained for, else 0, unless given.
    seeds, first_seed : int
        How many markets, and the seed of the first.
    agents : sequence of str, optional
        As ``name:key=value``; all registered ones that fit the campaign, unless given.
    span : float, optional
        Of the actions, see `adsim.envs.engine.Engine`; a saved model's own unless given.
    threads : int
        How many share the markets; results do not depend on it.
    progress : callable, optional
        Called with the numbers of markets played and to play.

    Raises
    ------
    AdsimError
        For a file that is no model, a setting that is impossible, or an agent that was named and does not fit.
    """
    if seeds < 1:
        raise AdsimError(f"seeds = {seeds}: must be a whole number, 1 or more.")
    if not 0 <= first_seed <= 2**63 - 1 - seeds:
        raise AdsimError(f"seed = {first_seed}: must be a whole number from 0 to 2**63 - 1 - {seeds}.")
    bidder, card = bidder_of(model)
    scenario = scenario or (card.market if card else None)
    if scenario is None:
        raise AdsimError("evaluate: name a scenario; a policy of one's own does not bring its own.")
    wanted = campaign if campaign is not None else card.campaign if isinstance(card, Card) else 0
    (index,) = find_campaigns(scenario, [wanted])
    playing = _playing(scenario, index, agents)
    span = span or (card.span if card else SPAN)
    numbers = np.arange(first_seed, first_seed + seeds)
    name = card.algorithm if card else MODEL
    count = _Count(seeds * (1 + len(playing.fitting)), progress)
    parts = [_bidder_runs(name, bidder, scenario, index, numbers, span, threads, count)]
    parts += [agent_runs(agent, scenario, index, numbers, threads=threads, count=count) for agent in playing.fitting]
    runs = pd.concat(parts, ignore_index=True)
    if "oracle" in playing.fitting:
        best = runs.loc[runs["bidder"] == "oracle", "score"].to_numpy()
        shares = runs["score"].to_numpy().reshape(-1, seeds) / np.where(best > 0, best, np.nan)
        runs["optimum_share"] = shares.ravel()
    return Evaluation(
        scenario=scenario,
        campaign=campaign_names(scenario)[index],
        model=name,
        seeds=numbers.tolist(),
        left_out=playing.left_out,
        runs=runs,
        table=means(runs),
        differences=_differences(runs, name),
    )


def bidder_of(model: Any) -> tuple[Bidder, BaseCard | None]:
    """Who bids, and the card of a model that was saved; see `evaluate` for what it may be.

    Raises
    ------
    AdsimError
        For a file that is no model, and for what cannot bid.
    """
    if isinstance(model, str | Path):
        if is_offline(model):
            learned = load_bidder(model)
            return learned.bidder, learned.card
        require_rl("evaluate")
        trained = load_model(model)
        return policy_of(trained.model), trained.card
    if hasattr(model, "predict"):
        return policy_of(model), None
    if not (isinstance(model, OfflineBidder) or callable(model)):
        raise AdsimError(f"model {model!r}: must be a path, have predict, or be a function of observations.")
    return model, None


def card_of(path: str | Path) -> BaseCard:
    """How a saved model was trained.

    Raises
    ------
    AdsimError
        For a path that is no model's.
    """
    return read_bidder_card(path) if is_offline(path) else read_card(find_model(path))


def policy_of(model: Any) -> Policy:
    """A model of Stable-Baselines3 as a function, without exploration."""
    return lambda observations: np.asarray(model.predict(observations, deterministic=True)[0])


class _Count:
    """Markets played, told to whoever wants to know."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def add(self, markets: int) -> None:
        self._done += markets
        if self._progress:
            self._progress(self._done, self._total)


@dataclass(frozen=True)
class _Playing:
    fitting: list[str]
    left_out: dict[str, str]


def _playing(scenario: Scenario, campaign: int, agents: Sequence[str] | None) -> _Playing:
    """The agents that fit the campaign, and why others do not.

    Raises
    ------
    AdsimError
        When one that was named does not fit, or its name is unknown.
    """
    fitting, left_out = [], {}
    for agent in agents if agents is not None else sorted(registry.known("agents")):
        try:
            _try(scenario, campaign, agent)
            fitting.append(agent)
        except AdsimError as error:
            if agents is not None:
                raise
            left_out[agent] = str(error)
    return _Playing(fitting, left_out)


def _try(scenario: Scenario, campaign: int, agent: str) -> None:
    if _is_privileged(agent):
        Market(_bidding(scenario, campaign, agent)).hindsight()
    else:
        Markets(scenario, [0], agents={campaign: agent}).open()


def _is_privileged(agent: str) -> bool:
    made: Agent = registry.create("agents", *registry.parse(agent))
    return made.privileged


def _bidding(scenario: Scenario, campaign: int, agent: str) -> Scenario:
    """The scenario with an agent that is shown the truth, which needs a campaign that is alone."""
    if scenario.size > 1:
        raise AgentError(f"agent {agent} needs a market with one campaign and posted prices.")
    return scenario.replace({"campaigns.0.agent": agent})


def scripted(scenario: Scenario, campaign: int) -> list[str]:
    """The registered agents that fit a campaign and are not shown the truth."""
    return [agent for agent in _playing(scenario, campaign, None).fitting if not _is_privileged(agent)]


def _bidder_runs(
    name: str,
    bidder: Bidder,
    scenario: Scenario,
    campaign: int,
    seeds: NDArray[np.integer],
    span: float,
    threads: int,
    count: _Count,
) -> pd.DataFrame:
    parts = []
    for batch in _batches(seeds):
        engine = Engine(scenario, [campaign], markets=batch.size, span=span, threads=threads)
        parts.append(play(name, bidder, engine, batch))
        engine.close()
        count.add(batch.size)
    return pd.concat(parts, ignore_index=True)


def play(name: str, bidder: Bidder, engine: Engine, seeds: NDArray[np.integer]) -> pd.DataFrame:
    """Let a bidder bid in the markets of these seeds, as many as the engine has; rows of `Evaluation.runs`."""
    engine.reset(seeds.astype(np.uint64))
    policy = _moves(bidder, engine) if isinstance(bidder, OfflineBidder) else bidder
    while not engine.over:
        engine.step(policy(engine.seats.observation[:, 0]))
    return _rows(name, seeds, engine.markets, engine.campaigns[0])


def _moves(bidder: OfflineBidder, engine: Engine) -> Policy:
    """A bidder that sets levels, at the beginning of a period, as a function to the changes that an action is."""
    (index,) = engine.campaigns
    bidder.begin(engine.markets.campaigns.of(slice(index, index + 1)))

    def move(observation: NDArray[np.float32]) -> NDArray[Any]:
        totals = Totals(*(amounts[:, 0] for amounts in engine.totals()))
        change = bidder.act(observation, totals) - observation[:, LEVEL]
        return np.clip(change, -1, 1)[:, None]

    return move


def agent_runs(
    agent: str,
    scenario: Scenario,
    campaign: int,
    seeds: NDArray[np.integer],
    *,
    threads: int = 1,
    count: _Count | None = None,
) -> pd.DataFrame:
    """Let a scripted agent bid in the markets of these seeds; rows of `Evaluation.runs`."""
    parts = []
    privileged = _is_privileged(agent)
    for batch in _batches(seeds, 1 if privileged else BATCH):
        if privileged:
            parts.append(_market_rows(agent, _bidding(scenario, campaign, agent), int(batch[0])))
        else:
            markets = Markets(scenario, batch, agents={campaign: agent}, threads=min(threads, batch.size))
            markets.open()
            unkept = make_events(0, len(scenario.auction.slot_exposure))
            for _ in range(scenario.market.ticks):
                markets.run_tick(unkept)
            markets.close()
            parts.append(_rows(agent, batch, markets, campaign))
        if count:
            count.add(batch.size)
    return pd.concat(parts, ignore_index=True)


def _batches(seeds: NDArray[np.integer], size: int = BATCH) -> Iterator[NDArray[np.integer]]:
    for start in range(0, seeds.size, size):
        yield seeds[start : start + size]


def _market_rows(agent: str, scenario: Scenario, seed: int) -> pd.DataFrame:
    """The row of an agent that is shown the truth."""
    result = Market(scenario, seed).run()
    return _table(agent, np.array([seed]), result.totals, result.constraints)


def _rows(bidder: str, seeds: NDArray[np.integer], markets: Markets, campaign: int) -> pd.DataFrame:
    ledger = markets.fleet.accounts.ledger[:, campaign]
    constraints = markets.campaigns.of(slice(campaign, campaign + 1))
    return _table(bidder, seeds, Totals(*ledger.T), constraints)


def _table(bidder: str, seeds: NDArray[np.integer], totals: Totals, constraints: Constraints) -> pd.DataFrame:
    """Rows of `Evaluation.runs`; totals and constraints of shape (E,)."""
    value, spend, conversions = totals.value, totals.spend, totals.conversions
    target, stock, budget = constraints.target_roi, constraints.stock, constraints.budget
    sold = metrics.units_sold(constraints, totals)
    each = zip(value, spend, sold, target, stock, constraints.maximizes_value, strict=True)
    scores = [(score(*one), violation(*one[:5])) for one in each]
    return pd.DataFrame(
        {
            "bidder": bidder,
            "seed": seeds.astype(np.int64),
            "score": [float(one) for one, _ in scores],
            "value": value.copy(),
            "spend": spend.copy(),
            "conversions": conversions.copy(),
            "roi": _ratio(value, spend, spend > 0),
            "violation": [float(one) for _, one in scores],
            "budget_use": _ratio(spend, budget, np.isfinite(budget)),
        }
    )


def _ratio(over: Floats, under: Floats, known: NDArray[np.bool_]) -> Floats:
    return np.divide(over, under, out=np.full(over.shape, np.nan), where=known)


def means(runs: pd.DataFrame) -> pd.DataFrame:
    """A row per bidder and metric: mean over the seeds on which it is known, and its interval."""
    rows = []
    for bidder, part in runs.groupby("bidder", sort=False):
        for metric in _metrics(runs):
            found = estimate(part[metric].dropna())
            rows.append({"bidder": bidder, "metric": metric, **found._asdict()})
    return pd.DataFrame(rows)


def _differences(runs: pd.DataFrame, model: str) -> pd.DataFrame:
    """Differences of the model to all others, over the seeds on which both are known."""
    rows = []
    parts = {str(bidder): part.reset_index(drop=True) for bidder, part in runs.groupby("bidder", sort=False)}
    ours = parts.pop(model)
    for bidder, theirs in parts.items():
        for metric in _metrics(runs):
            both = ours[metric].notna() & theirs[metric].notna()
            found = difference(ours[metric][both], theirs[metric][both])
            row = {"bidder": bidder, "metric": metric, **found._asdict()}
            rows.append({**row, "excludes_zero": found.excludes_zero})
    return pd.DataFrame(rows, columns=["bidder", "metric", *Estimate._fields, "excludes_zero"])


def coinciding(runs: pd.DataFrame) -> list[list[str]]:
    """Groups of bidders with the same results on every seed."""
    groups: dict[bytes, list[str]] = {}
    for bidder, part in runs.groupby("bidder", sort=False):
        groups.setdefault(part[list(METRICS)].to_numpy().tobytes(), []).append(str(bidder))
    return [group for group in groups.values() if len(group) > 1]


def _metrics(runs: pd.DataFrame) -> list[str]:
    return [str(name) for name in runs.columns[2:]]


def _nested(table: pd.DataFrame) -> dict[str, dict[str, dict[str, Any]]]:
    from adsim.experiments.comparison.compare import nested

    return nested(table.rename(columns={"bidder": "variant"}))
