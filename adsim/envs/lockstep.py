"""Gymnasium's two interfaces to environments whose episodes begin and end together.

An engine plays all of them at once; the single environment is the one of an engine that plays one, so that both give
the same numbers.
"""

from typing import Any, Protocol

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from adsim.envs.engine import episode_seeds
from adsim.errors import EnvError
from adsim.types import Floats

Observations = NDArray[np.float32]
Space = gymnasium.spaces.Space[Observations]
Step = tuple[Observations, Floats, NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class Engine(Protocol):
    """E environments in step."""

    @property
    def over(self) -> bool:
        """Whether the episodes have ended."""

    def reset(self, seeds: NDArray[np.uint64], options: dict[str, Any]) -> Observations:
        """Begin episodes; observations (E, F) that nothing changes afterwards."""

    def step(self, actions: ArrayLike) -> tuple[Observations, Floats]:
        """Observations (E, F) and rewards (E,) of a step, that nothing changes afterwards."""

    def info(self) -> dict[str, NDArray[Any]]:
        """Arrays (E,) by name."""


class Seeding:
    """Which episodes E environments play: seeds of the first, from which those of later ones follow."""

    def __init__(self) -> None:
        self.first: NDArray[np.uint64] | None = None
        self.episode = 0

    def begin(self, first: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Seeds of a first episode."""
        self.first, self.episode = first, 0
        return first

    def follow(self) -> NDArray[np.uint64]:
        """Seeds of the next one."""
        assert self.first is not None
        self.episode += 1
        return episode_seeds(self.first, self.episode)


class LockstepEnv(gymnasium.Env[Observations, Observations]):
    """One environment, of an engine that plays one; ``spaces`` of observations and actions."""

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - as gymnasium has it
    engine: Engine

    def __init__(self, spaces: tuple[Space, Space]) -> None:
        self.observation_space, self.action_space = spaces
        self._seeding = Seeding()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin an episode; see `gymnasium.Env.reset`."""
        super().reset(seed=seed)
        if seed is not None or self._seeding.first is None:
            first = self.np_random.integers(2**63) if seed is None else seed
            seeds = self._seeding.begin(np.array([first], np.uint64))
        else:
            seeds = self._seeding.follow()
        return self.engine.reset(seeds, options or {})[0], self._info()

    def step(self, action: Observations) -> tuple[Observations, float, bool, bool, dict[str, Any]]:
        """Play a step; see `gymnasium.Env.step`."""
        if np.shape(action) != (1,):
            raise EnvError(f"action of shape {np.shape(action)}: must have shape (1,).")
        observation, reward = self.engine.step(action)
        return observation[0], float(reward[0]), self.engine.over, False, self._info()

    def _info(self) -> dict[str, Any]:
        return {name: field.item() for name, field in self.engine.info().items()}


class LockstepVectorEnv(gymnasium.vector.VectorEnv[Observations, Observations, NDArray[Any]]):
    """All environments of an engine.

    Parameters
    ----------
    num_envs : int
        How many.
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
    engine: Engine

    def __init__(
        self,
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
        self._seeding = Seeding()
        self._present: dict[str, NDArray[np.bool_]] = {}

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin an episode in all environments, that of environment i with seed + i; see `VectorEnv.reset`."""
        options = options or {}
        if not np.all(options.get("reset_mask", True)):
            raise EnvError("reset_mask: all episodes end together here, so reset all environments at once.")
        super().reset(seed=seed if isinstance(seed, int) else None)
        fresh = seed is not None or self._seeding.first is None
        seeds = self._seeding.begin(self._first_seeds(seed)) if fresh else self._seeding.follow()
        return self.engine.reset(seeds, options), self._info()

    def step(self, actions: Observations) -> Step:
        """Play a step in all environments; see `VectorEnv.step`."""
        running = np.zeros(self.num_envs, np.bool_)
        if self.autoreset_mode is AutoresetMode.NEXT_STEP and self._seeding.first is not None and self.engine.over:
            observation = self.engine.reset(self._seeding.follow(), {})
            return observation, np.zeros(self.num_envs), running, running.copy(), self._info()
        if np.shape(actions) != (self.num_envs, 1):
            raise EnvError(f"actions of shape {np.shape(actions)}: must have shape {(self.num_envs, 1)}.")
        observation, reward = self.engine.step(actions)
        over, info = self.engine.over, self._info()
        if over and self.autoreset_mode is AutoresetMode.SAME_STEP:
            final, masks = {"final_obs": observation, "final_info": info}, np.ones(self.num_envs, np.bool_)
            observation = self.engine.reset(self._seeding.follow(), {})
            info = {**self._info(), **final, "_final_obs": masks, "_final_info": masks}
        return observation, reward, np.full(self.num_envs, over), running, info

    def _first_seeds(self, seed: int | list[int | None] | None) -> NDArray[np.uint64]:
        if seed is None:
            return self.np_random.integers(2**63, size=self.num_envs, dtype=np.uint64)
        if isinstance(seed, int):
            return np.uint64(seed) + np.arange(self.num_envs, dtype=np.uint64)
        if len(seed) != self.num_envs:
            raise EnvError(f"{len(seed)} seeds for {self.num_envs} environments: give one each.")
        return np.array([self.np_random.integers(2**63) if s is None else s for s in seed], np.uint64)

    def _info(self) -> dict[str, Any]:
        info = self.engine.info()
        if not self._present:
            self._present = {f"_{name}": np.ones(self.num_envs, np.bool_) for name in info}
        return {**info, **self._present}
