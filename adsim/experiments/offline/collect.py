"""Periods of live markets in which scripted agents bid for all campaigns, recorded for offline learners."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adsim import registry
from adsim.agents.base import Agent
from adsim.agents.rule import Rule
from adsim.envs.engine import SPAN, open_seats
from adsim.envs.features import FEATURES
from adsim.envs.following import follow
from adsim.errors import AdsimError, AgentError
from adsim.experiments.offline.trajectories import Trajectories, shortfalls
from adsim.kernels.settlement import SPEND, VALUE
from adsim.market.markets import Markets, make_events
from adsim.market.scenario import Scenario
from adsim.types import Floats

AGENTS = (
    "ecpc",
    "ecpc:factor=0.2",
    "ecpc:factor=0.4",
    "ecpc:factor=0.7",
    "ecpc:factor=1.5",
    "pid",
    "feedback",
    "feedback:step=0.05",
    "online_lp",
)
"""Who bids unless others are named, beside the scenario's own: target-CPA bidding, parts and multiples of it, a
controller of the budget, one of all constraints at two paces, and what AuctionNet calls OnlineLp. All decide once a
tick. Where everybody spends the budget, learners cannot tell a low bid from a cheap market: the parts spend less.
"""
EXPLORING = 0.5
"""Share of the campaigns whose multipliers wander; the others show the agents as they are."""
MEMORY = 0.9
"""Correlation of a wandering factor's logarithm from tick to tick: half of it is forgotten in six to seven."""
METRICS = ("score", "value", "spend", "violation", "budget_use", "clipped")


class Terms(NamedTuple):
    """How a collection came about, besides its scenario."""

    agents: list[str]
    """Who was dealt to the campaigns."""
    periods: int
    seed: int
    budgets: tuple[float, float]
    """Least and largest factor of a budget."""
    explore: float
    """Standard deviation of the logarithm of wandering factors."""
    span: float
    """Of the actions, see `adsim.envs.engine.Engine`."""


@dataclass(frozen=True)
class Collection:
    """What was recorded."""

    scenario: Scenario
    terms: Terms
    trajectories: Trajectories
    """One per period and campaign, in this order."""
    clipped: Floats
    """Share of the ticks in which no action could do what the agent wanted; (E,)."""

    @property
    def runs(self) -> pd.DataFrame:
        """A row per trajectory.

        agent, campaign, seed, score (the return), value, spend, violation (relative shortfall from the target ROI),
        budget_use (NaN without a budget), clipped.
        """
        found = self.trajectories
        value, spend = found.value.sum(axis=1), found.spend.sum(axis=1)
        return pd.DataFrame(
            {
                "agent": found.agent,
                "campaign": found.campaign,
                "seed": found.seed,
                "score": found.reward.sum(axis=1),
                "value": value,
                "spend": spend,
                "violation": shortfalls(found),
                "budget_use": np.where(np.isfinite(found.budget), spend / found.budget, np.nan),
                "clipped": self.clipped,
            }
        )

    @property
    def table(self) -> pd.DataFrame:
        """A row per agent: agent, trajectories, and the means of `METRICS` over them."""
        groups = self.runs.groupby("agent", sort=False)
        means = groups[list(METRICS)].mean()
        means.insert(0, "trajectories", groups.size())
        return means.reindex(self.terms.agents).dropna(subset="trajectories").reset_index()

    @property
    def origin(self) -> dict[str, Any]:
        """Its terms, ready for JSON."""
        return {**self.terms._asdict(), "budgets": list(self.terms.budgets)}

    def summary(self) -> dict[str, Any]:
        """Means by agent, ready for JSON: NaN is None."""
        rows = self.table.astype(object).where(self.table.notna(), None).to_dict("records")
        return {
            "scenario": self.scenario.name,
            **{name: term for name, term in self.origin.items() if name != "agents"},
            "trajectories": len(self.clipped),
            "agents": {row.pop("agent"): row for row in rows},
        }


def collect(
    scenario: Scenario,
    agents: Sequence[str] | None = None,
    *,
    periods: int,
    seed: int = 0,
    budgets: tuple[float, float] = (0.5, 1.5),
    explore: float = 0.3,
    span: float = SPAN,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Collection:
    """Let scripted agents bid for all campaigns of live markets, and record every campaign.

    In each period every campaign is dealt an agent, all about equally often, and its budget is multiplied by a factor
    drawn uniformly from ``budgets``. The multipliers of a random half of the campaigns wander: they are multiplied by
    a factor whose logarithm is a stationary autoregression of standard deviation ``explore``. Both are ours: learners
    need to see what other budgets, and other multipliers than the agents', bring.

    What is recorded are the observations, actions and rewards of `adsim/Bidding-v0`. Campaigns bid what its actions
    can make of what the agents want: multipliers stay within the span of the reference, and the level moves by 1 at
    most; how often that bit is told. The same actions in `adsim/Bidding-v0` therefore give the same trajectory.

    Seeds of markets are drawn between 2**40 and 2**62, so that seeds 0, 1, 2 and on are left for evaluation. What a
    period is depends on ``seed`` and its number alone, not on the threads or on how many periods there are.

    Parameters
    ----------
    scenario : Scenario
        Without stocks, which trajectories do not tell.
    agents : sequence of str, optional
        As ``name:key=value``, such as decide once a tick and fit all campaigns; unless given, those of `AGENTS` and
        of the scenario that do.
    periods : int
        How many, each a market with all its campaigns.
    seed : int
        From 0 to 2**32 - 1.
    budgets : pair of float
        Least and largest factor, above 0.
    explore : float
        0 to let all agents bid as they are.
    span : float
        Of the actions, see `adsim.envs.engine.Engine`.
    threads : int
        How many share the periods; results do not depend on it.
    progress : callable, optional
        Called with the numbers of periods recorded and to record.

    Raises
    ------
    AdsimError
        When a setting is impossible, the scenario has stocks, or an agent that was named does not fit.
    """
    _check(scenario, periods, seed, budgets, explore, span, threads)
    dealt = list(dict.fromkeys(agents)) if agents is not None else _fitting(scenario)
    if agents is not None:
        for agent in dealt:
            _try(scenario, agent)
    if not dealt:
        raise AdsimError("no agents: name one at least, such as pid.")
    terms = Terms(dealt, periods, seed, budgets, explore, span)
    parts = []
    with ThreadPoolExecutor(threads) as pool:
        for part in pool.map(lambda period: _record(scenario, terms, period), range(periods)):
            parts.append(part)
            if progress:
                progress(len(parts), periods)
    trajectories, clipped = zip(*parts, strict=True)
    columns = zip(*trajectories, strict=True)
    return Collection(scenario, terms, Trajectories(*map(np.concatenate, columns)), np.concatenate(clipped))


def _check(
    scenario: Scenario,
    periods: int,
    seed: int,
    budgets: tuple[float, float],
    explore: float,
    span: float,
    threads: int,
) -> None:
    """Refuse impossible settings."""
    for name, count in (("periods", periods), ("threads", threads)):
        if not (isinstance(count, int | np.integer) and count >= 1):
            raise AdsimError(f"{name} = {count!r}: must be a whole number, 1 or more.")
    if not 0 <= seed < 2**32:
        raise AdsimError(f"seed = {seed}: must be a whole number from 0 to 2**32 - 1.")
    if len(budgets) != 2 or not 0 < budgets[0] <= budgets[1] < np.inf:
        raise AdsimError(f"budgets = {budgets!r}: must be two factors above 0, the smaller one first, as 0.5,1.5.")
    if not 0 <= explore <= 3:
        raise AdsimError(f"explore = {explore!r}: must be a number from 0 to 3, such as 0.3.")
    if not 1 < span < 1e6:
        raise AdsimError(f"span = {span!r}: must be a number above 1, such as 10.")
    if any(table.has_stock for table in scenario.campaigns):
        raise AdsimError(f"scenario '{scenario.name}': campaigns have stocks, which trajectories do not tell.")


def _fitting(scenario: Scenario) -> list[str]:
    """The agents of `AGENTS` and of the scenario that can bid for all of its campaigns."""
    own = registry.load("mechanisms", scenario.auction.mechanism).default_agent
    named = [table.agent_of(member) for table in scenario.campaigns for member in range(table.count)]
    found = []
    for agent in dict.fromkeys([*AGENTS, *(own if agent == "auto" else agent for agent in named)]):
        try:
            _try(scenario, agent)
            found.append(agent)
        except AgentError:
            continue
    return found


def _try(scenario: Scenario, agent: str) -> None:
    """Refuse an agent whose trajectories have no action a tick, or that does not fit a campaign.

    Raises
    ------
    AgentError
        Saying why.
    """
    made: Agent = registry.create("agents", *registry.parse(agent))
    if made.privileged:
        raise AgentError(f"agent {agent} is shown the truth: name one that learners could be.")
    if isinstance(made, Rule) and made.every > 0:
        raise AgentError(f"agent {agent} decides between auctions: name one that decides once a tick, such as pid.")
    Markets(scenario, [0], agents=dict.fromkeys(range(scenario.size), agent)).open()


def _record(scenario: Scenario, terms: Terms, period: int) -> tuple[Trajectories, Floats]:
    """One period: its N trajectories, and the share of their ticks that were clipped, (N,)."""
    rng = np.random.default_rng([terms.seed, period])
    size, ticks = scenario.size, scenario.market.ticks
    seed = int(rng.integers(2**40, 2**62))
    dealt = deal(terms.agents, size, rng)
    factors = rng.uniform(*terms.budgets, size)
    shift = wander(terms.explore, (size, ticks), rng) / np.log(terms.span)
    everyone = range(size)
    markets = Markets(scenario, [seed], agents=dict(enumerate(dealt)), watched=everyone)
    markets.scale_budgets(factors[None])
    markets.open()
    seats = open_seats(markets, everyone, terms.span)
    unkept = make_events(0, len(scenario.auction.slot_exposure))
    clipped = np.zeros((1, size, ticks), np.bool_)
    observation = np.empty((size, ticks + 1, len(FEATURES)), np.float32)
    action, reward, value, spend = np.empty((4, size, ticks))
    observation[:, 0] = seats.observation[0]
    for tick in range(ticks):
        markets.run_tick(unkept, follow, seats, shift[None], clipped)
        observation[:, tick + 1] = seats.observation[0]
        action[:, tick], reward[:, tick] = seats.action[0], seats.reward[0]
        gains = markets.fleet.last[0]
        value[:, tick], spend[:, tick] = gains[:, VALUE], gains[:, SPEND]
    constraints = markets.campaigns.of(slice(0, size))
    found = Trajectories(
        observation=observation,
        action=action.astype(np.float32),
        reward=reward,
        value=value,
        spend=spend,
        budget=constraints.budget,
        target_roi=constraints.target_roi,
        value_per_conversion=constraints.value_per_conversion,
        campaign=np.arange(size),
        seed=np.full(size, seed, np.uint64),
        agent=np.array(dealt),
    )
    return found, clipped[0].mean(axis=1)


def deal(agents: Sequence[str], campaigns: int, rng: np.random.Generator) -> list[str]:
    """An agent for each campaign, all equally often but for the last round of the deal."""
    rounds = -(-campaigns // len(agents))
    order = np.concatenate([rng.permutation(len(agents)) for _ in range(rounds)])[:campaigns]
    return [agents[i] for i in order]


def wander(deviation: float, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Logarithms of factors, 0 for those who do not explore; (N, ticks).

    A stationary autoregression of order 1: ``x[t + 1] = MEMORY x[t] + sqrt(1 - MEMORY**2) deviation noise``.
    """
    steps = deviation * rng.standard_normal(shape)
    steps[:, 1:] *= np.sqrt(1 - MEMORY**2)
    for tick in range(1, shape[1]):
        steps[:, tick] += MEMORY * steps[:, tick - 1]
    return steps * (rng.random((shape[0], 1)) < EXPLORING)
