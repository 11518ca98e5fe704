"""PettingZoo's view of a market: campaigns that bid at once, each an agent that sees its own ledger."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pettingzoo import ParallelEnv  # type: ignore[import-untyped, unused-ignore]

from adsim.envs.bidding import spaces
from adsim.envs.engine import SPAN, Engine
from adsim.envs.features import NAMES
from adsim.envs.info import describe
from adsim.envs.seeding import Seeding
from adsim.errors import EnvError
from adsim.market.scenario import Scenario
from adsim.types import Floats

Observations = dict[str, NDArray[np.float32]]
Infos = dict[str, dict[str, Any]]
Step = tuple[Observations, dict[str, float], dict[str, bool], dict[str, bool], Infos]


class BiddingParallelEnv(ParallelEnv):  # type: ignore[misc, unused-ignore]
    """Campaigns of one market as agents; those that are not chosen play the scenario's agents.

    Each has the spaces, rewards and ``info`` of `adsim.envs.bidding.BiddingEnv`, and sees its own ledger alone. They
    are called as their campaigns. One whose money or stock is gone leaves (``terminated``) with the correction that
    makes its return its score; the others leave with the last tick.

    Parameters
    ----------
    scenario : str, Path or Scenario
        Name of a shipped scenario, a TOML file, or a scenario.
    campaigns : sequence of int or str, optional
        The agents, by index or name; all campaigns unless given.
    span : float
        Multipliers reach from ``reference / span`` to ``reference * span``.

    Raises
    ------
    EnvError
        For a scenario without such a campaign, and in `step` before `reset`, after the end, for an agent without an
        action or unknown, for an action of another shape or that is not a number.
    """

    metadata: ClassVar[dict[str, Any]] = {
        "name": "adsim_bidding_v0",
        "render_modes": [],
        "is_parallelizable": True,
    }

    def __init__(
        self,
        scenario: str | Path | Scenario = "target_cpa",
        campaigns: Sequence[int | str] | int | str | None = None,
        *,
        span: float = SPAN,
    ) -> None:
        chosen = [campaigns] if isinstance(campaigns, int | str) else campaigns
        self.engine = Engine(scenario, chosen, span=span)
        self.render_mode = None
        self.feature_names = NAMES
        self.possible_agents = list(self.engine.names)
        self._seat = {agent: w for w, agent in enumerate(self.possible_agents)}
        if len(self._seat) < len(self.possible_agents):
            raise EnvError(
                f"scenario '{self.engine.scenario.name}': two campaigns have one name; rename their table."
            )
        self.agents: list[str] = []
        each = {agent: spaces() for agent in self.possible_agents}
        self.observation_spaces = {agent: pair[0] for agent, pair in each.items()}
        self.action_spaces = {agent: pair[1] for agent, pair in each.items()}
        self._seeding, self._rng = Seeding(1), np.random.default_rng()

    def observation_space(self, agent: str) -> Any:
        """Of an agent, the same object each time."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Any:
        """Of an agent, the same object each time."""
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observations, Infos]:
        """Begin an episode, in the market of a seed or the one that follows; see `pettingzoo.ParallelEnv.reset`."""
        self.engine.reset(self._seeding.reset(seed, self._rng))
        self.agents = list(self.possible_agents)
        return self._observe(self.agents), self._inform(self.agents)

    def step(self, actions: Mapping[str, ArrayLike]) -> Step:
        """Play a tick; see `pettingzoo.ParallelEnv.step`.

        Parameters
        ----------
        actions : mapping
            From each of ``agents`` to an array (1,). Actions of agents that have left are ignored.
        """
        seats, playing = self.engine.seats, self.agents
        if not playing:
            raise EnvError("step after the end: all agents have left. Call reset().")
        self.engine.step([self._read(actions)])
        gone = {agent: self.engine.over or bool(seats.out[0, self._seat[agent]]) for agent in playing}
        rewards = {agent: float(seats.reward[0, self._seat[agent]]) for agent in playing}
        self.agents = [agent for agent in playing if not gone[agent]]
        return self._observe(playing), rewards, gone, dict.fromkeys(playing, False), self._inform(playing)

    def close(self) -> None:
        """Let go of what the environment holds."""
        self.engine.close()

    def _read(self, actions: Mapping[str, ArrayLike]) -> Floats:
        """Actions in the order of seats (W, 1); 0 for those that have left, whose bids no auction takes."""
        unknown = [agent for agent in actions if agent not in self._seat]
        if unknown:
            raise EnvError(f"agent {unknown[0]!r}: unknown. Known: {', '.join(self.possible_agents[:3])}, ...")
        wanted = np.zeros((len(self._seat), 1))
        for agent in self.agents:
            if agent not in actions:
                raise EnvError(f"agent '{agent}': has no action; give one for each of env.agents.")
            wanted[self._seat[agent]] = _number(agent, actions[agent])
        return wanted[:, 0]

    def _observe(self, agents: list[str]) -> Observations:
        seen = self.engine.seats.observation[0]
        return {agent: seen[self._seat[agent]].copy() for agent in agents}

    def _inform(self, agents: list[str]) -> Infos:
        fields = describe(self.engine)
        return {
            agent: {name: field[0, self._seat[agent]].item() for name, field in fields.items()} for agent in agents
        }


def _number(agent: str, action: ArrayLike) -> Floats:
    """An agent's action (1,), if it is one."""
    try:
        given = np.asarray(action, np.float64)
    except (TypeError, ValueError):
        raise EnvError(f"agent '{agent}': action {action!r} must be an array of one number.") from None
    if given.shape != (1,):
        raise EnvError(f"agent '{agent}': action of shape {given.shape} must have shape (1,).")
    if np.isnan(given).any():
        raise EnvError(f"agent '{agent}': action is NaN. Look for a diverged policy.")
    return given
