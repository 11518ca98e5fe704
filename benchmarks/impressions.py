"""Steps of one opportunity each: native vectors of environments against Gymnasium's vector of single ones."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium
import numpy as np

import adsim.envs  # noqa: F401 - registers the environment
from adsim.envs import impression_engine, impression_offers, impression_state
from benchmarks.timing import best

NAME = "adsim/Impression-v0"
SCENARIOS = "display_rtb", "return_on_spend"
SIZES = (1, 16, 256, 1024, 4096)
LARGEST_SYNC = 256
"""Gymnasium's vector costs the same for each of more environments."""


def stepper(env: Any, action: Any, steps: int) -> Callable[[], None]:
    """Steps without an end of an episode, the draws of all opportunities among them."""
    env.reset(seed=0)

    def work() -> None:
        for _ in range(steps):
            env.step(action)

    return work


def seconds_of_step(env: Any, action: Any, steps: int) -> float:
    """CPU seconds of one step of all environments."""
    return best(stepper(env, action, steps), seconds=0.4) / steps


@contextmanager
def clocked() -> Iterator[list[float]]:
    """Add up the seconds spent in compiled code, the handing over of arguments among them."""
    spent = [0.0]
    kernels = (
        (impression_engine, "step_market"),
        (impression_state, "observe_market"),
        (impression_offers, "draw_offers"),
    )
    plain = [(module, name, getattr(module, name)) for module, name in kernels]

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            start = time.thread_time()
            try:
                return function(*args)
            finally:
                spent[0] += time.thread_time() - start

        return call

    try:
        for module, name, function in plain:
            setattr(module, name, timed(function))
        yield spent
    finally:
        for module, name, function in plain:
            setattr(module, name, function)


def share_outside(env: Any, action: Any, steps: int) -> float:
    """Share of a step's time that is not spent in compiled code."""
    work = stepper(env, action, steps)
    work()
    with clocked() as spent:
        start = time.thread_time()
        work()
        return 1 - spent[0] / (time.thread_time() - start)


def rows(scenario: str) -> list[list[str]]:
    """A row per number of environments; the first is the single environment as `gymnasium.make` gives it."""
    env, steps = gymnasium.make(NAME, scenario=scenario), impression_offers.DEPTH * 5
    price = np.array([0.05 / env.unwrapped.max_price], np.float32)
    single = seconds_of_step(env, price, steps)
    table = [["single", f"{1e-6 / single:.3f}", f"{1e9 * single:.0f}", "", ""]]
    sync = 0.0
    for size in SIZES:
        prices = np.tile(price, (size, 1))
        if size <= LARGEST_SYNC:
            of_singles = gymnasium.make_vec(NAME, size, "sync", scenario=scenario, disable_env_checker=True)
            sync = seconds_of_step(of_singles, prices, max(steps // size, 2)) / size
        envs = gymnasium.make_vec(NAME, size, vectorization_mode="vector_entry_point", scenario=scenario)
        ours = seconds_of_step(envs, prices, steps) / size
        table.append(
            [
                f"{size}",
                f"{1e-6 / ours:.3f}",
                f"{1e9 * ours:.0f}",
                f"{sync / ours:.1f}x",
                f"{share_outside(envs, prices, steps):.0%}",
            ]
        )
    return table


HEADER = ["environments", "M steps/s", "ns/step of one", "of SyncVectorEnv", "outside numba"]
