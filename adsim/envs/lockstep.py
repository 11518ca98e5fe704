"""Gymnasium's two interfaces to environments whose episodes begin and end together.

What is in step plays all of them at once; the single environment is the one of what plays one, so that both give the
same numbers.
"""

from typing import Any, Protocol

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from adsim.envs.seeding import Seeding
from adsim.errors import EnvError
from adsim.types import Floats

Observations = NDArray[np.float32]
Space = gymnasium.spaces.Space[Observations]
BEFORE_RESET = "step before reset: call reset() first, which begins an episode."
Step = tuple[Observations, Floats, NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class Lockstep(Protocol):
    """E environments in step."""

    @property
    def over(self) -> bool:
        """Whether the episodes have ended."""

    def reset(self, seeds: NDArray[np.uint64], options: dict[str, Any]) -> Observations:
        """Begin episodes; observations (E, F) that nothing changes afterwards."""

    def step(self, actions: ArrayLike) -> tuple[Observations, Floats]:
        """Take actions (E, 1): observations (E, F) and rewards (E,), that nothing changes afterwards."""

    def info(self) -> dict[str, NDArray[Any]]:
        """Arrays (E,) by name."""


def check_time(begun: bool, over: bool, length: int, steps: str) -> None:
    """Complain of a step that is not due.

    Raises
    ------
    EnvError
        Before the first reset, and after the end of an episode.
    """
    if not begun:
        raise EnvError(BEFORE_RESET)
    if over:
        raise EnvError(f"step after the end: the episode's {length} {steps} are over. Call reset().")


class LockstepEnv(gymnasium.Env[Observations, Observations]):
    """One environment.

    Parameters
    ----------
    lockstep : Lockstep
        What plays one (E = 1).
    spaces : tuple of gymnasium.spaces.Space
        Of observations and actions.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - as gymnasium has it

    def __init__(self, lockstep: Lockstep, spaces: tuple[Space, Space]) -> None:
        self.observation_space, self.action_space = spaces
        self._lockstep, self._seeding = lockstep, Seeding(1)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin an episode; see `gymnasium.Env.reset`."""
        super().reset(seed=seed)
        observation = self._lockstep.reset(self._seeding.reset(seed, self.np_random), options or {})
        return observation[0], self._info()

    def step(self, action: Observations) -> tuple[Observations, float, bool, bool, dict[str, Any]]:
        """Play a step; see `gymnasium.Env.step`."""
        if np.shape(action) != (1,):
            raise EnvError(f"action of shape {np.shape(action)}: must have shape (1,).")
        observation, reward = self._lockstep.step([action])
        return observation[0], float(reward[0]), self._lockstep.over, False, self._info()

    def _info(self) -> dict[str, Any]:
        return {name: field.item() for name, field in self._lockstep.info().items()}


class LockstepVectorEnv(gymnasium.vector.VectorEnv[Observations, Observations, NDArray[Any]]):
    """Many environments.

    Parameters
    ----------
    lockstep : Lockstep
        What plays them.
    num_envs : int
        How many (E).
    spaces : tuple of gymnasium.spaces.Space
        Of observations and actions of one environment.
    autoreset_mode : gymnasium.vector.AutoresetMode or str
        NextStep, SameStep or Disabled, by Gymnasium's rules.

    Raises
    ------
    EnvError
        For a partial ``reset_mask``, since all episodes end together, and for seeds that are not one for each.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012 - as gymnasium has it

    def __init__(
        self,
        lockstep: Lockstep,
        num_envs: int,
        spaces: tuple[Space, Space],
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ) -> None:
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.num_envs = num_envs
        self.single_observation_space, self.single_action_space = spaces
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._lockstep, self._seeding = lockstep, Seeding(num_envs)
        self._masks: tuple[str, ...] = ()

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin an episode in all environments; see `VectorEnv.reset`.

        That of environment i is the first of seed + i, or of its own seed; without one, the next of its sequence.
        """
        options = options or {}
        if not np.all(options.get("reset_mask", True)):
            raise EnvError("reset_mask: all episodes end together here, so reset all environments at once.")
        super().reset(seed=seed if isinstance(seed, int) else None)
        return self._lockstep.reset(self._seeding.reset(seed, self.np_random), options), self._info()

    def step(self, actions: Observations) -> Step:
        """Play a step in all environments; see `VectorEnv.step`."""
        running = np.zeros(self.num_envs, np.bool_)
        if self._lockstep.over and self.autoreset_mode is AutoresetMode.NEXT_STEP:
            return self._follow(), np.zeros(self.num_envs), running, running.copy(), self._info()
        if np.shape(actions) != (self.num_envs, 1):
            raise EnvError(f"actions of shape {np.shape(actions)}: must have shape {(self.num_envs, 1)}.")
        observation, reward = self._lockstep.step(actions)
        over, info = self._lockstep.over, self._info()
        if over and self.autoreset_mode is AutoresetMode.SAME_STEP:
            rows, masks = np.empty(self.num_envs, object), np.ones(self.num_envs, np.bool_)
            rows[:] = list(observation)
            final = {"final_obs": rows, "final_info": info, "_final_obs": masks, "_final_info": masks}
            observation = self._follow()
            info = {**self._info(), **final}
        return observation, reward, np.full(self.num_envs, over), running, info

    def _follow(self) -> Observations:
        """Begin the next episodes."""
        return self._lockstep.reset(self._seeding.follow(), {})

    def _info(self) -> dict[str, Any]:
        info = self._lockstep.info()
        self._masks = self._masks or tuple(f"_{name}" for name in info)
        return {**info, **dict.fromkeys(self._masks, np.ones(self.num_envs, np.bool_))}
