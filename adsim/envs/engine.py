"""Episodes of several markets in which some campaigns are controlled from outside: what all environments rest on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim.envs.features import FEATURES, make_past
from adsim.envs.lockstep import BEFORE_RESET, check_time
from adsim.envs.stepping import Seats, observe_all, step
from adsim.errors import EnvError
from adsim.market.campaigns import campaign_names
from adsim.market.markets import Markets, make_events
from adsim.market.scenario import Scenario, load_scenario, read_scenario
from adsim.types import Floats, Totals

SPAN = 10.0
"""Largest factor between a multiplier and the reference, and between two ticks."""


class Engine:
    """E markets in step, and W controlled campaigns in each; the others play their scenario's agents.

    An episode is the scenario's period, a step a tick. An action in [-1, 1] moves a campaign's log-multiplier: the
    multiplier of the last tick, at first the reference, is multiplied by ``span**action`` and kept between
    ``reference / span`` and ``reference * span``. The reference is 1 / target ROI, or 1 without a target.

    Parameters
    ----------
    scenario : str, Path, mapping or Scenario
        Name of a shipped scenario, a TOML file, its tables, or a scenario.
    campaigns : sequence of int or str, optional
        Which to control, by index or name; all unless given.
    markets : int
        How many (E).
    span : float
        Above 1.
    threads : int
        How many share the markets; results do not depend on it.

    Raises
    ------
    EnvError
        When a setting is impossible, or the scenario has no such campaign.
    """

    def __init__(
        self,
        scenario: str | Path | Mapping[str, Any] | Scenario,
        campaigns: Sequence[int | str] | None = None,
        *,
        markets: int = 1,
        span: float = SPAN,
        threads: int = 1,
    ) -> None:
        for name, count in (("num_envs", markets), ("threads", threads)):
            if not (isinstance(count, int | np.integer) and count >= 1):
                raise EnvError(f"{name} = {count!r}: must be a whole number, 1 or more.")
        if not 1 < span < 1e6:
            raise EnvError(f"span = {span!r}: must be a number above 1, such as 10.")
        self.scenario = find_scenario(scenario)
        self.campaigns = find_campaigns(self.scenario, campaigns)
        names = campaign_names(self.scenario)
        self.names = [names[n] for n in self.campaigns]
        self.ticks = self.scenario.market.ticks
        self.span = float(span)
        self.markets = Markets(
            self.scenario,
            np.arange(markets),
            agents=dict.fromkeys(self.campaigns),
            watched=self.campaigns,
            threads=min(threads, markets),
        )
        self.shape = markets, len(self.campaigns)
        self._events = make_events(0, len(self.scenario.auction.slot_exposure))
        self._seats: Seats | None = None

    @property
    def seats(self) -> Seats:
        """What the controlled campaigns see, get and remember.

        Raises
        ------
        EnvError
            Before the first reset.
        """
        if self._seats is None:
            raise EnvError(BEFORE_RESET)
        return self._seats

    @property
    def over(self) -> bool:
        """Whether the episode has ended."""
        return self._seats is not None and self.markets.tick >= self.ticks

    def reset(self, seeds: NDArray[np.uint64]) -> None:
        """Begin an episode in the markets of these seeds, (E,)."""
        self.markets.draw(seeds)
        self.markets.open()
        self.clipped = np.zeros(self.shape, np.int64)
        """Actions of this episode that lay beyond [-1, 1]; (E, W)."""
        self._seats = open_seats(self.markets, self.campaigns, self.span)

    def step(self, actions: ArrayLike) -> None:
        """Play a tick; actions of shape (E, W) are clipped to [-1, 1] and those that were are counted.

        Raises
        ------
        EnvError
            Before the first reset, after the end of an episode, for actions of another shape or that are no numbers.
        """
        check_time(self._seats is not None, self.over, self.ticks, "ticks")
        self._set(self.seats.action, actions)
        self.markets.run_tick(self._events, step, self.seats)

    def _set(self, action: Floats, wanted: ArrayLike) -> None:
        try:
            given = np.asarray(wanted, np.float64)
        except (TypeError, ValueError):
            raise EnvError(f"action {wanted!r}: must be numbers from -1 to 1.") from None
        if given.shape != self.shape:
            raise EnvError(f"action of shape {given.shape}: must have shape {self.shape}, (markets, campaigns).")
        if np.isnan(given).any():
            raise EnvError("action is NaN: must be a number from -1 to 1. Look for a diverged policy.")
        np.minimum(np.maximum(given, -1.0), 1.0, out=action)
        self.clipped += action != given

    def totals(self) -> Totals:
        """The ledgers of the controlled campaigns so far; arrays (E, W)."""
        return Totals(*self.markets.fleet.accounts.ledger[:, self.campaigns].transpose(2, 0, 1))

    def close(self) -> None:
        """Let the threads go."""
        self.markets.close()


def find_scenario(scenario: str | Path | Mapping[str, Any] | Scenario) -> Scenario:
    """A scenario by name, path or tables, see `adsim.market.scenario`.

    Raises
    ------
    ScenarioError
        When it cannot be read.
    """
    if isinstance(scenario, Scenario):
        return scenario
    if isinstance(scenario, Mapping):
        return read_scenario(scenario, "scenario")
    return load_scenario(scenario)


def open_seats(markets: Markets, campaigns: Sequence[int], span: float) -> Seats:
    """Seats for some campaigns of markets that have just opened, which see what comes before the first tick."""
    shape = markets.seeds.size, len(campaigns)
    target = markets.campaigns.constraints.target_roi[:, campaigns]
    zeros = np.zeros((5, *shape))
    seats = Seats(
        campaign=np.array(campaigns, np.int64),
        reference=np.where(target > 0, 1 / np.where(target > 0, target, 1), 1.0),
        log_span=float(np.log(span)),
        action=zeros[0],
        level=zeros[1],
        past=make_past(*shape),
        observation=np.zeros((*shape, len(FEATURES)), np.float32),
        reward=zeros[2],
        cost=zeros[3],
        score=zeros[4],
        out=np.zeros(shape, np.bool_),
    )
    observe_all(markets.terms, markets.fleet, 0, seats)
    return seats


def find_campaigns(scenario: Scenario, wanted: Sequence[int | str] | None) -> list[int]:
    """Indices of campaigns given by index or name; all unless given.

    Raises
    ------
    EnvError
        When the scenario has no such campaign.
    """
    names = campaign_names(scenario)
    if wanted is None:
        return list(range(len(names)))
    found = []
    for each in wanted:
        if isinstance(each, str) and each in names:
            found.append(names.index(each))
        elif isinstance(each, int | np.integer) and not isinstance(each, bool) and 0 <= each < len(names):
            found.append(int(each))
        else:
            raise EnvError(
                f"campaign {each!r}: scenario '{scenario.name}' has {len(names)}, numbered from 0; the names begin "
                f"with {', '.join(names[:3])}."
            )
    if len(set(found)) < len(found) or not found:
        raise EnvError(f"campaigns {list(wanted)!r}: name one at least, and each once.")
    return found
