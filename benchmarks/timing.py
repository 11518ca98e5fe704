"""The clock, and what the machine can do."""

import time
from collections.abc import Callable

import numpy as np


def best(work: Callable[[], object], seconds: float = 0.6, least: int = 3) -> float:
    """CPU seconds of one call: the best of as many as fit into ``seconds``, after one to warm up."""
    work()
    times: list[float] = []
    while len(times) < least or sum(times) < seconds:
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
        if len(times) == 200:
            break
    return min(times)


def once(work: Callable[[], object]) -> float:
    """CPU seconds of a single call, for what takes long and needs no warming up."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def copy_bandwidth(megabytes: int = 256) -> float:
    """Bytes read and written per second by copying an array much larger than the caches."""
    source = np.ones(megabytes * 2**20 // 8)
    target = np.empty_like(source)
    return 2 * source.nbytes / best(lambda: np.copyto(target, source))
