"""The online linear program: its landscape of bids to beat, and the best multiplier by what was seen."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laid_out import lay_out
from scipy.optimize import linprog

from adsim import registry
from adsim.agents.dispatch import decide_group
from adsim.agents.rule import MEMORY, ONLINE_LP, PARAMETERS
from adsim.kernels.landscape import BINS, COLUMNS, OCTAVE, enter, highest_ratio
from adsim.market.market import Market
from adsim.market.markets import Markets, make_events
from adsim.market.scenario import Scenario, load_scenario, read_scenario
from adsim.types import Constraints, Floats, PublicFacts

WIDTH = 2 ** (1 / OCTAVE)
"""Of a bin: its highest price per value over its lowest."""


# the program


def best_purchase(
    value: Floats, price: Floats, money: float, saved: float, target: float, utility: bool = False
) -> Floats | None:
    """Shares of opportunities that bring most, by HiGHS; None where the target cannot be met."""
    rows, limits = [price] if money < np.inf else [], [money] if money < np.inf else []
    if target > 0:
        rows, limits = [*rows, target * price - value], [*limits, saved]
    found = linprog(price * utility - value, A_ub=np.array(rows), b_ub=limits, bounds=(0, 1), method="highs")
    return np.array(found.x) if found.status == 0 else None


def assert_buys(multiplier: float, value: Floats, price: Floats, bought: Floats) -> None:
    """A bid of the multiplier wins what the program buys, but for prices a bin's width from it."""
    ratio = price / value
    assert (bought[ratio < multiplier / WIDTH / 1.0001] > 0.999).all()
    assert (bought[ratio > multiplier * WIDTH * 1.0001] < 0.001).all()


def decide(
    value: Floats, price: Floats, *, budget: float, target: float, utility: bool, saved: float, rest: int
) -> float:
    """The compiled rule's multiplier once it has seen these opportunities, of which it won one worth 1."""
    agent = registry.create("agents", "truthful", {})
    terms = Constraints(*(np.array([x]) for x in (1.0, not utility, np.inf, target, np.inf, 0.0)))
    agent.reset(terms, PublicFacts("second_price", False, np.ones(1), value.size + rest, None))
    landscape = np.zeros((1, BINS, COLUMNS))
    for worth, cost in zip(value, price, strict=True):
        enter(landscape[0], worth, cost)
    seen = agent._seen._replace(elapsed=value.size, landscape=landscape)
    seen.total[:] = 0
    seen.total[0, [4, 5, 6]] = 1.0, 1.0, (1.0 - saved) / target if target else 1.0
    seen.budget_left[:] = budget
    multiplier = np.empty(1)
    decide_group(ONLINE_LP, seen, np.zeros(PARAMETERS), np.zeros((1, MEMORY)), multiplier, 0, 1)
    return float(multiplier[0])


@settings(deadline=None, max_examples=150)
@given(
    count=st.integers(1, 80),
    seed=st.integers(0, 2**32),
    budget=st.just(np.inf) | st.floats(0.1, 30),
    target=st.sampled_from([0.0, 0.8, 1.0, 2.0]),
    saved=st.floats(-2, 2),
    utility=st.booleans(),
    rest=st.integers(1, 200),
)
def test_the_rule_buys_what_the_linear_program_buys(
    count: int, seed: int, budget: float, target: float, saved: float, utility: bool, rest: int
) -> None:
    rng = np.random.default_rng(seed)
    value, price = rng.uniform(0.05, 1, count), rng.lognormal(-0.5, 0.8, count)
    if budget == np.inf and target == 0:
        budget = 1.0
    found = decide(value, price, budget=budget, target=target, utility=utility, saved=saved, rest=rest)
    scale = count / rest
    bought = best_purchase(value, price, budget * scale, saved * scale, target, utility)
    if bought is not None:
        assert_buys(found, value, price, bought)
        assert found > 0


@pytest.mark.parametrize(
    "terms",
    [
        {"budget": 200.0, "target_roi": None},
        {"budget": 200.0, "target_roi": 1.05},
        {"target_roi": 1.4},
        {"budget": 800.0, "target_roi": 1.4},
        {"budget": 120.0, "target_roi": 1.1, "objective": "utility"},
    ],
)
def test_before_every_tick_a_market_of_the_rule_solves_the_program_of_what_was_seen(terms: dict[str, Any]) -> None:
    changes = {"market.opportunities": 2000, "market.ticks": 8, "campaigns.0.agent": "online_lp"}
    scenario = load_scenario("return_on_spend").replace(
        changes | {f"campaigns.0.{name}": value for name, value in terms.items()}
    )
    market = Market(scenario, 2)
    truth, result = market.hindsight(), market.run()
    budget, target = float(result.constraints.budget[0]), float(result.constraints.target_roi[0])
    for tick in range(1, 8):
        elapsed = 250 * tick
        scale, ledger = elapsed / (2000 - elapsed), result.history[tick, 0]
        bought = best_purchase(
            truth.predicted_value[:elapsed],
            truth.price[:elapsed],
            (budget - ledger[6]) * scale,
            (ledger[5] - target * ledger[6]) * scale,
            target,
            terms.get("objective") == "utility",
        )
        assert bought is not None
        multiplier = result.multipliers[tick, 0]
        assert_buys(multiplier, truth.predicted_value[:elapsed], truth.price[:elapsed], bought)
        assert 0 < bought.mean() < 1


@pytest.mark.parametrize("seed", range(3))
def test_online_lp_comes_close_to_the_optimum_in_hindsight(seed: int) -> None:
    scenario = load_scenario("display_rtb").replace({"market.outcomes": "expected"})
    ours, best = (
        Market(scenario.replace({"campaigns.0.agent": agent}), seed).run().totals for agent in ("online_lp", "oracle")
    )
    assert 0.99 < ours.value[0] / best.value[0] <= 1.001
    assert ours.spend[0] > 0.99 * 800


# the landscape


@settings(deadline=None, max_examples=300)
@given(value=st.floats(1e-9, 1e6), price=st.just(0.0) | st.floats(1e-9, 1e6))
def test_an_opportunity_lies_in_the_bin_of_its_price_per_value(value: float, price: float) -> None:
    landscape = np.zeros((BINS, COLUMNS))
    enter(landscape, value, price)
    enter(landscape, value, price)
    (found,) = np.flatnonzero(landscape[:, 0])
    np.testing.assert_array_equal(landscape[found], [2 * value, 2 * price, 0, 0])
    ratio = price / value
    assert found == 0 or ratio >= highest_ratio(found - 1) * (1 - 1e-12)
    assert found == BINS - 1 or ratio <= highest_ratio(found) * (1 + 1e-12)


def test_what_is_worth_nothing_is_not_entered() -> None:
    landscape = np.zeros((BINS, COLUMNS))
    enter(landscape, 0.0, 1.0)
    assert (landscape == 0).all()


def rivals(slots: int, reserve: float, posted: bool, charge: str = "exposure") -> Scenario:
    """Two campaigns that listen, among three that don't; nobody leaves."""
    between = {"distribution": "uniform", "low": 0.2, "high": 0.5}
    return read_scenario(
        {
            "market": {"ticks": 5, "opportunities": 600},
            "auction": {"mechanism": "vcg", "slots": slots, "reserve": reserve, "charge": charge},
            "traffic": {"source": "contextual", "ctr": between, "cvr": between, "ctr_noise": 0.5},
            "campaigns": [
                {"count": 3, "agent": "fixed:multiplier=0.6"},
                {"count": 2, "agent": "online_lp", "target_roi": 1.5},
            ],
        }
        | ({"competition": {"price": {"distribution": "uniform", "low": 0.0, "high": 0.2}}} if posted else {}),
        "test",
    )


@pytest.mark.parametrize("slots", [1, 2, 5])
@pytest.mark.parametrize("reserve", [0.0, 0.05])
@pytest.mark.parametrize("posted", [False, True])
@pytest.mark.parametrize(("window", "charge"), [(7, "exposure"), (512, "exposure"), (512, "click")])
def test_the_landscape_holds_the_bids_that_would_have_won_the_last_slot(
    slots: int, reserve: float, posted: bool, window: int, charge: str
) -> None:
    scenario = rivals(slots, reserve, posted, charge)
    traffic = lay_out(Market(scenario, 1))
    tiles = []
    for first in range(0, 600, 200):
        traffic.fill(first, 200)
        tiles.append(traffic.candidates.value[:, :200].copy())
    values = np.hstack(tiles)
    multipliers = Market(scenario, 1).run().multipliers.astype(np.float32)
    markets = Markets(scenario, [0, 1], window=window)
    markets.open()
    for _ in range(5):
        markets.run_tick(make_events(0, slots))
    assert markets.fleet.landscape.shape == (2, 5, BINS, COLUMNS)
    assert (markets.fleet.landscape[:, :3] == 0).all()
    for n in (3, 4):
        expected = np.zeros((BINS, 2))
        for t in range(600):
            bids = [multipliers[t // 120, k] * values[k, t] for k in range(5) if k != n]
            bids = sorted([*bids, values[5, t]] if posted else bids, reverse=True)
            price = max(float(bids[slots - 1]) if len(bids) >= slots else 0.0, float(np.float32(reserve)))
            ratio = max(price / float(values[n, t]), 1e-30)
            place = np.clip(np.floor((np.log2(ratio) + 16) * OCTAVE), 0, BINS - 1)
            expected[int(place)] += float(values[n, t]), price
        np.testing.assert_allclose(markets.fleet.landscape[1, n, :, :2], expected, rtol=1e-12)


def test_markets_in_which_nobody_listens_keep_no_landscape() -> None:
    markets = Markets(rivals(2, 0.0, False).replace({"campaigns.1.agent": "ros"}), [0])
    markets.open()
    assert markets.fleet.landscape.size == 0
