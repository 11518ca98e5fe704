"""Phases scale values and posted prices exactly where they should, in markets, hindsight and environments alike."""

from itertools import combinations
from typing import Any

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laid_out import lay_out

from adsim.envs.impression import ImpressionEnv
from adsim.errors import ScenarioError
from adsim.market.market import Market
from adsim.market.phases import HIGHEST, PhasesTable, cut
from adsim.market.result import Result
from adsim.market.scenario import Scenario, read_scenario
from adsim.types import Floats

PHASES: dict[str, Any] = {"cycles": 3, "share": [0.2, 0.5, 0.3], "value": [1.0, 0.25, 3.0], "price": [0.5, 1.0, 1.5]}
OPPORTUNITIES = 1301
"""More than two tiles; no cut of PHASES lies halfway between two opportunities."""


def between(low: float, high: float) -> dict[str, Any]:
    return {"distribution": "uniform", "low": low, "high": high}


CONTEXTUAL: dict[str, Any] = {"source": "contextual", "ctr": between(0.3, 0.6), "cvr": 0.5, "ctr_noise": 0.3}
TRAFFIC: dict[str, dict[str, Any]] = {
    "independent": {"source": "independent", "value": between(0.2, 1.0)},
    "same amounts": CONTEXTUAL,
    "basket": CONTEXTUAL | {"basket": 0.4},
}


def make(
    traffic: str = "same amounts",
    phases: dict[str, Any] | None = PHASES,
    *,
    count: int = 3,
    opportunities: int = OPPORTUNITIES,
    ticks: int = 4,
    **tables: Any,
) -> Scenario:
    """Campaigns whose budgets end within the period, against posted prices."""
    campaign = {
        "count": count,
        "agent": "fixed:multiplier=0.7",
        "value": between(0.5, 2.0),
        "budget": between(0.01 * opportunities, 0.02 * opportunities),
        "stock": 0.08 * opportunities,
    }
    given = {
        "market": {"ticks": ticks, "opportunities": opportunities},
        "auction": {"mechanism": "second_price", "charge": "conversion"},
        "traffic": TRAFFIC[traffic],
        "competition": {"price": between(0.0, 0.3)},
        "campaigns": [campaign],
    }
    return read_scenario(given | tables | ({} if phases is None else {"phases": phases}), "test")


def alone(traffic: str, **tables: Any) -> Scenario:
    """One campaign, whose truth can be shown."""
    return make(traffic, count=1, auction={"mechanism": "second_price"}, **tables)


def factors(phases: dict[str, Any], opportunities: int) -> tuple[list[float], list[float]]:
    """Of values and of prices, opportunity by opportunity."""
    cycles, share = phases["cycles"], phases["share"]
    pairs = [(cycle, k) for cycle in range(cycles) for k in range(len(share))]
    begins = [(round((cycle + sum(share[:k])) / cycles * opportunities), k) for cycle, k in pairs]
    values, prices = [], []
    for t in range(opportunities):
        current = [k for begin, k in begins if begin <= t][-1]
        values.append(phases["value"][current])
        prices.append(phases["price"][current])
    return values, prices


def single(numbers: Any) -> Any:
    return np.asarray(numbers, np.float32)


def bits(result: Result) -> list[bytes]:
    """What a period leaves behind."""
    assert result._events is not None
    left = [result.history[-1].tobytes(), result.budget_left.tobytes(), result.stock_left.tobytes()]
    return left + [column.tobytes() for column in result._events]


# where they begin and end


@settings(deadline=None)
@given(
    st.lists(st.floats(1e-6, 1), min_size=1, max_size=9),
    st.integers(1, 40),
    st.integers(0, 10**6),
    st.floats(-1e-9, 1e-9),
)
def test_phases_cover_the_period_exactly_once(weights: list[float], cycles: int, more: int, rounding: float) -> None:
    opportunities = cycles + more
    share = [weight / sum(weights) * (1 + rounding) for weight in weights]
    cuts = cut(share, cycles, opportunities)
    assert (cuts.dtype, cuts.shape) == (np.dtype(np.int64), (cycles * len(share) + 1,))
    assert (cuts[0], cuts[-1]) == (0, opportunities)
    lengths = np.diff(cuts)
    assert (lengths >= 0).all()
    assert lengths.sum() == opportunities
    np.testing.assert_allclose(lengths, np.tile(share, cycles) * opportunities / cycles, atol=1 + 1e-6)


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=5), st.integers(1, 300), st.integers(1, 2000))
def test_cycles_of_a_length_repeat_until_the_period_cuts_the_last_one_off(
    weights: list[float], length: int, opportunities: int
) -> None:
    phases = PhasesTable(length=length, share=[w / sum(weights) for w in weights], value=[1.0] * len(weights))
    cuts = phases.cuts(opportunities)
    assert (cuts[0], cuts[-1]) == (0, opportunities)
    assert (np.diff(cuts) >= 0).all()
    assert phases.factors(phases.value, opportunities).size == cuts.size - 1
    begins = cuts[: -1 : len(weights)]
    assert begins.tolist() == list(range(0, opportunities, length))


def test_shares_that_miss_one_by_rounding_keep_the_order() -> None:
    assert cut((1 + 9e-10, 1e-12), 2, 10**10).tolist() == [0, 5 * 10**9, 5 * 10**9, 10**10, 10**10]


def test_a_phase_can_be_shorter_than_an_opportunity() -> None:
    phases = {"cycles": 5, "share": [0.001, 0.999], "value": [1000.0, 1.0]}
    few, none = (Market(make("basket", given, opportunities=20)).run(events=True) for given in (phases, None))
    assert cut((0.001, 0.999), 5, 20).tolist() == [0, 0, 4, 4, 8, 8, 12, 12, 16, 16, 20]
    assert bits(few) == bits(none)


# what they scale


@pytest.mark.parametrize("traffic", TRAFFIC)
def test_hindsight_is_scaled_opportunity_by_opportunity(traffic: str) -> None:
    phased, plain = (Market(alone(traffic, phases=phases), 5).hindsight() for phases in (PHASES, None))
    values, prices = factors(PHASES, OPPORTUNITIES)
    for t in range(OPPORTUNITIES):
        assert phased.value[t] == pytest.approx(plain.value[t] * values[t], rel=1e-6)
        assert phased.predicted_value[t] == pytest.approx(plain.predicted_value[t] * values[t], rel=1e-6)
        assert phased.price[t] == single(plain.price[t]) * single(prices[t])
        assert phased.cost[t] == phased.price[t]


@pytest.mark.parametrize("traffic", TRAFFIC)
def test_tiles_of_any_cut_hold_the_same(traffic: str) -> None:
    plain, phased = (lay_out(Market(make(traffic, phases), 2)) for phases in (None, PHASES))
    values = single(factors(PHASES, OPPORTUNITIES)[0])
    near = [t + shift for t in cut(PHASES["share"], 3, OPPORTUNITIES).tolist() for shift in (-1, 0, 1)]
    for first, last in combinations([t for t in near if 0 <= t <= OPPORTUNITIES], 2):
        if last - first <= phased.truth.amount.shape[1]:
            plain.fill(first, last - first)
            phased.fill(first, last - first)
            unscaled, scaled = (market.truth.amount[:3, : last - first] for market in (plain, phased))
            np.testing.assert_array_equal(scaled, unscaled * values[first:last])
            assert (phased.scratch.bound >= scaled.max(axis=1)).all()


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("charge", ["exposure", "click", "conversion"])
def test_a_market_is_its_plain_twin_on_traffic_scaled_by_hand(traffic: str, charge: str) -> None:
    opportunities, size = 401, 3
    auction = {"mechanism": "second_price", "charge": charge}
    scenario = make(traffic, opportunities=opportunities, auction=auction)
    values, prices = map(single, factors(PHASES, opportunities))
    market = Market(scenario, 7)
    laid_out = lay_out(Market(make(traffic, None, opportunities=opportunities, auction=auction), 7))
    laid_out.fill(0, opportunities)
    ctr, cvr, amount = (rows[:size, :opportunities] for rows in laid_out.truth)
    given = naive.Traffic(
        value=ctr * cvr * (amount * values),
        rate=laid_out.candidates.rate,
        ctr=ctr,
        cvr=cvr,
        amount=amount * values,
        experience=laid_out.candidates.experience,
        posted=laid_out.candidates.value[size, :opportunities] * prices,
        scan_key=int(laid_out.accounts.scan_key[0]),
        click_keys=laid_out.accounts.click_key.tolist(),
        conversion_keys=laid_out.accounts.conversion_key.tolist(),
    )
    own = market.campaigns.constraints
    terms = naive.Terms([0.7] * size, own.budget.tolist(), [0.0] * size, own.stock.tolist(), [1.0] * size)
    rules = {"exposure": (1.0,), "reserve": np.float32(0), "beta": np.float32(0)}
    sales, money, stock = naive.market("second_price", rules, given, terms, charge, False, np.float32)
    result = market.run(events=True)
    events = result.events[result.events.winner < size]
    found = events[["opportunity", "winner"]].to_numpy().tolist()
    assert found == [[sale.opportunity, sale.winner] for sale in sales]
    np.testing.assert_allclose(events.charge, [sale.charge for sale in sales], rtol=1e-5, atol=1e-7)
    earned = [sum(sale.value for sale in sales if sale.winner == n) for n in range(size)]
    np.testing.assert_allclose(result.totals.value, earned, rtol=1e-6)
    np.testing.assert_allclose(result.budget_left, money, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(result.stock_left, stock, rtol=1e-9)


def test_constraints_bind_in_the_markets_compared() -> None:
    for traffic in TRAFFIC:
        result = Market(make(traffic, opportunities=401), 7).run()
        assert (result.budget_left < 0.01 * result.campaigns["budget"].to_numpy()).all()


@pytest.mark.parametrize("traffic", TRAFFIC)
def test_neither_ticks_nor_windows_change_a_bit(traffic: str) -> None:
    base = bits(Market(make(traffic), 1).run(events=True))
    for ticks, window in ((1, 512), (4, 1), (50, 7), (1301, 512)):
        assert bits(Market(make(traffic, ticks=ticks), 1, window=window).run(events=True)) == base


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("traffic", TRAFFIC)
def test_factors_of_one_change_no_bit(traffic: str, noise: float) -> None:
    predictor = {"kind": "noise", "ctr_error": noise, "cvr_error": noise}
    ones = {"cycles": 7, "value": [1.0, 1.0], "price": [1.0, 1.0]}
    plain, phased = (Market(make(traffic, given, predictor=predictor), 3).run(events=True) for given in (None, ones))
    assert bits(plain) == bits(phased)


@pytest.mark.parametrize("traffic", TRAFFIC)
def test_a_phase_without_value_sells_to_nobody(traffic: str) -> None:
    scenario = make(traffic, {"value": [1.0, 0.0]}, opportunities=400)
    events = Market(scenario, 2).run(events=True).events
    sold = events[events.winner < 3].opportunity
    assert sold.size > 0
    assert sold.max() < 200


def test_a_market_without_posted_prices_has_phases_of_values() -> None:
    tables = {"competition": None, "auction": {"mechanism": "gsp", "slots": 2}}
    unlimited = {"campaigns.0.budget": None, "campaigns.0.stock": None}
    half, whole = (
        Market(make("basket", phases, **tables).replace(unlimited), 2).run().totals
        for phases in ({"value": [0.5]}, None)
    )
    assert half.wins.tolist() == whole.wins.tolist()
    assert half.spend.tolist() == (whole.spend / 2).tolist()
    assert half.value.tolist() == (whole.value / 2).tolist()


# bidding for single opportunities


@pytest.mark.parametrize("traffic", TRAFFIC)
def test_the_environment_of_single_opportunities_sees_the_same(traffic: str) -> None:
    market = {"opportunities": 300, "outcomes": "expected"}
    changes = {"campaigns.0.budget": 1e9, "campaigns.0.stock": 1e9}
    tables = {"market": market, "auction": {"mechanism": "second_price"}}
    scenario = make(traffic, count=1, **tables).replace(changes)
    truth = Market(scenario, 4).hindsight()
    env = ImpressionEnv(scenario, max_price=10.0)
    env.reset(seed=4)
    found: list[Floats] = []
    for _ in range(300):
        *_, info = env.step(np.array([1.0]))
        found.append(np.array([info["value"], info["predicted_value"], info["spend"]]))
    expected = np.cumsum([truth.value, truth.predicted_value, truth.cost], axis=1).T
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_highest_price_is_that_of_the_dearest_phase() -> None:
    plain, phased = (ImpressionEnv(alone("independent", phases=phases)).max_price for phases in (None, PHASES))
    assert phased == pytest.approx(1.5 * plain)


# validation

FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no factor": ({"cycles": 2}, "phases: value and price are missing: give a factor for each phase"),
    "lengths": ({"share": [0.5, 0.5], "value": [1, 2, 3]}, "phases: 2 in share, 3 in value: give one number for"),
    "lengths of factors": ({"value": [1, 2, 3], "price": [1]}, "phases: 3 in value, 1 in price"),
    "sum of shares": ({"share": [0.5, 0.4], "value": [1, 2]}, "phases: share sums to 0.9: the phases of a cycle"),
    "no share": ({"share": [0, 1], "value": [1, 2]}, "phases.share.0 = 0: input should be greater than 0"),
    "no phase": ({"value": []}, "phases.value: "),
    "negative value": ({"value": [1, -1]}, "phases.value.1 = -1: input should be greater than or equal to 0"),
    "free": ({"price": [0, 1]}, "phases.price.0 = 0: input should be greater than 0"),
    "too high": ({"value": [2 * HIGHEST]}, "phases.value.0 = 2000000.0: input should be less than or equal to"),
    "NaN": ({"value": [float("nan")]}, "phases.value.0 = nan: input should be a finite number"),
    "no cycle": ({"cycles": 0, "value": [1]}, "phases.cycles = 0: input should be greater than or equal to 1"),
    "many cycles": ({"cycles": 1302, "value": [1]}, "phases.cycles = 1302: a cycle is at least one of market.opp"),
    "unknown key": ({"valeu": [1]}, "phases: unknown key 'valeu'. Did you mean 'value'?"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_place(name: str) -> None:
    phases, words = FAULTS[name]
    with pytest.raises(ScenarioError) as fault:
        make(phases=phases)
    assert words in str(fault.value)
    assert "\n" not in str(fault.value)


def test_prices_are_scaled_only_where_they_are_posted() -> None:
    with pytest.raises(ScenarioError, match=r"phases\.price scales posted prices, and there is no \[competition\]"):
        make(phases={"price": [1, 2]}, competition=None)


def test_shares_may_miss_one_by_rounding() -> None:
    scenario = make(phases={"share": [1 / 3, 1 / 3, 0.3333333333], "value": [1, 2, 3]})
    assert scenario.phases is not None
    assert scenario.phases.cuts(OPPORTUNITIES).tolist() == [0, 434, 867, 1301]


def test_phases_can_be_changed_one_by_one() -> None:
    scenario = make().replace({"phases.cycles": 2, "phases.value": [1.0, 2.0, 1.0]})
    assert scenario.phases is not None
    assert (scenario.phases.cycles, scenario.phases.value) == (2, (1.0, 2.0, 1.0))
    assert scenario.phases.price == tuple(PHASES["price"])
