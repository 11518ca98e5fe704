"""Steps of `adsim/Bidding-v0`: single, in SyncVectorEnv and native; and how much time goes by outside numba."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium
import numpy as np

import adsim
from adsim.market import markets
from adsim.market.scenario import Scenario

NAME = "adsim/Bidding-v0"
COUNTS = (1, 16, 256, 1024)
OPPORTUNITIES = (1, 200, 10_000)
SECONDS = 1.0
SYNCHRONOUS = 64
"""No more environments in a SyncVectorEnv: it steps one after the other, and its rate stays the same."""


def scenario_of(opportunities: int) -> Scenario:
    """`target_cpa`, its 48 campaigns and three slots, with so many opportunities in each of 48 ticks."""
    changes = {"market.opportunities": 48 * opportunities, "traffic.curve": "flat"}
    return adsim.load_scenario("target_cpa").replace(changes)


class Stopwatch:
    """Seconds spent in compiled steps, unpacking their arguments included."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, kernel: Any) -> Any:
        """The kernel, its time added."""

        def run(*arguments: Any) -> None:
            start = time.perf_counter()
            kernel(*arguments)
            self.seconds += time.perf_counter() - start

        return run


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """Time compiled ticks."""
    watch, compile_for = Stopwatch(), markets.compile_for
    markets.compile_for = lambda *arguments: watch.timed(compile_for(*arguments))  # type: ignore[assignment]
    try:
        yield watch
    finally:
        markets.compile_for = compile_for


def measure(env: Any, action: Any, count: int) -> tuple[float, float]:
    """Environment steps per second, resets included, and the share of time outside compiled steps."""
    env.reset(seed=0)
    env.step(action)
    env.reset(seed=0)
    with stopwatch() as watch:
        steps, start = 0, time.perf_counter()
        while time.perf_counter() - start < SECONDS or steps < 3:
            _, _, terminated, *_ = env.step(action)
            steps += 1
            if count == 0 and terminated:
                env.reset()
        elapsed = time.perf_counter() - start
    return steps * max(count, 1) / elapsed, 1 - watch.seconds / elapsed


def rows() -> list[list[str]]:
    """A row per kind of environment and number of opportunities a tick; one core."""
    table = []
    for opportunities in OPPORTUNITIES:
        scenario = scenario_of(opportunities)
        single = gymnasium.make(NAME, scenario=scenario)
        table.append(_row("single", 1, opportunities, *measure(single, np.zeros(1, np.float32), 0), None))
        for count in COUNTS:
            action = np.zeros((count, 1), np.float32)
            make = {"id": NAME, "num_envs": count, "scenario": scenario}
            few = min(count, SYNCHRONOUS)
            rival = make | {"num_envs": few, "disable_env_checker": True}
            sync = gymnasium.make_vec(**rival, vectorization_mode="sync")
            rate, _ = measure(sync, action[:few], few)
            native = gymnasium.make_vec(**make, vectorization_mode="vector_entry_point")
            table.append(_row("native", count, opportunities, *measure(native, action, count), rate))
    return table


def _row(kind: str, count: int, opportunities: int, rate: float, outside: float, sync: float | None) -> list[str]:
    return [
        kind,
        f"{count:,}",
        f"{opportunities:,}",
        f"{rate:,.0f}",
        f"{rate * opportunities / 1e6:.2f}",
        f"{outside:.0%}",
        "" if sync is None else f"{sync:,.0f}",
        "" if sync is None else f"{rate / sync:.1f}x",
    ]


HEADER = [
    "",
    "environments",
    "opportunities/tick",
    "steps/s",
    "M auctions/s",
    "outside numba",
    "Sync steps/s",
    "ratio",
]
