"""Wrappers for the vector environment of `adsim/Bidding-v0`: those of `adsim.envs.wrappers`, for many at once."""

from typing import Any

import numpy as np
from gymnasium.spaces import Discrete
from gymnasium.vector import VectorActionWrapper, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from adsim.envs.lockstep import Step
from adsim.envs.wrappers import (
    LEVELS,
    Singles,
    check_budget,
    engine_of,
    make_grid,
    multipliers,
    penalize,
    pick,
    to_action,
    worth_of_budget,
)

Vector = VectorEnv[Singles, Any, NDArray[Any]]


class PenaltyReward(VectorWrapper[Singles, Any, Singles, Any, NDArray[Any]]):
    """See `adsim.envs.wrappers.PenaltyReward`; also for gymnasium's own vector environments.

    Parameters
    ----------
    env : gymnasium.vector.VectorEnv
    weight : float or array (num_envs,)
        An attribute.
    """

    def __init__(self, env: Vector, weight: ArrayLike) -> None:
        super().__init__(env)
        self.weight = weight

    def step(self, actions: Any) -> Step:
        """Play a tick; see `VectorEnv.step`."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        return observation, penalize(reward, costs(info), np.asarray(self.weight)), terminated, truncated, info


class BudgetNormalizedReward(VectorWrapper[Singles, Any, Singles, Any, NDArray[Any]]):
    """See `adsim.envs.wrappers.BudgetNormalizedReward`.

    Parameters
    ----------
    env : gymnasium.vector.VectorEnv
        adsim's.

    Raises
    ------
    EnvError
        For a campaign without a budget, or another vector environment.
    """

    def __init__(self, env: Vector) -> None:
        super().__init__(env)
        self._engine = engine_of(env)
        check_budget(self._engine)

    def step(self, actions: Any) -> Step:
        """Play a tick; see `VectorEnv.step`."""
        worth = worth_of_budget(self._engine)  # before the step, which may go on to the next episode's campaigns
        observation, reward, terminated, truncated, info = self.env.step(actions)
        return observation, reward / worth, terminated, truncated, info


class DiscreteActions(VectorActionWrapper[Singles, Any, Any, NDArray[Any]]):
    """See `adsim.envs.wrappers.DiscreteActions`.

    Parameters
    ----------
    env : gymnasium.vector.VectorEnv
    levels : int
        Of each environment.

    Raises
    ------
    EnvError
        As there.
    """

    def __init__(self, env: Vector, levels: int = LEVELS) -> None:
        super().__init__(env)
        self._grid = make_grid(levels)
        self.single_action_space = Discrete(levels)
        self.action_space = batch_space(self.single_action_space, env.num_envs)

    def actions(self, actions: Any) -> Singles:
        """The actions of levels, (num_envs, 1)."""
        return pick(self._grid, actions, (self.num_envs,))


class AbsoluteMultiplier(VectorActionWrapper[Singles, Any, Any, NDArray[Any]]):
    """See `adsim.envs.wrappers.AbsoluteMultiplier`.

    Parameters
    ----------
    env : gymnasium.vector.VectorEnv
        adsim's.
    high : float
        Upper end of the action space.

    Raises
    ------
    EnvError
        As there; also for another vector environment.
    """

    def __init__(self, env: Vector, high: float) -> None:
        super().__init__(env)
        self._engine = engine_of(env)
        self.single_action_space = multipliers(high)
        self.action_space = batch_space(self.single_action_space, env.num_envs)

    def actions(self, actions: Any) -> Singles:
        """The actions that lead to multipliers, (num_envs, 1)."""
        seats = self._engine.seats
        return to_action(actions, seats.reference, seats.level, self._engine.span)


def costs(info: dict[str, Any]) -> NDArray[Any]:
    """Costs that belong to a step's rewards: where SameStep has begun an episode, those of the one before."""
    cost: NDArray[Any] = info["cost"]
    if "final_info" in info:
        cost = np.where(info["_final_info"], info["final_info"]["cost"], cost)
    return cost
