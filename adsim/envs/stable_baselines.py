"""What Stable-Baselines3 needs from us: a `VecEnv` around the engine, and a callback that calls two functions.

Importing this module needs the extra ``rl``.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

from adsim.envs.bidding import spaces
from adsim.envs.engine import SPAN, Engine
from adsim.envs.features import NAMES
from adsim.envs.seeding import Seeding
from adsim.errors import EnvError
from adsim.market.markets import Markets
from adsim.market.scenario import Scenario
from adsim.types import Constraints, Floats

REWARDS = ("normalised", "plain")
SCALING = 2**33 + np.arange(256)
"""Seeds of the markets by which rewards are scaled."""


class BiddingVecEnv(VecEnv):
    """Many `adsim.envs.bidding.BiddingEnv` for Stable-Baselines3; all episodes begin and end together.

    ``seed(s)`` lets environment i begin in the market of seed s + i (that of the first of its peers) at the next
    reset; later episodes go on to markets that follow from it. As SB3 wants it, an episode's last step is followed at
    once by the next one's first observation; the last lies in ``infos[i]["terminal_observation"]``, and
    ``infos[i]["episode"]`` holds the campaign's score, the number of ticks and the seconds since the environment was
    made.

    Parameters
    ----------
    num_envs : int
        How many.
    scenario, campaign, span, threads
        See `adsim.envs.vector.BiddingVectorEnv`.
    reward : {"normalised", "plain"}
        Normalised: divided by the campaign's mean `worth` over many markets, so that returns are of about 1 and their
        mean is still the mean score.
    peers : int
        So many environments next to each other play the same market, and the mean of their rewards in a tick is taken
        from each: a baseline that knows how rich the market is, where a value function would have to guess (Shao et
        al. 2024, arXiv 2402.03300, have it for whole answers of a language model). A market's luck cancels, and what
        exploration made of it stays.

    Raises
    ------
    EnvError
        When a setting is impossible, or the scenario has no such campaign.

    Examples
    --------
    >>> from stable_baselines3 import PPO
    >>> model = PPO("MlpPolicy", BiddingVecEnv(64, "target_cpa"), n_steps=48)
    """

    def __init__(
        self,
        num_envs: int = 64,
        scenario: str | Path | Scenario = "target_cpa",
        campaign: int | str = 0,
        *,
        span: float = SPAN,
        threads: int = 1,
        reward: str = "normalised",
        peers: int = 1,
    ) -> None:
        if not (isinstance(peers, int) and peers >= 1 and num_envs % peers == 0):
            raise EnvError(f"peers = {peers!r}: must be a whole number that divides the {num_envs} environments.")
        if reward not in REWARDS:
            raise EnvError(f"reward = {reward!r}: must be one of {', '.join(REWARDS)}.")
        self.engine = Engine(scenario, [campaign], markets=num_envs, span=span, threads=threads)
        self.reward, self.peers = reward, peers
        self._scale = mean_worth(self.engine) if reward == "normalised" else 1.0
        self.feature_names = NAMES
        self.render_mode = None
        self._seeding, self._rng = Seeding(num_envs // peers), np.random.default_rng()
        self._born = time.perf_counter()
        super().__init__(num_envs, *spaces())

    def reset(self) -> NDArray[np.float32]:
        """Begin an episode in all environments; observations (E, F)."""
        seeds = self._seeding.reset(self._seeds[:: self.peers], self._rng)
        self._reset_seeds()
        return self._begin(seeds)

    def step_async(self, actions: NDArray[Any]) -> None:
        """Take actions (E, 1)."""
        self._actions = actions

    def step_wait(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Play the tick: observations (E, F), rewards (E,), whether episodes ended (E,), infos."""
        self.engine.step(self._actions)
        seats, over = self.engine.seats, self.engine.over
        reward = self._relative(seats.reward[:, 0] / self._scale).astype(np.float32)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if over:
            infos = self._ends(seats.observation[:, 0].copy(), seats.score[:, 0])
            observation = self._begin(self._seeding.follow())
        else:
            observation = seats.observation[:, 0].copy()
        return observation, reward, np.full(self.num_envs, over), infos

    def _ends(self, observations: NDArray[np.float32], scores: Floats) -> list[dict[str, Any]]:
        age = time.perf_counter() - self._born
        return [
            {
                "terminal_observation": observation,
                "TimeLimit.truncated": False,
                "episode": {"r": float(score), "l": self.engine.ticks, "t": age},
            }
            for observation, score in zip(observations, scores, strict=True)
        ]

    def _begin(self, seeds: NDArray[np.uint64]) -> NDArray[np.float32]:
        self.engine.reset(np.repeat(seeds, self.peers))
        return self.engine.seats.observation[:, 0].copy()

    def _relative(self, reward: Floats) -> Floats:
        """Rewards less the mean of their peers', (E,)."""
        if self.peers == 1:
            return reward
        groups = reward.reshape(-1, self.peers)
        return np.asarray(groups - groups.mean(axis=1, keepdims=True)).ravel()

    def close(self) -> None:
        """Let the threads go."""
        self.engine.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute, once for each environment; see `VecEnv.get_attr`."""
        return [getattr(self, attr_name)] * self._count(indices)

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refused: the environments have no attributes of their own."""
        raise NotImplementedError("the environments are one: set the attribute on it.")

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """Refused: the environments have no methods of their own."""
        raise NotImplementedError("the environments are one: call its method.")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Never; see `VecEnv.env_is_wrapped`."""
        return [False] * self._count(indices)

    def _count(self, indices: int | Sequence[int] | None) -> int:
        return len(list(self._get_indices(indices)))


def mean_worth(engine: Engine) -> float:
    """Mean `worth` of the controlled campaign over the markets of `SCALING`."""
    own = engine.campaigns[0]
    markets = Markets(engine.scenario, SCALING, agents={own: None})
    return float(worth(markets.campaigns.of(slice(own, own + 1))).mean())


def worth(constraints: Constraints) -> Floats:
    """The value that a campaign's budget buys at its target ROI, or that its stock has if that is less.

    A target ROI of 1 is taken where there is none, and the value of a conversion where there is neither budget nor
    stock. Shapes as those of the constraints.
    """
    value = constraints.value_per_conversion
    target = np.where(constraints.target_roi > 0, constraints.target_roi, 1.0)
    most = np.minimum(constraints.budget * target, constraints.stock * value)
    return np.where(np.isfinite(most), most, value)


class Hooks(BaseCallback):
    """Calls a function after every step of all environments, and another before each rollout.

    Between the two lie the updates, so that ``before_rollout`` always finds a model at rest.

    Parameters
    ----------
    after_step : callable
        Called with the number of environment steps done.
    before_rollout : callable
        Called with the model.
    """

    def __init__(self, after_step: Callable[[int], None], before_rollout: Callable[[BaseAlgorithm], None]) -> None:
        super().__init__()
        self._after_step, self._before_rollout = after_step, before_rollout

    def _on_rollout_start(self) -> None:
        self._before_rollout(self.model)

    def _on_step(self) -> bool:
        self._after_step(self.num_timesteps)
        return True
