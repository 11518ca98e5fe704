"""Wrappers for `adsim/Bidding-v0`: penalised and scaled rewards, discrete actions, multipliers as actions.

`adsim.envs.vector_wrappers` has the same for the vector environment.

>>> import adsim, gymnasium
>>> from adsim.envs.wrappers import DiscreteActions
>>> DiscreteActions(gymnasium.make("adsim/Bidding-v0"), levels=5).action_space
Discrete(5)
"""

from typing import Any, SupportsFloat

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import ArrayLike, NDArray

from adsim.envs.engine import Engine
from adsim.errors import EnvError
from adsim.types import Floats

Singles = NDArray[np.float32]
LEVELS = 21
"""Of `DiscreteActions`; odd, so that one keeps the multiplier."""


class PenaltyReward(gymnasium.Wrapper[Singles, Any, Singles, Any], RecordConstructorArgs):
    """Lagrangian reward: ``reward - weight * info["cost"]``.

    The cost comes with the last reward of a campaign, see `adsim.envs.info`.

    Parameters
    ----------
    env : gymnasium.Env
    weight : float
        Price of a violation of 1 (a target ROI missed by 100%), in units of the reward. An attribute: a trainer
        raises it while constraints are broken.
    """

    def __init__(self, env: gymnasium.Env[Singles, Any], weight: float) -> None:
        RecordConstructorArgs.__init__(self, weight=weight)
        gymnasium.Wrapper.__init__(self, env)
        self.weight = weight

    def step(self, action: Any) -> tuple[Singles, SupportsFloat, bool, bool, dict[str, Any]]:
        """Play a tick; see `gymnasium.Env.step`."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, penalize(float(reward), info["cost"], self.weight), terminated, truncated, info


class BudgetNormalizedReward(gymnasium.RewardWrapper[Singles, Any], RecordConstructorArgs):
    """Reward in units of what the budget buys at the target ROI: ``reward / (budget * target ROI)``.

    Without a target, ``reward / budget``. The return of a campaign that spends its budget at its target is then 1,
    whatever the sizes of campaigns.

    Parameters
    ----------
    env : gymnasium.Env

    Raises
    ------
    EnvError
        For a campaign without a budget.
    """

    def __init__(self, env: gymnasium.Env[Singles, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        gymnasium.RewardWrapper.__init__(self, env)
        self._engine = engine_of(env)
        check_budget(self._engine)

    def reward(self, reward: SupportsFloat) -> float:
        """Scale a reward of the present episode."""
        return float(reward) / worth_of_budget(self._engine).item()


class DiscreteActions(gymnasium.ActionWrapper[Singles, Any, Any], RecordConstructorArgs):
    """Actions from 0 to ``levels - 1``, equally spaced on [-1, 1].

    Parameters
    ----------
    env : gymnasium.Env
    levels : int
        2 or more; with an odd number, the middle one keeps the multiplier.

    Raises
    ------
    EnvError
        For fewer levels, and in `step` for an action that is none of them.
    """

    def __init__(self, env: gymnasium.Env[Singles, Any], levels: int = LEVELS) -> None:
        RecordConstructorArgs.__init__(self, levels=levels)
        gymnasium.ActionWrapper.__init__(self, env)
        self._grid = make_grid(levels)
        self.action_space = Discrete(levels)

    def action(self, action: Any) -> Singles:
        """The action of a level, (1,)."""
        return pick(self._grid, action, ())


class AbsoluteMultiplier(gymnasium.ActionWrapper[Singles, Any, Any], RecordConstructorArgs):
    """The action is the multiplier itself, in place of its change: an array (1,) from 0 to ``high``.

    Multipliers beyond the environment's range, ``reference / span`` to ``reference * span``,
    become its ends, and a change by more than a factor of span takes two ticks (and is counted in
    ``info["clipped_actions"]``). Make the environment with a larger span for a wider range.

    Parameters
    ----------
    env : gymnasium.Env
    high : float
        Upper end of the action space.

    Raises
    ------
    EnvError
        Unless ``high`` is positive and finite, and in `step` for an action of another shape or that is not a number.
    """

    def __init__(self, env: gymnasium.Env[Singles, Any], high: float) -> None:
        RecordConstructorArgs.__init__(self, high=high)
        gymnasium.ActionWrapper.__init__(self, env)
        self._engine = engine_of(env)
        self.action_space = multipliers(high)

    def action(self, action: Any) -> Singles:
        """The action that leads to a multiplier, (1,)."""
        seats = self._engine.seats
        return to_action(action, seats.reference[0], seats.level[0], self._engine.span)


def engine_of(env: Any) -> Engine:
    """What an environment of adsim rests on.

    Raises
    ------
    EnvError
        For another environment.
    """
    engine = getattr(env.unwrapped, "engine", None)
    if not isinstance(engine, Engine):
        raise EnvError(
            f"{env.unwrapped}: must be adsim's. Wrap the environments inside gymnasium's vector environments "
            "by adsim.envs.wrappers, and adsim's own vector environment by adsim.envs.vector_wrappers."
        )
    return engine


def penalize(reward: Any, cost: Any, weight: Any) -> Any:
    """Lagrangian reward; numbers or arrays."""
    return reward - weight * cost


def check_budget(engine: Engine) -> None:
    """Complain of a controlled campaign without a budget.

    Raises
    ------
    EnvError
        When there is one.
    """
    unbounded = ~np.isfinite(engine.markets.campaigns.constraints.budget[:, engine.campaigns])
    if unbounded.any():
        name = engine.names[int(np.argmax(unbounded.any(axis=0)))]
        raise EnvError(
            f"campaign '{name}' has no budget to measure rewards by: set campaigns.0.budget in scenario "
            f"'{engine.scenario.name}', or use gymnasium's NormalizeReward."
        )


def worth_of_budget(engine: Engine) -> Floats:
    """What the budgets buy at target in the present episode, or the budgets without one; (E,)."""
    budget, target = (
        field[:, engine.campaigns[0]]
        for field in (engine.markets.campaigns.constraints.budget, engine.markets.campaigns.constraints.target_roi)
    )
    return np.asarray(budget * np.where(target > 0, target, 1))


def make_grid(levels: int) -> Singles:
    """Actions from -1 to 1, equally spaced; (levels,).

    Raises
    ------
    EnvError
        For fewer than two.
    """
    if not (isinstance(levels, int | np.integer) and levels >= 2):
        raise EnvError(f"levels = {levels!r}: must be a whole number, 2 or more.")
    return np.linspace(-1, 1, levels, dtype=np.float32)


def pick(grid: Singles, level: ArrayLike, shape: tuple[int, ...]) -> Singles:
    """Actions of levels of a given shape; (*shape, 1).

    Raises
    ------
    EnvError
        For levels of another shape or beyond the grid.
    """
    given = np.asarray(level)
    fits = given.shape == shape and given.dtype.kind in "iu"
    if not (fits and np.all((given >= 0) & (given < grid.size))):
        raise EnvError(f"action {level!r}: must be whole numbers from 0 to {grid.size - 1} of shape {shape}.")
    return grid[given][..., None]


def multipliers(high: float) -> Box:
    """Space of one multiplier up to ``high``.

    Raises
    ------
    EnvError
        Unless that is positive and finite.
    """
    if not 0 < high < np.inf:
        raise EnvError(f"high = {high!r}: must be a positive number, the largest multiplier.")
    return Box(0, high, (1,), np.float32)


def to_action(multiplier: ArrayLike, reference: Floats, level: Floats, span: float) -> Singles:
    """From the level to that of ``multiplier = reference * span**level``; -inf for one that is not positive.

    Raises
    ------
    EnvError
        For multipliers that have not the shape of the references.
    """
    given = np.asarray(multiplier, np.float64)
    if given.shape != reference.shape:
        raise EnvError(f"multiplier of shape {given.shape}: must have shape {reference.shape}.")
    with np.errstate(divide="ignore"):
        wanted = np.log(np.maximum(given, 0) / reference) / np.log(span)
    return np.asarray(wanted - level, np.float32)
