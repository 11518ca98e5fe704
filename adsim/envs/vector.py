"""The native vector environment: all environments step in one compiled call."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from adsim.envs.bidding import spaces
from adsim.envs.engine import SPAN, Engine, episode_seeds
from adsim.envs.features import NAMES
from adsim.envs.info import describe
from adsim.errors import EnvError
from adsim.market.markets import check_seeds
from adsim.market.scenario import Scenario

Step = tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class BiddingVectorEnv(gymnasium.vector.VectorEnv[NDArray[np.float32], NDArray[np.float32], NDArray[Any]]):
    """Many `BiddingEnv`, with the same numbers for the same seeds; all episodes begin and end together.

    Parameters
    ----------
    num_envs : int
        How many.
    scenario, campaign, span
        See `adsim.envs.bidding.BiddingEnv`.
    threads : int
        How many share the environments; results do not depend on it.
    autoreset_mode : gymnasium.vector.AutoresetMode or str
        NextStep, SameStep or Disabled, by Gymnasium's rules.

    Raises
    ------
    EnvError
        As `BiddingEnv`; also for a partial ``reset_mask``, since all episodes end together.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012 - as gymnasium has it

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Path | Scenario = "target_cpa",
        campaign: int | str = 0,
        *,
        span: float = SPAN,
        threads: int = 1,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ) -> None:
        self.engine = Engine(scenario, [campaign], markets=num_envs, span=span, threads=threads)
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.num_envs = num_envs
        self.feature_names = NAMES
        self.single_observation_space, self.single_action_space = spaces()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._first: NDArray[np.uint64] | None = None
        self._episode = 0

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode in all environments, that of environment i with seed + i; see `VectorEnv.reset`."""
        mask = (options or {}).get("reset_mask")
        if mask is not None and not np.all(mask):
            raise EnvError("reset_mask: all episodes end together here, so reset all environments at once.")
        super().reset(seed=seed if isinstance(seed, int) else None)
        if seed is not None or self._first is None:
            self._first, self._episode = self._first_seeds(seed), 0
        else:
            self._episode += 1
        self._begin()
        return self.engine.seats.observation[:, 0].copy(), self._info()

    def step(self, actions: NDArray[np.float32]) -> Step:
        """Play a tick in all environments; see `VectorEnv.step`."""
        if self.autoreset_mode is AutoresetMode.NEXT_STEP and self.engine.over:
            return self._restart()
        if np.shape(actions) != (self.num_envs, 1):
            raise EnvError(f"actions of shape {np.shape(actions)}: must have shape {(self.num_envs, 1)}.")
        self.engine.step(actions)
        seats, over = self.engine.seats, self.engine.over
        observation, reward, info = seats.observation[:, 0].copy(), seats.reward[:, 0].copy(), self._info()
        if over and self.autoreset_mode is AutoresetMode.SAME_STEP:
            rows, masks = np.empty(self.num_envs, object), np.ones(self.num_envs, np.bool_)
            for i in range(self.num_envs):
                rows[i] = observation[i]
            final = {"final_obs": rows, "final_info": info}
            self._episode += 1
            self._begin()
            observation = self.engine.seats.observation[:, 0].copy()
            info = {**self._info(), **final, "_final_obs": masks, "_final_info": masks}
        return observation, reward, np.full(self.num_envs, over), np.zeros(self.num_envs, np.bool_), info

    def close_extras(self, **kwargs: Any) -> None:
        """Let the threads go."""
        self.engine.close()

    def _restart(self) -> Step:
        """What NextStep gives in place of a step once the episodes are over: the next ones' first observations."""
        self._episode += 1
        self._begin()
        done = np.zeros((2, self.num_envs), np.bool_)
        return self.engine.seats.observation[:, 0].copy(), np.zeros(self.num_envs), done[0], done[1], self._info()

    def _begin(self) -> None:
        assert self._first is not None
        self.engine.reset(episode_seeds(self._first, self._episode))

    def _first_seeds(self, seed: int | list[int | None] | None) -> NDArray[np.uint64]:
        if seed is None:
            return self.np_random.integers(2**63, size=self.num_envs, dtype=np.uint64)
        if isinstance(seed, int):
            return check_seeds([seed + i for i in range(self.num_envs)])
        if len(seed) != self.num_envs:
            raise EnvError(f"{len(seed)} seeds for {self.num_envs} environments: give one each.")
        return check_seeds([int(self.np_random.integers(2**63)) if s is None else s for s in seed])

    def _info(self) -> dict[str, Any]:
        info = {name: field[:, 0] for name, field in describe(self.engine).items()}
        present = np.ones(self.num_envs, np.bool_)
        return info | {f"_{name}": present for name in info}
