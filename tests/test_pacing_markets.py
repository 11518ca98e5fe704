"""Rules that decide between auctions: exact in money, whatever the ticks, windows, neighbours and threads."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_envs import make_many, random_actions

from adsim import registry
from adsim.agents.base import Agent
from adsim.market.market import Market
from adsim.market.markets import Markets, make_events
from adsim.market.result import Result
from adsim.market.scenario import Scenario, read_scenario
from adsim.types import Floats, Observation

PACING = [
    "ros",
    "ros:buffer=0.5:every=3",
    "mirror_descent",
    "mirror_descent:reference=entropic:every=5",
    "mirror_descent:reference=scaled",
    "adaptive_pacing",
    "coupled",
    "coupled:coupling=min:every=16",
    "coupled:coupling=sequential",
    "throttling:step=3",
    "throttling:every=4",
]
"""Every kind that decides between auctions."""
TICKED = ["feedback", "pid", "online_lp", "forecast"]
PRICING = ["rlb", "rlb:values=spread", "ss_mdp"]
"""Those that price every opportunity, by what they learn whenever a tick begins."""
MECHANISMS = ["gsp", "vcg", "first_price", "second_price", "lpa"]
CHARGES = ["exposure", "click", "conversion"]


def between(low: float, high: float) -> dict[str, Any]:
    return {"distribution": "uniform", "low": low, "high": high}


def rivals(
    agents: list[str],
    mechanism: str = "gsp",
    charge: str = "exposure",
    *,
    budget: float = 4.0,
    opportunities: int = 700,
    ticks: int = 3,
    **tables: Any,
) -> Scenario:
    """A table of two campaigns for each agent, all with a budget and a target."""
    return read_scenario(
        {
            "market": {"ticks": ticks, "opportunities": opportunities},
            "auction": {
                "mechanism": mechanism,
                "charge": charge,
                "exposure": [1.0] if mechanism == "second_price" else [1.0, 0.6],
            },
            "traffic": {
                "source": "contextual",
                "ctr": between(0.2, 0.5),
                "cvr": between(0.3, 0.6),
                "ctr_noise": 0.3,
                "basket": 0.4,
            },
            "campaigns": [
                {
                    "count": 2,
                    "agent": agent,
                    "value": between(0.5, 2.0),
                    "target_roi": between(1.0, 3.0),
                    "budget": between(budget / 2, 2 * budget),
                }
                for agent in agents
            ],
            **tables,
        },
        "test",
    )


def bits(result: Result) -> dict[str, bytes]:
    """What a period leaves behind."""
    return {
        "ledger": result.history[-1].tobytes(),
        "bids": result.multipliers[-1].tobytes(),
        "money": result.budget_left.tobytes(),
    }


# money


markets = st.builds(
    rivals,
    st.lists(st.sampled_from(PACING + TICKED + PRICING), min_size=1, max_size=4),
    st.sampled_from(MECHANISMS),
    st.sampled_from(CHARGES),
    budget=st.sampled_from([0.5, 4.0, 20.0]),
    ticks=st.integers(1, 9),
    predictor=st.sampled_from([{"kind": "oracle"}, {"kind": "noise", "ctr_error": 0.4, "cvr_error": 0.4}]),
)


@settings(deadline=None, max_examples=60)
@given(markets, st.integers(0, 10**6), st.sampled_from([1, 2, 5, 100]))
def test_no_budget_is_exceeded_and_no_window_matters(scenario: Scenario, seed: int, window: int) -> None:
    result = Market(scenario, seed).run()
    assert (result.totals.spend <= result.constraints.budget).all()
    assert (result.budget_left >= 0).all()
    assert np.isfinite(result.multipliers).all()
    other = Market(scenario, seed, window=window).run()
    np.testing.assert_array_equal(other.history, result.history)
    np.testing.assert_array_equal(other.multipliers, result.multipliers)


@pytest.mark.parametrize("mechanism", ["gsp", "vcg", "first_price"])
def test_budgets_run_out_in_these_markets(mechanism: str) -> None:
    result = Market(rivals(PACING, mechanism, budget=1.0), 1).run()
    assert (result.totals.spend > 0.9 * result.constraints.budget).sum() > 5


# neither ticks nor windows nor neighbours


@pytest.mark.parametrize("agent", PACING)
def test_a_campaign_that_decides_between_auctions_does_not_know_of_ticks(agent: str) -> None:
    def market(ticks: int) -> Market:
        terms = {"competition": {"price": between(0.0, 0.6)}, "opportunities": 2000, "ticks": ticks, "budget": 30.0}
        return Market(rivals([agent], "vcg", **terms), 4)

    once = bits(market(1).run())
    assert bits(market(7).run()) == once
    assert bits(market(48).run()) == once
    assert np.unique(market(7).run().multipliers).size > 2


def test_a_market_of_all_rules_between_auctions_does_not_know_of_ticks() -> None:
    assert bits(Market(rivals(PACING, ticks=1), 2).run()) == bits(Market(rivals(PACING, ticks=13), 2).run())


@pytest.mark.parametrize("agent", PACING)
def test_the_rhythm_of_others_does_not_matter(agent: str) -> None:
    """Of others who win nothing, so that all they could disturb is the moment at which the campaign decides."""

    def totals(*others: str) -> list[float]:
        scenario = rivals([agent, *others], opportunities=1500, budget=20.0)
        small = {f"campaigns.{n + 1}.value": 1e-7 for n in range(len(others))}
        result = Market(scenario.replace(small | {"auction.reserve": 0.01}), 3).run()
        assert (result.totals.wins[:2] > 100).all()
        assert (result.totals.wins[2:] == 0).all()
        return [*result.history[-1, :2].ravel().tolist(), *result.multipliers[:, :2].ravel().tolist()]

    alone = totals()
    for others in (["fixed"], ["ros:every=7"], ["coupled:every=1000", "fixed"], ["throttling", "ros:every=2"]):
        assert totals(*others) == alone


@pytest.mark.parametrize("threads", [1, 3])
def test_markets_side_by_side_are_single_markets(threads: int) -> None:
    scenario = rivals([*PACING, *TICKED, *PRICING])
    together = Markets(scenario, list(range(5)), threads=threads)
    together.open()
    for _ in range(scenario.market.ticks):
        together.run_tick(make_events(0, 2))
    together.close()
    for seed in range(5):
        alone = Market(scenario, seed).run()
        np.testing.assert_array_equal(together.fleet.accounts.ledger[seed], alone.history[-1])
        np.testing.assert_array_equal(together.fleet.multiplier[seed], alone.multipliers[-1])


def test_a_period_begins_without_memory_of_the_last() -> None:
    market = Market(rivals([*PACING, *TICKED, *PRICING]), 5)
    assert bits(market.run()) == bits(market.run())


# beside rules that decide once a tick


class Scripted(Agent):
    """Bids what it is told, tick by tick."""

    script: Floats
    """(ticks, n)"""

    def act(self, observation: Observation) -> Floats:
        return self.script[observation.tick]


Script = Callable[[Floats], str]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Registers an agent that bids given multipliers, (ticks, n)."""
    monkeypatch.setitem(registry.BUILT_IN["agents"], "scripted", f"{__name__}:Scripted")
    registry.known.cache_clear()

    def script(multipliers: Floats) -> str:
        monkeypatch.setattr(Scripted, "script", multipliers, raising=False)
        return "scripted"

    yield script
    registry.known.cache_clear()


@pytest.mark.parametrize("ticked", TICKED)
@pytest.mark.parametrize("mechanism", ["gsp", "first_price"])
def test_a_rule_of_ticks_bids_its_multiplier_all_tick_long(ticked: str, mechanism: str, scripted: Script) -> None:
    """Between campaigns that change theirs after every auction."""
    scenario = rivals(["coupled", ticked, "throttling"], mechanism, ticks=8)
    mixed = Market(scenario, 6).run()
    assert np.unique(mixed.multipliers[:, 2]).size > 1
    agent = scripted(mixed.multipliers[:, 2:4])
    again = Market(scenario.replace({"campaigns.1.agent": agent}), 6).run()
    np.testing.assert_array_equal(again.history, mixed.history)
    np.testing.assert_array_equal(again.multipliers, mixed.multipliers)


@pytest.mark.parametrize("others", ["coupled", "mirror_descent:every=4", "throttling", "rlb"])
def test_an_environment_among_rules_between_auctions_is_the_market(others: str, scripted: Script) -> None:
    scenario = rivals(["fixed", others], ticks=6).replace({"campaigns.0.count": 1})
    env = make_many(3, scenario, threads=2)
    env.reset(seed=8)
    seeds = env.unwrapped.engine.markets.seeds.tolist()
    multipliers = []
    for actions in random_actions(6, 3):
        env.step(actions)
        multipliers.append(env.unwrapped.engine.markets.fleet.multiplier[:, 0].copy())
    ledger = env.unwrapped.engine.markets.fleet.accounts.ledger.copy()
    env.close()
    for e, seed in enumerate(seeds):
        agent = scripted(np.array(multipliers)[:, e : e + 1])
        result = Market(scenario.replace({"campaigns.0.agent": agent}), seed).run()
        np.testing.assert_array_equal(result.history[-1], ledger[e])
        assert result.totals.wins[0] > 0
