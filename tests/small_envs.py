"""Scenarios small enough to play many episodes of, and episodes of random actions."""

from typing import Any, NamedTuple

import gymnasium
import numpy as np

from adsim.market.scenario import Scenario, load_scenario
from adsim.types import Floats

TICKS = 6


def between(low: float, high: float) -> dict[str, Any]:
    return {"distribution": "uniform", "low": low, "high": high}


RATES = {"traffic.ctr": between(0.2, 0.4), "traffic.cvr": between(0.3, 0.5)}
CHANGES: dict[str, dict[str, Any]] = {
    "quickstart": RATES | {"campaigns.0.count": 4, "campaigns.0.budget": between(20, 200)},
    "target_cpa": RATES | {"campaigns.0.count": 5, "campaigns.0.budget": between(10, 100)},
    "quanzhantui": RATES | {"campaigns.0.count": 4, "auction.mechanism": "gsp"},
    "display_rtb": {
        "traffic.ctr": 0.1,
        "competition.price": {"distribution": "lognormal", "median": 1.0, "sigma": 0.7},
        "campaigns.0.budget": 60.0,
    },
    "return_on_spend": {},
}
"""What makes conversions, spent budgets and sold stocks frequent in the shipped scenarios."""
NAMES = sorted(CHANGES)


def small(name: str = "quickstart", **changes: Any) -> Scenario:
    """A shipped scenario of 300 opportunities; changes are written ``campaigns__0__budget=3``."""
    given = {path.replace("__", "."): value for path, value in changes.items()}
    size = {"market.opportunities": 300, "market.ticks": TICKS}
    return load_scenario(name).replace(size | CHANGES[name] | given)


def make(scenario: Scenario | None = None, **kwargs: Any) -> Any:
    return gymnasium.make("adsim/Bidding-v0", scenario=scenario or small(), **kwargs)


def make_many(num_envs: int, scenario: Scenario | None = None, **kwargs: Any) -> Any:
    kwargs.setdefault("vectorization_mode", "vector_entry_point")
    return gymnasium.make_vec("adsim/Bidding-v0", num_envs, scenario=scenario or small(), **kwargs)


def random_actions(count: int, *shape: int, seed: int = 0) -> Any:
    """Some of them beyond [-1, 1]; float32 (count, *shape, 1)."""
    return np.random.default_rng(seed).uniform(-1.2, 1.2, (count, *shape, 1)).astype(np.float32)


class Played(NamedTuple):
    """An episode."""

    observations: Any
    """(ticks + 1, F)"""
    rewards: Floats
    infos: list[dict[str, Any]]
    """One more than rewards."""
    multipliers: Floats
    """Of all campaigns, (ticks, N)."""


def play(env: Any, actions: Any, seed: int | None = 0) -> Played:
    """An episode of given actions."""
    observation, info = env.reset(seed=seed)
    observations, rewards, infos, multipliers = [observation], [], [info], []
    for tick, action in enumerate(actions):
        observation, reward, terminated, truncated, info = env.step(action)
        assert (terminated, truncated) == (tick + 1 == len(actions), False)
        observations.append(observation)
        rewards.append(reward)
        infos.append(info)
        multipliers.append(env.unwrapped.engine.markets.fleet.multiplier[0].copy())
    return Played(np.array(observations), np.array(rewards), infos, np.array(multipliers))
