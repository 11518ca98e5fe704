"""The forecast agent: its landscape of all slots, its curves against brute force, and what it is worth in markets."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsim import registry
from adsim.agents.dispatch import decide_group
from adsim.agents.forecast import Forecast
from adsim.agents.rule import FORECAST, MEMORY
from adsim.experiments.statistics import difference
from adsim.experiments.training.evaluate import agent_runs
from adsim.kernels.landscape import BINS, COLUMNS, COST, GAIN, OCTAVE, enter_step
from adsim.market.market import Market
from adsim.market.markets import Markets, make_events
from adsim.market.scenario import Scenario, load_scenario, read_scenario
from adsim.types import Constraints, Floats, PublicFacts

WIDTH = 2 ** (1 / OCTAVE)
"""Of a bin: its highest price per value over its lowest."""
EXPOSURE = np.array([1.0, 0.8, 0.48])

# the rule, against all multipliers in turn


def outcome(multiplier: float, value: Floats, rivals: Floats) -> tuple[float, float]:
    """Value and cost of a multiplier under GSP, slot by slot; rivals' bids (T, 3), the highest first."""
    gained = paid = 0.0
    for worth, others in zip(value, rivals, strict=True):
        slot = int((others >= multiplier * worth).sum())
        if slot < 3:
            gained += EXPOSURE[slot] * worth
            paid += EXPOSURE[slot] * others[slot]
    return gained, paid


def landscape_of(value: Floats, rivals: Floats) -> Floats:
    landscape = np.zeros((BINS, COLUMNS))
    seen = np.append(EXPOSURE, 0)
    for worth, others in zip(value, rivals, strict=True):
        for k in range(3):
            below = seen[k + 1] * others[k + 1] if k < 2 else 0.0
            enter_step(landscape, worth, others[k], (seen[k] - seen[k + 1]) * worth, seen[k] * others[k] - below)
    return landscape


def decide(
    landscape: Floats,
    *,
    elapsed: int,
    rest: int,
    budget: float,
    target: float,
    saved: float = 0.0,
    utility: bool = False,
    half_life: float = 4.0,
    penalty: float | None = None,
) -> float:
    """The multiplier after the first tick, having won a predicted value of 1 that came true."""
    agent = Forecast(half_life, penalty)
    facts = PublicFacts("gsp", False, np.ones(1), elapsed + rest, None)
    terms = Constraints(*(np.array([x]) for x in (1.0, not utility, budget, target, np.inf, 0.0)))
    agent.check(terms, facts)
    twin = registry.create("agents", "truthful", {})
    twin.reset(terms, facts)
    seen = twin._seen._replace(elapsed=elapsed, step=elapsed, landscape=landscape[None].copy())
    seen.total[:] = 0
    seen.total[0, [4, 5, 6]] = 1.0, 1.0, (1.0 - saved) / target if target else 1.0
    seen.budget_left[:] = budget
    multiplier = np.empty(1)
    decide_group(FORECAST, seen, agent.parameters(facts), np.zeros((1, MEMORY)), multiplier, 0, 1)
    return float(multiplier[0])


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    budget=st.just(np.inf) | st.floats(1, 300),
    target=st.sampled_from([0.0, 0.8, 1.0, 2.0]),
    saved=st.floats(0, 5),
    rest=st.integers(20, 300),
)
def test_the_bid_is_the_highest_that_keeps_budget_and_target(
    seed: int, budget: float, target: float, saved: float, rest: int
) -> None:
    rng = np.random.default_rng(seed)
    value = rng.uniform(0.1, 1, 60)
    rivals = -np.sort(-rng.lognormal(-0.7, 0.7, (60, 3)), axis=1)
    if budget == np.inf and target == 0:
        budget = 10.0
    found = decide(landscape_of(value, rivals), elapsed=60, rest=rest, budget=budget, target=target, saved=saved)

    def kept(multiplier: float) -> bool:
        gained, paid = (rest / 60 * each for each in outcome(multiplier, value, rivals))
        return paid <= budget and (target == 0 or saved + gained - target * paid >= 0)

    ratios = (rivals / value[:, None]).ravel() * 1.000001
    best = max((each for each in ratios if kept(each)), default=0.0)
    assert best <= found * WIDTH**1.01
    if best > 0:
        assert found <= min((each for each in ratios if each > best), default=np.inf) * WIDTH**1.01


def test_who_cannot_meet_its_target_bids_what_pays_back_most() -> None:
    value, rivals = np.ones(3), np.array([[0.5, 0.5, 0.5], [0.9, 0.9, 0.9], [3.0, 3.0, 3.0]])
    found = decide(landscape_of(value, rivals), elapsed=3, rest=3, budget=np.inf, target=1.0, saved=-50.0)
    assert 0.9 <= found <= 0.9 * WIDTH


def test_a_utility_maximizer_bids_no_more_than_the_value() -> None:
    value, rivals = np.ones(3), np.array([[0.5, 0.5, 0.5], [0.9, 0.9, 0.9], [3.0, 3.0, 3.0]])
    assert decide(landscape_of(value, rivals), elapsed=3, rest=3, budget=1e6, target=0.0, utility=True) == 1.0


def test_what_was_seen_counts_half_after_its_half_life() -> None:
    """Two ticks of equal traffic, prices 1 and 2: a half-life of a tick weighs them 1 to 2."""
    agent = Forecast(1.0)
    facts = PublicFacts("gsp", False, np.ones(1), 300, None)
    terms = Constraints(*(np.array([x]) for x in (1.0, True, 50.0, 0.0, np.inf, 0.0)))
    twin = registry.create("agents", "truthful", {})
    twin.reset(terms, facts)
    landscape, memory, multiplier = np.zeros((1, BINS, COLUMNS)), np.zeros((1, MEMORY)), np.empty(1)
    for tick, price in enumerate((1.0, 2.0)):
        for _ in range(100):
            enter_step(landscape[0], 1.0, price, 1.0, price)
        seen = twin._seen._replace(elapsed=100 * (tick + 1), step=100, landscape=landscape)
        seen.total[:], seen.budget_left[:] = 0, 50.0
        decide_group(FORECAST, seen, agent.parameters(facts), memory, multiplier, 0, 1)
    np.testing.assert_allclose(landscape[0].sum(axis=0)[[GAIN, COST]], [(50 + 100) / 2, (50 + 200) / 2])
    assert memory[0, 0] == pytest.approx(75)


@pytest.mark.parametrize("bad", [0, -1.0, float("nan"), "long"])
def test_half_life_and_penalty_are_positive_numbers(bad: Any) -> None:
    for name in ("half_life", "penalty"):
        with pytest.raises(ValueError, match=rf"{name} = .*must be a positive number"):
            Forecast(**{name: bad})


# the landscape


@pytest.mark.parametrize("window", [7, 512])
@pytest.mark.parametrize("reserve", [0.0, 0.05])
@pytest.mark.parametrize("posted", [False, True])
def test_the_landscape_tells_value_and_cost_of_every_multiplier(window: int, reserve: float, posted: bool) -> None:
    """What the campaign gets that bids it, the others bidding as before."""
    scenario = rivals_of(reserve, posted)
    markets = Markets(scenario, [0, 1], window=window)
    markets.open()
    for _ in range(3):
        markets.run_tick(make_events(0, 3))
    landscape = markets.fleet.landscape[1, 3]
    heard = np.cumsum(landscape, axis=0)
    for b in (100, 118, 124, 130, 140):
        multiplier = 2.0 ** (-16 + (b + 1) / OCTAVE)
        alone = scenario.replace({"campaigns.1.agent": f"fixed:multiplier={multiplier}"})
        totals = Market(alone, 1).run().totals
        assert heard[b, GAIN] == pytest.approx(totals.predicted_value[3], rel=1e-5, abs=1e-9)
        assert heard[b, COST] == pytest.approx(totals.spend[3], rel=1e-5, abs=1e-9)


def rivals_of(reserve: float, posted: bool) -> Scenario:
    """A campaign that listens among three with bids of their own; outcomes in expectation."""
    between = {"distribution": "uniform", "low": 0.2, "high": 0.5}
    price = {"distribution": "uniform", "low": 0.0, "high": 0.2}
    return read_scenario(
        {
            "market": {"ticks": 3, "opportunities": 600, "outcomes": "expected"},
            "auction": {"mechanism": "gsp", "exposure": EXPOSURE.tolist(), "reserve": reserve},
            "traffic": {"source": "contextual", "ctr": between, "cvr": between, "ctr_noise": 0.5},
            "campaigns": [
                {"count": 3, "agent": "fixed:multiplier=0.6"},
                {"agent": "online_lp", "target_roi": 1.5},
            ],
        }
        | ({"competition": {"price": price}} if posted else {}),
        "test",
    )


# markets


@pytest.mark.parametrize("mechanism", ["gsp", "vcg", "first_price"])
def test_budget_and_target_are_kept_under_every_payment_rule(mechanism: str) -> None:
    changes = {"auction.mechanism": mechanism, "market.opportunities": 20_000, "market.outcomes": "expected"}
    scenario = load_scenario("target_cpa").replace(changes | {"predictor": {"kind": "oracle"}})
    for budget, binding in ((20.0, "budget_use"), (1e6, "roi")):
        own = scenario.replace({"campaigns.0.budget": budget})
        runs = agent_runs("forecast", own, 5, np.arange(2))
        assert (runs["violation"] < 0.05).all()
        if binding == "budget_use":
            assert (runs["budget_use"] > 0.97).all()


@pytest.mark.parametrize(
    ("opportunities", "agent"), [(50_000, "forecast:penalty=2"), (200_000, "forecast")], ids=["target", "budget"]
)
def test_it_scores_more_than_the_program_of_the_last_slot(opportunities: int, agent: str) -> None:
    """Where the target holds campaigns back, and where the budget does."""
    changes = {"market.opportunities": opportunities, "market.outcomes": "expected"}
    scenario = load_scenario("target_cpa").replace(changes)
    ours, theirs = (
        np.concatenate([agent_runs(each, scenario, seat, np.arange(6))["score"] for seat in (0, 20)])
        for each in (agent, "online_lp")
    )
    assert difference(ours, theirs).low > 0


def test_a_penalty_buys_what_the_limit_forbids_where_the_score_gains() -> None:
    """At the target a conversion costs 1; the next one costs 1.2, and the score is V**3 / C**2 beyond."""
    value, rivals = np.ones(20), np.repeat([[1.0] * 3, [1.2] * 3], 10, axis=0)
    landscape = landscape_of(value, rivals)
    limit, score, harsh = (
        decide(landscape, elapsed=20, rest=20, budget=np.inf, target=1.0, penalty=penalty)
        for penalty in (None, 2.0, 50.0)
    )
    assert 1.0 <= limit < 1.2
    assert 1.2 <= score <= 1.2 * WIDTH
    assert harsh == limit
