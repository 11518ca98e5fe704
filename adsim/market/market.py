"""The marketplace: one period of a scenario, tick by tick."""

from collections.abc import Callable
from typing import Any

import numpy as np

from adsim import registry
from adsim.agents.base import Agent
from adsim.errors import AgentError, ScenarioError
from adsim.kernels.auction import UNCAPPED, Ranking, Rule
from adsim.kernels.clearing import make_ranking, make_rule
from adsim.kernels.counter import stream
from adsim.kernels.settlement import EXHAUSTED, Accounts, Events
from adsim.market.campaigns import Campaigns, Group, make_campaigns
from adsim.market.curve import tick_bounds, traffic_share
from adsim.market.loop import compile_for, reveal_tick
from adsim.market.result import Result
from adsim.market.scenario import Scenario
from adsim.market.supply import Seeds, Tiles, draw_traits, make_tiles, make_world
from adsim.market.world import Stream
from adsim.mechanisms.dispatch import NUMBERS
from adsim.types import Floats, Hindsight, Observation, PublicFacts, Totals

LARGEST = 1e20
"""Multipliers stay below, so that bids are finite in float32."""
FIELDS = len(Totals._fields)


class Market:
    """A market drawn from a scenario and a seed.

    Parameters
    ----------
    scenario : Scenario
        From `adsim.load_scenario`.
    seed : int
        At least 0. One seed gives the same bits whatever the number of threads or processes, and the same users,
        clicks and prices whatever the mechanism and the agents.
    window : int
        The most auctions that are cleared at once; changes the speed only, 1 being the plain sequential market.

    Raises
    ------
    ScenarioError
        When the drawn campaigns are impossible.
    AgentError
        When an agent lacks what it needs.
    """

    def __init__(self, scenario: Scenario, seed: int = 0, *, window: int = 512) -> None:
        if not (isinstance(seed, int | np.integer) and 0 <= seed < 2**63):
            raise ScenarioError(f"seed = {seed!r}: must be a whole number of at least 0.")
        if window < 1:
            raise ScenarioError(f"window = {window!r}: must be a whole number of at least 1.")
        self.scenario, self.seed, self._window = scenario, int(seed), window
        seeds = Seeds(self.seed)
        traits = draw_traits(scenario, seeds)
        self.campaigns: Campaigns = make_campaigns(scenario, seeds, traits)
        target = self.campaigns.constraints.target_roi
        self._liquid_rate = np.where(target > 0, 1 / np.where(target > 0, target, 1), 0.0)
        self._world = make_world(scenario, seeds, traits)
        self._tiles: Tiles = make_tiles(scenario, self._world, traits, self._liquid_rate)
        self._keys = [seeds.stream(n) for n in (Stream.SCAN, Stream.CLICKS, Stream.CONVERSIONS)]
        self.traffic_share = traffic_share(scenario)
        self._bounds = tick_bounds(self.traffic_share, scenario.market.opportunities)
        self._rule = self._make_rule()
        rows, width = self._tiles.truth.ctr.shape
        self._ranking: Ranking = make_ranking(self._rule.slots, rows, width, np.float32)

    def run(
        self,
        *,
        multipliers: Floats | None = None,
        events: bool = False,
        progress: Callable[[], None] | None = None,
    ) -> Result:
        """Run one period.

        Parameters
        ----------
        multipliers : array (ticks, N), optional
            Bid with these in place of the agents' own: what a campaign would have got with other bids, say.
        events : bool
            Keep a record of every slot sold; 44 bytes a slot.
        progress : callable
            Called after every tick.

        Returns
        -------
        Result

        Raises
        ------
        AgentError
            When a campaign lacks what its agent needs, or an agent sets a multiplier that no auction can clear.
        """
        scenario = self.scenario
        size, ticks = scenario.size, scenario.market.ticks
        agents = self._make_agents() if multipliers is None else []
        accounts = self._open_accounts()
        record = self._make_record(scenario.market.opportunities if events else 0)
        history = np.zeros((ticks + 1, size, FIELDS))
        to_beat = np.full((ticks + 1, size), np.nan)
        bids = np.zeros((ticks, size)) if multipliers is None else np.array(multipliers, np.float64)
        if bids.shape != (ticks, size):
            raise AgentError(f"multipliers have shape {bids.shape}: must be {(ticks, size)}, (ticks, campaigns).")
        for tick in range(ticks):
            for group, agent in zip(self.campaigns.groups, agents, strict=False):
                seen = self._observe(tick, group.members, history, to_beat[tick], accounts)
                bids[tick, group.members] = self._answer(agent.act(seen), group)
            self._check(bids[tick], tick)
            self._run_tick(tick, bids[tick], accounts, record)
            history[tick + 1] = accounts.ledger
            to_beat[tick + 1] = self._score_to_beat(tick, accounts)
            if progress:
                progress()
        kept = record if events else None
        return Result(scenario, self.campaigns, self.traffic_share, accounts, history, bids, to_beat[1:], kept)

    def _run_tick(self, tick: int, multipliers: Floats, accounts: Accounts, record: Events) -> None:
        mechanism = self.scenario.auction.mechanism
        truth, scratch, candidates = self._tiles
        candidates.multiplier[: multipliers.size] = multipliers
        compile_for(mechanism)(
            NUMBERS.get(mechanism, -1),
            self._world,
            truth,
            scratch,
            candidates,
            self._rule,
            self._ranking,
            accounts,
            record,
            self._bounds[tick],
            self._bounds[tick + 1],
            self._window,
        )

    def _make_rule(self) -> Rule:
        scenario, auction = self.scenario, self.scenario.auction
        mechanism = registry.load("mechanisms", auction.mechanism)
        plain = (
            auction.beta == 0
            and auction.charge == "exposure"
            and not mechanism.scored
            and all(table.quality.range() == (1.0, 1.0) for table in scenario.campaigns)
        )
        exposure = np.asarray(auction.slot_exposure)
        return make_rule(
            exposure, auction.reserve, auction.beta, plain=plain, ad_share=auction.ad_share, dtype=np.float32
        )

    def _make_agents(self) -> list[Agent]:
        """Construct each group's agent and reset it with its campaigns."""
        agents = []
        mechanism = self.scenario.auction.mechanism
        negative = registry.load("mechanisms", mechanism).bids_may_be_negative
        for group in self.campaigns.groups:
            facts = PublicFacts(mechanism, negative, self.traffic_share.copy(), None)
            agent: Agent = registry.create("agents", *registry.parse(group.agent))
            try:
                agent.reset(self.campaigns.of(group.members), facts)
            except AgentError as error:
                raise AgentError(f"campaign '{self.campaigns.names[group.members.start]}': {error}") from None
            if agent.privileged:
                agent.reveal(self.hindsight())
            agents.append(agent)
        return agents

    def _open_accounts(self) -> Accounts:
        """An empty ledger and full budgets."""
        constraints, candidates = self.campaigns.constraints, self._tiles.candidates
        size = constraints.budget.size
        index = np.arange(size)
        candidates.multiplier[:] = 1
        candidates.cap[:] = UNCAPPED
        candidates.cap[:size] = np.minimum(constraints.budget * (1 - EXHAUSTED), UNCAPPED)
        scan, clicks, conversions = self._keys
        return Accounts(
            ledger=np.zeros((size, FIELDS)),
            budget=constraints.budget.copy(),
            budget_left=constraints.budget.copy(),
            stock_left=constraints.stock.copy(),
            to_beat=np.zeros(size + 1),
            liquid_rate=self._liquid_rate,
            click_key=_entity_keys(clicks, index),
            conversion_key=_entity_keys(conversions, index),
            scan_key=np.array([scan]),
            exposure=np.array(self.scenario.auction.slot_exposure),
            charge_on=self._world.charge_on,
            expected=self.scenario.market.outcomes == "expected",
            pays_liquid_value=registry.load("mechanisms", self.scenario.auction.mechanism).pays_liquid_value,
        )

    def _make_record(self, opportunities: int) -> Events:
        shape = opportunities, self._rule.slots
        return Events(np.full(shape, -1, np.int32), *(np.zeros(shape) for _ in Events._fields[1:]))

    def _score_to_beat(self, tick: int, accounts: Accounts) -> Floats:
        """Mean score to beat of each campaign over a tick, (N,); the sums begin anew."""
        opportunities = self._bounds[tick + 1] - self._bounds[tick]
        total = accounts.to_beat[:-1] + accounts.to_beat[-1]
        accounts.to_beat[:] = 0
        return total / opportunities if opportunities else np.full(total.size, np.nan)

    def _observe(
        self, tick: int, members: slice, history: Floats, to_beat: Floats, accounts: Accounts
    ) -> Observation:
        """Copies of a group's own totals, so that nothing an agent does reaches the ledger."""
        total = history[tick, members]
        last = total - history[max(tick - 1, 0), members]
        return Observation(
            tick,
            Totals(*last.T.copy()),
            Totals(*total.T.copy()),
            to_beat[members].copy(),
            accounts.budget_left[members].copy(),
            accounts.stock_left[members].copy(),
        )

    def _answer(self, multipliers: Any, group: Group) -> Floats:
        """What an agent answered, if it is one number for each of its campaigns."""
        size = group.members.stop - group.members.start
        try:
            answer = np.asarray(multipliers, np.float64)
        except (TypeError, ValueError):
            answer = np.empty(0)
        if answer.shape != (size,):
            name = self.campaigns.names[group.members.start]
            raise AgentError(f"campaign '{name}': agent {group.agent} must answer with an array of shape ({size},).")
        return answer

    def _check(self, multipliers: Floats, tick: int) -> None:
        """Refuse multipliers that no auction can clear, naming the campaign and its agent."""
        negative = registry.load("mechanisms", self.scenario.auction.mechanism).bids_may_be_negative
        wrong = np.flatnonzero(~((np.abs(multipliers) < LARGEST) & (negative | (multipliers >= 0))))
        if wrong.size:
            name, value = self.campaigns.names[wrong[0]], multipliers[wrong[0]]
            raise AgentError(f"campaign '{name}', tick {tick}: multiplier {value} must be finite and at least 0.")

    def hindsight(self) -> Hindsight:
        """The whole period's truth for one campaign against posted prices."""
        scenario = self.scenario
        mechanism = registry.load("mechanisms", scenario.auction.mechanism)
        alone = scenario.size == 1 and self._world.has_posted and self._rule.slots == 1
        unscored = scenario.auction.beta == 0 and scenario.campaigns[0].quality.range() == (1.0, 1.0)
        if not (alone and unscored and mechanism.pays_next_score):
            raise AgentError(
                "the truth is shown in markets with one campaign, posted competition and one slot under second "
                "price, without quality or experience in the score."
            )
        opportunities = scenario.market.opportunities
        arrays = [np.empty(opportunities) for _ in Hindsight._fields]
        world, (truth, scratch, candidates) = self._world, self._tiles
        reveal_tick(world, truth, scratch, candidates, *arrays, 0, opportunities)
        predicted, value, price, events = arrays
        seen = float(scenario.auction.slot_exposure[0])
        price = np.maximum(price, self._rule.reserve)
        return Hindsight(predicted, value * seen, price, price * events * seen)


def _entity_keys(key: np.uint64, index: Any) -> Any:
    """The sub-stream of each campaign."""
    return np.array([stream(key, int(n)) for n in index], np.uint64)
