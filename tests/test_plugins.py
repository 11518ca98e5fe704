"""Other people's mechanisms and agents: registered from outside, compiled into batch and market."""

from collections.abc import Iterator

import numpy as np
import pytest

import adsim
from adsim import registry
from adsim.agents.base import Agent
from adsim.kernels.jit import inline
from adsim.kernels.ranking import rank_bids
from adsim.mechanisms.base import Mechanism
from adsim.types import Floats, Observation


@inline
def clear_tile(candidates, rule, ranking, origin, start, stop):  # type: ignore[no-untyped-def]
    rank_bids(candidates, rule, ranking, start, stop)
    for k in range(rule.slots):
        for t in range(start, stop):
            ranking.price[k, t] = rule.reserve if ranking.winner[k, t] >= 0 else rule.zero


class PostedReserve(Mechanism):
    """Winners pay the reserve."""

    name = "posted_reserve"
    summary = "pay the reserve"
    clear_tile = staticmethod(clear_tile)


class Halving(Agent):
    """Bids half as much in every tick."""

    def act(self, observation: Observation) -> Floats:
        return np.full(observation.budget_left.size, 0.5**observation.tick)


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(registry.BUILT_IN["mechanisms"], "posted_reserve", f"{__name__}:PostedReserve")
    monkeypatch.setitem(registry.BUILT_IN["agents"], "halving", f"{__name__}:Halving")
    registry.known.cache_clear()
    yield
    registry.known.cache_clear()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_batch_is_cleared_by_a_mechanism_from_elsewhere(dtype: type) -> None:
    bids = np.random.default_rng(0).uniform(0, 2, (300, 5)).astype(dtype)
    ours = adsim.clear(bids, "posted_reserve", exposure=(1, 0.5), reserve=0.5)
    gsp = adsim.clear(bids, "gsp", exposure=(1, 0.5), reserve=0.5)
    np.testing.assert_array_equal(ours.winners, gsp.winners)
    np.testing.assert_array_equal(ours.prices, np.where(ours.winners >= 0, 0.5, 0))


def test_a_market_runs_on_a_mechanism_and_an_agent_from_elsewhere() -> None:
    scenario = adsim.load_scenario("quickstart").replace(
        {
            "auction.mechanism": "posted_reserve",
            "auction.reserve": 0.001,
            "auction.charge": "exposure",
            "market.opportunities": 4000,
            "market.ticks": 4,
            "campaigns.0.agent": "halving",
        }
    )
    result = adsim.Market(scenario, seed=0).run()
    np.testing.assert_allclose(result.totals.spend, 0.001 * result.totals.exposures, rtol=1e-6)
    np.testing.assert_array_equal(result.multipliers[:, 0], [1, 0.5, 0.25, 0.125])
    sequential = adsim.Market(scenario, seed=0, window=1).run()
    np.testing.assert_array_equal(result.history, sequential.history)
