"""Engines of `adsim/Impression-v0`: what E bidders for single opportunities hold, on drawn markets or on a log."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim import registry
from adsim.envs import impression_offers as offers
from adsim.envs import impression_state as states
from adsim.envs.impression_features import features, spaces
from adsim.envs.impression_step import step_log, step_market
from adsim.envs.lockstep import Observations, check_time
from adsim.envs.tape import Tape
from adsim.errors import EnvError
from adsim.kernels.auction import UNCAPPED
from adsim.kernels.counter import fill_uniforms
from adsim.kernels.settlement import EXPOSURE
from adsim.kernels.traffic import DIMENSIONS
from adsim.market.click_traffic import ClickTraffic
from adsim.market.markets import Markets
from adsim.market.scenario import ContextualTraffic, Scenario, load_scenario
from adsim.market.supply import CHARGE_ON
from adsim.types import Floats, Totals

HIGHEST_QUANTILE = 0.999
"""Of posted prices: the highest price that can be bid, unless one is given."""
SHOWN = (*Totals._fields, "budget_left", "stock_left", "score", "cost", "offered_pctr", "offered_value")
"""What `info` shows of the state, row by row."""


class ImpressionEngine(ABC):
    """E bidders in step; see `adsim.envs.lockstep.Lockstep`.

    Parameters
    ----------
    size : int
        How many (E).
    terms : Terms
        What they have in common.
    """

    def __init__(self, size: int, terms: states.Terms) -> None:
        if not (isinstance(size, int | np.integer) and size >= 1):
            raise EnvError(f"num_envs = {size!r}: must be a whole number, 1 or more.")
        self.size, self.terms = int(size), terms
        self.lanes = min(states.LANES, self.size)
        self.feature_names = tuple(feature.name for feature in features(terms.has_context))
        self.spaces = spaces(terms.has_context)
        self.length = terms.opportunities
        """Opportunities of the running episodes."""
        self.time = -1
        """Of the opportunity on offer; -1 before the first reset."""
        self._lanes = states.Lanes(
            state=np.zeros((-(-self.size // self.lanes), states.ROWS, self.lanes)),
            price=np.zeros(self.size),
            gain=np.zeros((states.LEDGER + 1, self.lanes)),
            seen=np.zeros((states.CONTEXT, self.lanes), np.float32),
        )

    @property
    def over(self) -> bool:
        """Whether the episodes have ended."""
        return self.time >= self.length

    @property
    def max_price(self) -> float:
        """Highest price that can be bid, per exposure: the unit of actions."""
        return self.terms.highest

    def reset(self, seeds: NDArray[np.uint64], options: dict[str, Any]) -> Observations:
        """Begin episodes; observations before their first opportunities, (E, F)."""
        self.time = -1
        self._lanes.state[:], self._lanes.price[:] = 0, 0
        self._open(seeds, options)
        self.time = 0
        observation = self._blank()
        self._observe(observation)
        return observation

    def step(self, actions: ArrayLike) -> tuple[Observations, Floats]:
        """Bid E shares of `max_price` for the opportunities on offer.

        Shares are clipped to [0, 1], and those that were are counted.

        Returns
        -------
        observations : ndarray of float32, shape (E, F)
            Before the next opportunities; those of an episode that is over describe none.
        rewards : ndarray of float64, shape (E,)

        Raises
        ------
        EnvError
            Before the first reset, after the end of an episode, and for actions that are no numbers.
        """
        check_time(self.time >= 0, self.over, self.length, "opportunities")
        try:
            shares = np.asarray(actions, np.float64).reshape(self.size)
        except (TypeError, ValueError):
            raise EnvError(f"action {actions!r}: must be numbers from 0 to 1.") from None
        observation, reward = self._blank(), np.empty(self.size)
        if not self._play(shares, reward, observation):
            raise EnvError("action is NaN: must be a number from 0 to 1. Look for a diverged policy.")
        self.time += 1
        return observation, reward

    def info(self) -> dict[str, NDArray[Any]]:
        """By name, arrays (E,), see `adsim.envs.impression`."""
        shown = self._lanes.state[:, : states.SHOWABLE].swapaxes(0, 1).copy().reshape(states.SHOWABLE, -1)
        rows = dict(zip(SHOWN, shown[:, : self.size], strict=False))
        rows["price"] = self._lanes.price.copy()
        return {**rows, "clipped_actions": shown[states.CLIPPED, : self.size].astype(np.int64)}

    def _set(self, row: int, values: ArrayLike) -> None:
        """Fill a row of the state from (E,)."""
        padded = np.zeros((len(self._lanes.state), self.lanes))
        padded.ravel()[: self.size] = values
        self._lanes.state[:, row] = padded

    def _blank(self) -> Observations:
        return np.empty((self.size, len(self.feature_names)), np.float32)

    @abstractmethod
    def _open(self, seeds: NDArray[np.uint64], options: dict[str, Any]) -> None:
        """Begin episodes on a state of zeros."""

    @abstractmethod
    def _observe(self, observation: Observations) -> None:
        """Observe the first opportunities."""

    @abstractmethod
    def _play(self, shares: Floats, reward: Floats, observation: Observations) -> bool:
        """Sell the opportunities on offer and observe the next; False for a share that is no number."""


class MarketEngine(ImpressionEngine):
    """Bidders in markets of one campaign against posted competition.

    Parameters
    ----------
    scenario : str, Path or Scenario
        Name of a shipped scenario, a TOML file, or a scenario.
    size : int
        How many (E).
    max_price : float, optional
        Highest price that can be bid; that which beats 99.9 % of the competition in its dearest phase unless given,
        and twice the reserve at least.

    Raises
    ------
    EnvError
        When a setting is impossible, or the scenario is no market of one campaign against posted prices.
    """

    def __init__(self, scenario: str | Path | Scenario, size: int = 1, *, max_price: float | None = None) -> None:
        self.scenario = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
        super().__init__(size, _terms(self.scenario, max_price))
        shape = self._lanes.state.shape[0], offers.DEPTH
        self._markets = Markets(self.scenario, np.arange(self.size), agents={0: None})
        self._markets.open()
        auction, traffic = self.scenario.auction, self.scenario.traffic
        every_win_is_paid = auction.charge == "exposure" and auction.slot_exposure[0] == 1
        self._all_vary = not every_win_is_paid or traffic.experience is not None
        contextual = shape if self.terms.has_context else (0, 0)
        self._offers = offers.Offers(
            rows=np.ones((*shape, offers.OFFERS, self.lanes), np.float32),
            context=np.zeros((*contextual, self.lanes, DIMENSIONS), np.float32),
        )
        self._offers.rows[:, :, offers.OFFER_EXPERIENCE] = 0
        self._stage = np.ones((8, offers.OFFERS, offers.DEPTH), np.float32)

    def _open(self, seeds: NDArray[np.uint64], options: dict[str, Any]) -> None:
        if unknown := set(options) - {"reset_mask"}:
            raise EnvError(f"options {sorted(unknown)}: an episode is chosen by its seed alone, unless log is given.")
        self._markets.draw(seeds)
        self._markets.open()
        fleet = self._markets.fleet
        accounts, constraints = fleet.accounts, fleet.constraints
        for row, values in (
            (states.BUDGET, accounts.budget),
            (states.BUDGET_LEFT, accounts.budget),
            (states.STOCK, constraints.stock),
            (states.STOCK_LEFT, constraints.stock),
            (states.STOCK_UNIT, constraints.stock_unit),
            (states.TARGET, constraints.target_roi),
            (states.WORTH, constraints.value_per_conversion),
            (states.CAP, fleet.cap),
        ):
            self._set(row, values[:, 0])
        self._draw(0)

    def _draw(self, first: int) -> None:
        """Draw ahead from opportunity ``first`` on."""
        markets, width = self._markets, min(offers.DEPTH, self.length - first)
        offers.draw_offers(
            markets.terms, markets.fleet, markets.rooms[0], self._offers, self._stage, self._all_vary, first, width
        )

    def _observe(self, observation: Observations) -> None:
        states.observe_market(self.terms, self._lanes, self._offers, self.time, observation)

    def _play(self, shares: Floats, reward: Floats, observation: Observations) -> bool:
        fine: bool = step_market(self.terms, self._lanes, self._offers, shares, self.time, reward, observation)
        following = self.time + 1
        if fine and following % offers.DEPTH == 0 and following < self.length:
            self._draw(following)
            states.observe_market(self.terms, self._lanes, self._offers, following, observation)
        return fine


class LogEngine(ImpressionEngine):
    """Bidders on the episodes of a log.

    Parameters
    ----------
    tape : Tape
        The log, and its rules.
    size : int
        How many (E).
    """

    def __init__(self, tape: Tape, size: int = 1) -> None:
        self.tape = tape
        terms = states.Terms(
            opportunities=tape.episode,
            highest=float(tape.max_bid),
            whole_prices=True,
            scale=tape.history.average_value,
            exposure=1.0,
            reserve=np.float32(0),
            charge_on=EXPOSURE,
            pays_bid=False,
            maximizes_value=True,
            has_target=False,
            has_context=False,
        )
        super().__init__(size, terms)
        self.episode = np.zeros(self.size, np.int64)
        """Which each environment plays, numbered in the order of the log."""
        self._recorded = offers.Recorded(*tape.auctions, np.zeros(self.size, np.int64))

    def info(self) -> dict[str, NDArray[Any]]:
        """See `ImpressionEngine.info`; ``episode`` is which part of the log is played."""
        return {**super().info(), "episode": self.episode.copy()}

    def _open(self, seeds: NDArray[np.uint64], options: dict[str, Any]) -> None:
        self.episode[:] = self._choose(seeds, options)
        lengths = {self.tape.length(int(k)) for k in self.episode}
        if len(lengths) > 1:
            raise EnvError("options: the last episode of the log is shorter than the others: play it by itself.")
        self.length = lengths.pop()
        self._recorded.begin[:] = self.episode * self.tape.episode
        for row, value in (
            (states.BUDGET, float(self.tape.budget)),
            (states.BUDGET_LEFT, float(self.tape.budget)),
            (states.STOCK, np.inf),
            (states.STOCK_LEFT, np.inf),
            (states.WORTH, 1.0),
            (states.CAP, UNCAPPED),
        ):
            self._set(row, value)

    def _choose(self, seeds: NDArray[np.uint64], options: dict[str, Any]) -> NDArray[np.int64]:
        """Episodes by number where options name them, else by seed."""
        if unknown := set(options) - {"reset_mask", "episode"}:
            raise EnvError(f"options {sorted(unknown)}: known is 'episode', the number of the log's episode to play.")
        if "episode" not in options:
            fill_uniforms(seeds, 0, draws := np.empty((self.size, 1)))
            return (draws[:, 0] * self.tape.whole).astype(np.int64)
        wanted = np.asarray(options["episode"])
        fits = wanted.dtype.kind in "iu" and wanted.shape in ((), (self.size,))
        if not fits or np.any((wanted < 0) | (wanted >= self.tape.episodes)):
            raise EnvError(
                f"options: episode = {options['episode']!r}: the log has {self.tape.episodes}, numbered from 0."
            )
        return np.broadcast_to(wanted, (self.size,))

    def _observe(self, observation: Observations) -> None:
        states.observe_log(self.terms, self._lanes, self._recorded, self.time, False, observation)

    def _play(self, shares: Floats, reward: Floats, observation: Observations) -> bool:
        last = self.time + 1 == self.length
        fine: bool = step_log(self.terms, self._lanes, self._recorded, shares, self.time, last, reward, observation)
        return fine


def _terms(scenario: Scenario, max_price: float | None) -> states.Terms:
    """What a scenario's markets have in common.

    Raises
    ------
    EnvError
        Where they are no markets of one campaign against posted prices.
    """
    auction, competition = scenario.auction, scenario.competition
    mechanism = registry.load("mechanisms", auction.mechanism)
    alone = scenario.size == 1 and competition is not None and len(auction.slot_exposure) == 1
    if not alone or competition is None:
        raise EnvError(
            f"scenario '{scenario.name}': opportunities are bid for one by one where one campaign meets posted "
            "prices. Use adsim/Bidding-v0, or give the scenario one campaign, one slot and [competition]."
        )
    unscored = auction.beta == 0 and scenario.campaigns[0].quality.range() == (1.0, 1.0)
    if not (unscored and (mechanism.pays_next_score or auction.mechanism == "first_price")):
        raise EnvError(
            f"scenario '{scenario.name}': the winner must be the highest bid, and pay it or the next one. "
            "Use adsim/Bidding-v0, or second_price, gsp, vcg or first_price without quality and beta."
        )
    if isinstance(scenario.traffic, ClickTraffic):
        raise EnvError(
            f"scenario '{scenario.name}': a click world is laid out a tick at a time. Use adsim/Bidding-v0, or "
            "contextual or independent traffic."
        )
    if max_price is None:
        quantile = competition.price.sample(np.array([HIGHEST_QUANTILE]), np.zeros(1, np.int64))[0]
        dearest = max(scenario.phases.price or (1.0,)) if scenario.phases else 1.0
        max_price = max(float(quantile) * dearest, 2 * auction.reserve)
    if not 0 < max_price < UNCAPPED:
        raise EnvError(f"max_price = {max_price!r}: must be a positive price per exposure.")
    campaign, expected = scenario.campaigns[0], scenario.market.outcomes == "expected"
    highest = float(np.float32(max_price))
    return states.Terms(
        opportunities=scenario.market.opportunities,
        highest=highest,
        whole_prices=False,
        scale=highest,
        exposure=auction.slot_exposure[0] if expected else 1.0,
        reserve=np.float32(auction.reserve),
        charge_on=CHARGE_ON[auction.charge],
        pays_bid=not mechanism.pays_next_score,
        maximizes_value=campaign.objective == "value",
        has_target=campaign.target_roi is not None or campaign.target_cpa is not None,
        has_context=isinstance(scenario.traffic, ContextualTraffic),
    )
