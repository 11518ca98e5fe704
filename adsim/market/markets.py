"""Markets of one scenario side by side, a seed each, played tick by tick in one compiled call."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim import registry
from adsim.agents.base import Agent
from adsim.agents.dispatch import Groups
from adsim.agents.rule import MEMORY, PARAMETERS, Rule
from adsim.agents.table_bidder import TableBidder
from adsim.errors import AgentError, ScenarioError
from adsim.kernels.auction import UNCAPPED
from adsim.kernels.auction import Rule as AuctionRule
from adsim.kernels.clearing import make_ranking, make_rule
from adsim.kernels.counter import fill_streams
from adsim.kernels.landscape import BINS, COLUMNS
from adsim.kernels.settlement import EXHAUSTED, Accounts, Events
from adsim.market.campaigns import Campaigns, Group, make_campaigns
from adsim.market.catalogue import CatalogueTraffic
from adsim.market.click_traffic import ClickTraffic
from adsim.market.curve import draw_bounds, traffic_share
from adsim.market.feature_supply import FeatureSupply, nothing_laid
from adsim.market.fleet import Fleet, Room, Terms, compile_for, lay_out, play_all
from adsim.market.scenario import Scenario
from adsim.market.supply import Seeds, draw_traits, make_tiles, make_world
from adsim.market.table_pricing import Seat, make_pricers, renew
from adsim.market.world import Stream
from adsim.mechanisms.dispatch import NUMBERS
from adsim.types import Constraints, Floats, Observation, PublicFacts, Totals

FIELDS = len(Totals._fields)
LEAST_BID = 1e-37
"""What a bid must reach where campaigns sit out: theirs are 0, and 0 would win at reserve 0. Normal in float32."""


class Speaker(NamedTuple):
    """An agent that answers in Python, for the campaigns of one group in all markets."""

    group: Group
    agent: Agent


class Markets:
    """E markets of one scenario.

    All are at the same tick. What happens in one does not depend on the others, nor on the number of threads.

    Parameters
    ----------
    scenario : Scenario
        Of all markets.
    seeds : sequence of int
        One for each market, from 0 to 2**63 - 1.
    agents : mapping, optional
        Agents of single campaigns, by index, in place of the scenario's; None for a campaign whose multiplier is set
        from outside, in ``fleet.multiplier``, before every tick.
    watched : sequence of int
        Campaigns for which ``fleet.offered`` is kept.
    window : int
        The most auctions that are cleared at once; changes the speed only.
    threads : int
        How many share the markets.

    Raises
    ------
    ScenarioError
        When a seed is none, or the drawn campaigns are impossible.
    """

    def __init__(
        self,
        scenario: Scenario,
        seeds: Sequence[int] | NDArray[np.integer],
        *,
        agents: Mapping[int, str | None] | None = None,
        watched: Sequence[int] = (),
        window: int = 512,
        threads: int = 1,
    ) -> None:
        if window < 1:
            raise ScenarioError(f"window = {window!r}: must be a whole number of at least 1.")
        self.scenario, self._agents = scenario, dict(agents or {})
        self._watched = np.array(watched, np.int64)
        self._plugin = registry.load("mechanisms", scenario.auction.mechanism)
        self.traffic_share = traffic_share(scenario)
        self.draw(seeds)
        self.terms = self._make_terms(window)
        self.rooms = [self._make_room() for _ in range(threads)]
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._cuts = np.linspace(0, self.seeds.size, threads + 1).astype(int).tolist()
        self._wrong = np.full(self.seeds.size, -1)

    def open(self) -> None:
        """Begin the period: empty ledgers, full budgets, agents without a past.

        Raises
        ------
        AgentError
            When an agent lacks what it needs.
        """
        self._speakers = self._make_agents()
        if self.features:
            self.features.open()
        self.fleet = self._make_fleet()
        self.tick = 0

    def draw(self, seeds: Sequence[int] | NDArray[np.integer]) -> None:
        """Draw other markets, as many, from other seeds; `open` follows."""
        self.seeds = check_seeds(seeds)
        streams = Seeds(self.seeds)
        traits = draw_traits(self.scenario, streams)
        self.campaigns: Campaigns = make_campaigns(self.scenario, streams, traits, self._agents)
        self.features = self._make_features()
        laid = self.features.laid if self.features else nothing_laid(len(streams))
        self.bounds = draw_bounds(self.scenario, streams)
        self.world = make_world(self.scenario, streams, traits, laid, self.bounds)
        self._quality = traits.quality.astype(np.float32)
        self._keys = streams.streams(Stream.SCAN, 4)

    def _make_features(self) -> FeatureSupply | None:
        """Worlds with features, and who learns from them."""
        traffic = self.scenario.traffic
        return FeatureSupply(self.scenario, traffic, self.seeds) if isinstance(traffic, ClickTraffic) else None

    def _make_terms(self, window: int) -> Terms:
        scenario, share = self.scenario, self.traffic_share
        compiled = self._compiled()
        groups = self._rule_groups(compiled)
        self._priced = [
            Seat(n, agent.values, agent.sees_value)
            for members, agent in compiled
            if isinstance(agent, TableBidder)
            for n in range(members.start, members.stop)
        ]
        listening = [members for members, agent in compiled if agent.landscape]
        return Terms(
            mechanism=NUMBERS.get(scenario.auction.mechanism, -1),
            negative_bids=self._plugin.bids_may_be_negative,
            window=window,
            varied_quality=any(table.quality.range() != (1.0, 1.0) for table in scenario.campaigns),
            share_of_rest=share / np.cumsum(share[::-1])[::-1],
            rule=self._make_rule(),
            groups=groups,
            every=int(np.gcd.reduce(groups.every)) if groups.every.size else 0,
            listeners=np.array([n for members in listening for n in range(members.start, members.stop)], np.int64),
        )

    def _make_rule(self) -> AuctionRule:
        auction = self.scenario.auction
        plain = (
            auction.beta == 0
            and auction.charge == "exposure"
            and not self._plugin.scored
            and not self.scenario.predictor.learns
            and all(table.quality.range() == (1.0, 1.0) for table in self.scenario.campaigns)
        )
        exposure = np.asarray(auction.slot_exposure)
        reserve = max(auction.reserve, LEAST_BID if _some_sit_out(self.scenario) else 0.0)
        return make_rule(
            exposure,
            reserve,
            auction.beta,
            plain=plain,
            ad_share=auction.ad_share,
            sell_at_reserve=auction.sell_at_reserve,
            dtype=np.float32,
        )

    def _facts(self) -> PublicFacts:
        mechanism, plugin = self.scenario.auction.mechanism, self._plugin
        opportunities = self.scenario.market.opportunities
        return PublicFacts(mechanism, plugin.bids_may_be_negative, self.traffic_share.copy(), opportunities, None)

    def _make_room(self) -> Room:
        tiles = make_tiles(self.world)
        rows, width = tiles.truth.ctr.shape
        return Room(*tiles, make_ranking(self.terms.rule.slots, rows, width, np.float32))

    def _compiled(self) -> list[tuple[slice, Rule]]:
        """The campaigns whose agents are compiled rules, and these."""
        agents = [(group, _make(group.agent)) for group in self.campaigns.groups if group.agent is not None]
        return [(group.members, agent) for group, agent in agents if _is_compiled(agent)]

    def _rule_groups(self, compiled: list[tuple[slice, Rule]]) -> Groups:
        facts = self._facts()
        parameters = [agent.parameters(facts) for _, agent in compiled]
        return Groups(
            start=np.array([members.start for members, _ in compiled], np.int64),
            stop=np.array([members.stop for members, _ in compiled], np.int64),
            number=np.array([agent.number for _, agent in compiled], np.int64),
            every=np.array([agent.every for _, agent in compiled], np.int64),
            parameters=np.array(parameters, np.float64).reshape(len(compiled), PARAMETERS),
        )

    def _make_agents(self) -> list[Speaker]:
        """Reset the agents that answer in Python; check that all have what they need."""
        speakers = []
        for group in self.campaigns.groups:
            if group.agent is None:
                continue
            agent = _make(group.agent)
            constraints, facts = self.campaigns.of(group.members), self._facts()
            try:
                if _is_compiled(agent):
                    agent.check(constraints, facts)
                else:
                    agent.reset(constraints, facts)
                    speakers.append(Speaker(group, agent))
            except AgentError as error:
                raise AgentError(f"campaign '{self.campaigns.names[group.members.start]}': {error}") from None
        return speakers

    @property
    def privileged(self) -> list[Agent]:
        """The agents that are to be shown the truth."""
        return [speaker.agent for speaker in self._speakers if speaker.agent.privileged]

    def _make_fleet(self) -> Fleet:
        size, count = self.seeds.size, self.scenario.size
        budget, target = self.campaigns.constraints.budget, self.campaigns.constraints.target_roi
        posted = (size, int(self.world.has_posted))
        cap = np.full((size, count + posted[1]), UNCAPPED, np.float32)
        cap[:, :count] = np.minimum(budget * (1 - EXHAUSTED), UNCAPPED)
        liquid_rate = np.where(target > 0, 1 / np.where(target > 0, target, 1), 0.0)
        return Fleet(
            world=self.world,
            bounds=self.bounds,
            accounts=self._open_accounts(liquid_rate),
            constraints=Constraints._make(map(np.ascontiguousarray, self.campaigns.constraints)),
            quality=self._quality,
            liquid_rate=np.hstack([liquid_rate, np.ones(posted)]).astype(np.float32),
            cap=cap,
            multiplier=np.zeros((size, count)),
            memory=np.zeros((size, count, MEMORY)),
            key=self._stream_keys(3),
            landscape=np.zeros((size, count if self.terms.listeners.size else 0, BINS, COLUMNS)),
            pricers=make_pricers(self._priced, size),
            last=np.zeros((size, count, FIELDS)),
            latest=np.zeros((size, count, FIELDS)),
            booked=np.zeros((size, count, FIELDS)),
            score_to_beat=np.full((size, count), np.nan),
            offered=np.zeros((size, count)),
            watched=self._watched,
        )

    def _open_accounts(self, liquid_rate: Floats) -> Accounts:
        """Empty ledgers and full budgets."""
        scenario, constraints = self.scenario, self.campaigns.constraints
        size, count = constraints.budget.shape
        return Accounts(
            ledger=np.zeros((size, count, FIELDS)),
            budget=constraints.budget.copy(),
            budget_left=constraints.budget.copy(),
            stock_left=constraints.stock.copy(),
            stock_unit=constraints.stock_unit.copy(),
            to_beat=np.zeros((size, count + 1)),
            liquid_rate=liquid_rate,
            click_key=self._stream_keys(1),
            conversion_key=self._stream_keys(2),
            scan_key=np.ascontiguousarray(self._keys[:, :1]),
            exposure=np.array(scenario.auction.slot_exposure),
            charge_on=self.world.charge_on,
            expected=scenario.market.outcomes == "expected",
            pays_liquid_value=self._plugin.pays_liquid_value,
            shown=self.features.shown if self.features else np.zeros((size, 0, 1), np.int32),
        )

    def _stream_keys(self, column: int) -> NDArray[np.uint64]:
        """Keys of one stream for each campaign; (E, N)."""
        keys = np.empty((self.seeds.size, self.scenario.size), np.uint64)
        fill_streams(np.ascontiguousarray(self._keys[:, column]), 0, keys)
        return keys

    def scale_budgets(self, factors: Floats) -> None:
        """Multiply the drawn budgets, all by factors (E, N) above 0; `open` follows."""
        budget = self.campaigns.constraints.budget
        budget *= factors

    def laid_ranges(self) -> Iterator[tuple[int, int]]:
        """Parts of the period, first and last opportunity of each, whose traffic can be drawn when it is yielded."""
        opportunities = self.scenario.market.opportunities
        width = self.features.width if self.features else opportunities
        for first in range(0, opportunities, width):
            last = min(first + width, opportunities)
            if self.features:
                self.features.lay(first, last)
            yield first, last

    def close(self) -> None:
        """Let the threads go."""
        if self._pool is not None:
            self._pool.shutdown()

    def lay_out(self, e: int, room: Room | None = None) -> Room:
        """A room prepared for the traffic of market ``e``: that of the calling thread, the first unless given."""
        room = self.rooms[0] if room is None else room
        lay_out(self.terms, self.fleet, room, e)
        return room

    def _ask(self) -> None:
        """Let the agents that answer in Python set their multipliers for the coming tick."""
        for group, agent in self._speakers:
            answer = self._answer(agent.act(self._observe(group.members)), group)
            self.fleet.multiplier[:, group.members] = answer.reshape(self.seeds.size, -1)

    def run_tick(self, events: Events, kernel: Any = play_all, *outputs: Any) -> None:
        """Play one tick of all markets.

        Parameters
        ----------
        events : Events
            A record to write to, or one without rows.
        kernel : callable
            What plays the markets ``start`` to ``stop``: ``kernel(terms, fleet, room, events, tick, wrong, *outputs,
            start, stop)``, around `adsim.market.fleet.play`.
        outputs
            Further arrays that the kernel fills.

        Raises
        ------
        AgentError
            When an agent set a multiplier that no auction can clear.
        """
        if self.tick >= self.traffic_share.size:
            raise ScenarioError("the period is over: open or draw begins another.")
        self._ask()
        if self.features:
            self.features.lay(*self.fleet.bounds[0, self.tick : self.tick + 2].tolist())
        if self._priced:
            left = (self.bounds[:, -1] - self.bounds[:, self.tick]).tolist()
            renew(self.fleet.pricers, self._priced, self.fleet.accounts.budget_left, left)
        wrong, cuts = self._wrong, self._cuts
        compiled = compile_for(self.scenario.auction.mechanism, kernel)

        def work(i: int) -> None:
            room = self.rooms[i]
            compiled(self.terms, self.fleet, room, events, self.tick, wrong, *outputs, cuts[i], cuts[i + 1])

        if self._pool is None:
            work(0)
        else:
            list(self._pool.map(work, range(len(self.rooms))))
        if wrong.max() >= 0:
            self._complain(wrong)
        if self.features and self.features.learning:
            worth = self.fleet.multiplier * self.world.value * self._quality
            self.features.learn(self.tick, worth)
        self.tick += 1

    def _complain(self, wrong: NDArray[np.int64]) -> None:
        """Name the campaign whose multiplier could not be cleared."""
        e = int(np.argmax(wrong >= 0))
        name, value = self.campaigns.names[wrong[e]], self.fleet.multiplier[e, wrong[e]]
        raise AgentError(f"campaign '{name}', tick {self.tick}: multiplier {value} must be finite and at least 0.")

    def _observe(self, members: slice) -> Observation:
        """Copies of a group's own totals, so that nothing an agent does reaches the ledger."""
        fleet, accounts = self.fleet, self.fleet.accounts
        last, total = (
            Totals(*table[:, members].reshape(-1, FIELDS).T.copy()) for table in (fleet.last, accounts.ledger)
        )
        return Observation(
            self.tick,
            last,
            total,
            fleet.score_to_beat[:, members].flatten(),
            accounts.budget_left[:, members].flatten(),
            accounts.stock_left[:, members].flatten(),
        )

    def _answer(self, multipliers: Any, group: Group) -> Floats:
        """What an agent answered, if it is one number for each of its campaigns."""
        size = (group.members.stop - group.members.start) * self.seeds.size
        try:
            answer = np.asarray(multipliers, np.float64)
        except (TypeError, ValueError):
            answer = np.empty(0)
        if answer.shape != (size,):
            name = self.campaigns.names[group.members.start]
            raise AgentError(f"campaign '{name}': agent {group.agent} must answer with an array of shape ({size},).")
        return answer


def _some_sit_out(scenario: Scenario) -> bool:
    """Whether campaigns do not compete for some opportunities, which are worth nothing to them."""
    traffic = scenario.traffic
    if isinstance(traffic, CatalogueTraffic):
        return traffic.seats(scenario.size) < scenario.size
    return isinstance(traffic, ClickTraffic) and traffic.cold > 0


def _is_compiled(agent: Agent) -> TypeGuard[Rule]:
    """Whether the compiled rule is all there is to an agent: somebody's subclass may answer otherwise."""
    return isinstance(agent, Rule) and type(agent).act is Rule.act


def _make(agent: str) -> Agent:
    made: Agent = registry.create("agents", *registry.parse(agent))
    return made


def make_events(opportunities: int, slots: int) -> Events:
    """Room for a record of every slot of a period."""
    shape = opportunities, slots
    return Events(np.full(shape, -1, np.int32), *(np.zeros(shape) for _ in Events._fields[1:]))


def check_seeds(seeds: ArrayLike) -> NDArray[np.uint64]:
    """Seeds as an array, (E,).

    Raises
    ------
    ScenarioError
        Unless all are whole numbers from 0 to 2**63 - 1.
    """
    found = np.atleast_1d(np.asarray(seeds))
    wrong = found if found.dtype.kind not in "iu" else found[(found < 0) | (found >= 2**63)]
    if wrong.size:
        raise ScenarioError(f"seed = {wrong.tolist()[0]!r}: must be a whole number from 0 to 2**63 - 1.")
    return found.astype(np.uint64)
