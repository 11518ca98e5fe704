"""A guard against silently lost vectorisation, which costs seven to fifty times: generous ratios in one process."""

import time
from collections.abc import Callable

import numpy as np
import pytest

import adsim

CAMPAIGNS, AUCTIONS = 48, 1 << 14
BIDS = np.random.default_rng(0).lognormal(0, 1, (AUCTIONS, CAMPAIGNS)).astype(np.float32)
TILES = adsim.to_tiles(BIDS)


def best(work: Callable[[], object], runs: int = 7) -> float:
    times = []
    for _ in range(runs + 1):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return min(times[1:])


def sort_with_numpy(slots: int) -> object:
    winners = np.argsort(-BIDS, axis=1)[:, : slots + 1]
    return winners, np.take_along_axis(BIDS, winners, 1)


@pytest.mark.parametrize(
    ("mechanism", "slots", "times"),
    [  # expected on a quiet machine: 25, 25, 15, 15, 7, 15
        ("second_price", 1, 6),
        ("first_price", 1, 6),
        ("gsp", 3, 4),
        ("vcg", 3, 4),
        ("gsp", 8, 2),
        ("lpa", 1, 3),
    ],
)
def test_tiles_are_cleared_many_times_faster_than_numpy_sorts_rows(mechanism: str, slots: int, times: float) -> None:
    exposure = tuple(0.8**k for k in range(slots))
    liquid = {"liquid_value": TILES} if mechanism == "lpa" else {}
    ours = best(lambda: adsim.clear(TILES, mechanism, exposure=exposure, reserve=0.01, **liquid))
    theirs = best(lambda: sort_with_numpy(slots), 3)
    assert theirs / ours > times


def test_the_traffic_of_a_market_is_drawn_many_times_faster_than_numpy_draws_it() -> None:
    """One auction of a contextual market against eight normals and four exponentials for each of its campaigns."""
    changes = {"market.opportunities": 40_000, "market.ticks": 4, "auction.exposure": [1.0]}
    market = adsim.Market(adsim.load_scenario("target_cpa").replace(changes), seed=0)
    rng = np.random.default_rng(0)

    def numpy_draws() -> None:
        draws = rng.standard_normal((8, 4_000, CAMPAIGNS))
        for _ in range(4):
            np.exp(draws[0])

    assert 10 * best(numpy_draws, 3) / best(market.run, 3) > 3
