"""The market: sequential whatever the window, exact in money and stock, the same bits everywhere, and discreet."""

import copy
import hashlib
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any, ClassVar

import joblib
import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laid_out import amounts, lay_out

from adsim import registry
from adsim.agents.base import Agent
from adsim.agents.oracle import best_threshold
from adsim.errors import AgentError, ScenarioError
from adsim.market import metrics
from adsim.market.market import Market
from adsim.market.result import Result
from adsim.market.scenario import Scenario, read_scenario
from adsim.types import Constraints, Floats, Hindsight, History, Observation, PublicFacts, Totals

MECHANISMS = sorted(naive.MECHANISMS)
CHARGES = ["exposure", "click", "conversion"]
OUTCOMES = ["sampled", "expected"]
KINDS = list(product(MECHANISMS, CHARGES, OUTCOMES))
EXPOSURE = [1.0, 0.75, 0.5]
"""Exact in float32."""


def between(low: float, high: float) -> dict[str, Any]:
    return {"distribution": "uniform", "low": low, "high": high}


CONTEXTUAL: dict[str, Any] = {
    "source": "contextual",
    "ctr": between(0.2, 0.5),
    "cvr": between(0.3, 0.6),
    "ctr_noise": 0.3,
    "cvr_noise": 0.2,
    "basket": 0.4,
    "experience": {"mean": 0.1},
}
INDEPENDENT: dict[str, Any] = {"source": "independent", "value": between(0.0, 1.0)}
CAMPAIGN: dict[str, Any] = {
    "count": 4,
    "agent": "fixed:multiplier=0.7",
    "value": between(0.5, 2.0),
    "target_roi": between(1.0, 3.0),
}


def make(
    mechanism: str = "gsp",
    charge: str = "exposure",
    outcomes: str = "sampled",
    *,
    campaigns: dict[str, Any] | list[dict[str, Any]] = CAMPAIGN,
    opportunities: int = 400,
    ticks: int = 3,
    exposure: list[float] | None = None,
    reserve: float = 0.0,
    beta: float = 0.0,
    traffic: dict[str, Any] = CONTEXTUAL,
    **tables: Any,
) -> Scenario:
    """A small market."""
    exposure = EXPOSURE if exposure is None else exposure
    auction = {
        "mechanism": mechanism,
        "charge": charge,
        "exposure": exposure[:1] if mechanism == "second_price" else exposure,
        "reserve": reserve,
        "beta": beta,
    }
    return read_scenario(
        {
            "market": {"ticks": ticks, "opportunities": opportunities, "outcomes": outcomes},
            "auction": auction,
            "traffic": traffic,
            "campaigns": [campaigns] if isinstance(campaigns, dict) else campaigns,
            **tables,
        },
        "test",
    )


def alone(**terms: Any) -> dict[str, Any]:
    """One campaign against posted prices, both uniform on [0, 1): keyword arguments of `make`."""
    return {
        "campaigns": {"agent": "truthful", **terms},
        "traffic": INDEPENDENT,
        "competition": {"price": between(0.0, 1.0)},
        "exposure": [1.0],
        "outcomes": "expected",
    }


def fixed(scenario: Scenario, multiplier: float) -> Floats:
    return np.full((scenario.market.ticks, scenario.size), multiplier)


def bits(result: Result) -> dict[str, bytes]:
    """Every number that a period leaves behind."""
    accounts = {"money": result.budget_left.tobytes(), "stock": result.stock_left.tobytes()}
    events = {} if result._events is None else {key: x.tobytes() for key, x in result._events._asdict().items()}
    return {"ledger": result.history.tobytes(), "bids": result.multipliers.tobytes(), **accounts, **events}


def terms(result: Result) -> Constraints:
    return result.constraints


# windows of speculation


def tight(
    mechanism: str,
    charge: str,
    outcomes: str,
    *,
    count: int = 4,
    agent: str = "fixed:multiplier=0.7",
    budget: float = 3.0,
    stock: float = 10.0,
    in_value: bool = False,
    posted: bool = False,
    noise: bool = False,
    independent: bool = False,
    scored: bool = False,
    reserve: float = 0.0,
    opportunities: int = 700,
) -> Scenario:
    """A market in which most campaigns drop out."""
    campaigns = CAMPAIGN | {
        "count": count,
        "agent": agent,
        "budget": between(budget / 2, 2 * budget),
        "stock_value" if in_value else "stock": between(stock / 2, 2 * stock),
        "quality": between(0.5, 2.0) if scored else 1.0,
    }
    tables: dict[str, Any] = {"competition": {"price": between(0.0, 0.3)}} if posted else {}
    if noise:
        tables["predictor"] = {"kind": "noise", "ctr_error": 0.4, "cvr_error": 0.4, "bias_spread": 0.3}
    independent = independent and mechanism != "split"
    return make(
        mechanism,
        charge,
        outcomes,
        campaigns=campaigns,
        opportunities=opportunities,
        traffic=INDEPENDENT if independent else CONTEXTUAL,
        beta=0.5 if scored and not independent else 0.0,
        reserve=reserve,
        **tables,
    )


tight_markets = st.builds(
    tight,
    st.sampled_from(MECHANISMS),
    st.sampled_from(CHARGES),
    st.sampled_from(OUTCOMES),
    count=st.integers(1, 7),
    agent=st.sampled_from(["fixed:multiplier=0.7", "fixed:multiplier=30", "feedback:step=0.5", "stock_dual"]),
    budget=st.sampled_from([0.2, 1.0, 5.0, 20.0]),
    stock=st.sampled_from([1.0, 4.0, 15.0]),
    in_value=st.booleans(),
    posted=st.booleans(),
    noise=st.booleans(),
    independent=st.booleans(),
    scored=st.booleans(),
    reserve=st.sampled_from([0.0, 0.02]),
)


@settings(deadline=None, max_examples=150)
@given(
    tight_markets.filter(lambda s: s.auction.mechanism == "lpa" or s.campaigns[0].agent != "stock_dual"),
    st.integers(0, 10**6),
    st.sampled_from([2, 5, 16, 100]),
)
def test_any_window_is_the_sequential_market_bit_for_bit(scenario: Scenario, seed: int, window: int) -> None:
    sequential = bits(Market(scenario, seed, window=1).run(events=True))
    for width in (window, 512):
        assert bits(Market(scenario, seed, window=width).run(events=True)) == sequential


@pytest.mark.parametrize(("mechanism", "charge", "outcomes"), KINDS)
def test_windows_do_not_matter_to_any_kind_of_market(mechanism: str, charge: str, outcomes: str) -> None:
    scenario = tight(mechanism, charge, outcomes)
    sequential = Market(scenario, 3, window=1).run(events=True)
    assert bits(Market(scenario, 3).run(events=True)) == bits(sequential)
    assert (sequential.stock_left <= 0).any()


@pytest.mark.parametrize("mechanism", ["first_price", "gsp", "vcg"])
def test_in_a_tight_market_budgets_run_out(mechanism: str) -> None:
    result = Market(tight(mechanism, "exposure", "sampled", stock=1000), 3).run()
    assert (result.totals.spend > 0.999 * terms(result).budget).sum() >= 3


def test_windows_do_not_matter_where_a_cap_is_the_bid_itself() -> None:
    multiplier, value = np.float32(0.7), np.float32(3)
    bid = np.float32(multiplier * value)

    def market(**budget: float) -> Scenario:
        return make(
            "first_price",
            "conversion",
            campaigns={"agent": f"fixed:multiplier={float(multiplier)}", "value": float(value), **budget},
            traffic=CONTEXTUAL | {"basket": 0.0, "ctr": 0.1},
            exposure=[1.0],
            ticks=1,
        )

    events = Market(market(), 1).run(events=True).events
    first_sale = float(events.charge[events.charge > 0].iloc[0])
    scenario = market(budget=first_sale + float(bid) / (1 - naive.EXHAUSTED))
    assert bits(Market(scenario, 1, window=1).run(events=True)) == bits(Market(scenario, 1).run(events=True))


@pytest.mark.parametrize("window", [0, -1])
def test_a_window_holds_at_least_one_auction(window: int) -> None:
    with pytest.raises(ScenarioError, match="window"):
        Market(make(), window=window)


# the plain-Python market


def naive_sales(market: Market, multiplier: float) -> tuple[list[naive.Sale], list[float], list[float]]:
    """The twin on the first tile of a market's own traffic."""
    scenario, campaigns = market.scenario, market.campaigns.constraints
    opportunities, size = scenario.market.opportunities, scenario.size
    laid_out = lay_out(market)
    _, truth, _, candidates, accounts = laid_out
    assert opportunities <= truth.ctr.shape[1]
    laid_out.fill(0, opportunities)
    traffic = naive.Traffic(
        value=candidates.value[:size, :opportunities],
        rate=candidates.rate[:size],
        ctr=truth.ctr,
        cvr=truth.cvr,
        amount=truth.amount,
        experience=candidates.experience,
        posted=candidates.value[size] if scenario.competition else None,
        scan_key=int(accounts.scan_key[0]),
        click_keys=accounts.click_key.tolist(),
        conversion_keys=accounts.conversion_key.tolist(),
    )
    agreed = naive.Terms(
        [multiplier] * size,
        campaigns.budget.tolist(),
        campaigns.target_roi.tolist(),
        campaigns.stock.tolist(),
        candidates.quality[:size, 0].tolist(),
        campaigns.stock_unit.tolist(),
    )
    auction = {
        "exposure": scenario.auction.slot_exposure,
        "reserve": np.float32(scenario.auction.reserve),
        "beta": np.float32(scenario.auction.beta),
        "ad_share": scenario.auction.ad_share,
    }
    return naive.market(
        scenario.auction.mechanism,
        auction,
        traffic,
        agreed,
        scenario.auction.charge,
        scenario.market.outcomes == "expected",
        np.float32,
    )


@pytest.mark.parametrize(("mechanism", "charge", "outcomes"), KINDS)
@pytest.mark.parametrize("style", ["plain", "scored", "posted", "independent", "in value"])
def test_market_is_its_plain_twin(mechanism: str, charge: str, outcomes: str, style: str) -> None:
    scenario = tight(
        mechanism,
        charge,
        outcomes,
        scored=style == "scored",
        posted=style == "posted",
        independent=style == "independent",
        in_value=style == "in value",
        noise=style in ("scored", "independent"),
        reserve=0.02 if style in ("scored", "posted") else 0.0,
        opportunities=250,
    )
    market = Market(scenario, 7)
    sales, money, stock = naive_sales(market, 0.7)
    result = market.run(events=True)
    events = result.events[result.events.winner < scenario.size]
    found = events[["opportunity", "slot", "winner"]].to_numpy()
    np.testing.assert_array_equal(found, [(sale.opportunity, sale.slot, sale.winner) for sale in sales])
    np.testing.assert_allclose(events.charge, [sale.charge for sale in sales], rtol=1e-5, atol=3e-7)
    np.testing.assert_allclose(result.budget_left, money, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(result.stock_left, stock, rtol=1e-12, atol=1e-12)
    units = metrics.units_sold(terms(result), result.totals)
    np.testing.assert_allclose(terms(result).stock - units, stock, rtol=1e-9, atol=1e-9)
    columns = ["shown", "clicks", "conversions", "value", "predicted_value", "charge", "experience"]
    for name, column in zip(Totals._fields[1:], columns, strict=True):
        expected = np.zeros(scenario.size)
        for sale in sales:
            expected[sale.winner] += getattr(sale, column)
        np.testing.assert_allclose(getattr(result.totals, name), expected, rtol=1e-5, atol=1e-9)


# money, stock and books


@settings(deadline=None, max_examples=150)
@given(
    tight_markets.filter(lambda s: s.auction.mechanism == "lpa" or s.campaigns[0].agent != "stock_dual"),
    st.integers(0, 10**6),
)
def test_nobody_spends_more_than_its_budget(scenario: Scenario, seed: int) -> None:
    result = Market(scenario, seed).run()
    assert (result.totals.spend <= terms(result).budget).all()
    assert (result.budget_left >= 0).all()


@settings(deadline=None, max_examples=100)
@given(
    tight_markets.filter(lambda s: s.auction.mechanism == "lpa" or s.campaigns[0].agent != "stock_dual"),
    st.integers(0, 10**6),
)
def test_who_has_sold_out_is_absent_from_the_next_page(scenario: Scenario, seed: int) -> None:
    result = Market(scenario, seed).run(events=True)
    amount, unit = amounts(scenario, seed), terms(result).stock_unit
    for n, stock in enumerate(terms(result).stock):
        own = result.events[result.events.winner == n]
        taken = own.conversions * (amount[own.opportunity, n] / unit[n] if unit[n] else 1.0)
        sold_before = np.concatenate([[0.0], np.cumsum(taken)[:-1]])
        assert (sold_before < stock * (1 + 1e-12)).all()
        assert taken.sum() - stock <= taken.max() if len(own) else True


@pytest.mark.parametrize("mechanism", ["first_price", "gsp", "vcg", "split"])
@pytest.mark.parametrize("reserve", [0.0, -0.0])
def test_who_has_left_wins_nothing_even_where_nobody_else_is_left(mechanism: str, reserve: float) -> None:
    scenario = make(mechanism, campaigns=CAMPAIGN | {"stock": 2.5}, reserve=reserve)
    events = Market(scenario, 1).run(events=True).events
    sold = events.groupby("winner").conversions.sum()
    assert (sold == 3).all()
    assert events.opportunity.max() < 399


@settings(deadline=None, max_examples=60)
@given(
    tight_markets.filter(lambda s: s.auction.mechanism == "lpa" or s.campaigns[0].agent != "stock_dual"),
    st.integers(0, 10**6),
)
def test_ledger_is_the_sum_of_events(scenario: Scenario, seed: int) -> None:
    result = Market(scenario, seed).run(events=True)
    events = result.events[result.events.winner < scenario.size]
    sums = {"exposures": "shown", "clicks": "clicks", "conversions": "conversions", "spend": "charge"}
    for total, column in sums.items():
        booked = np.bincount(events.winner, weights=events[column], minlength=scenario.size)
        np.testing.assert_allclose(getattr(result.totals, total), booked, rtol=1e-12, atol=1e-12)
    assert result.totals.wins.tolist() == np.bincount(events.winner, minlength=scenario.size).tolist()


def test_revenue_is_the_sum_of_payments() -> None:
    result = Market(tight("gsp", "click", "sampled"), 2).run(events=True)
    assert result.summary["revenue"] == pytest.approx(result.events.charge.sum(), rel=1e-12)
    assert result.summary["revenue"] == pytest.approx(result.ticks.spend.sum(), rel=1e-12)
    assert result.summary["revenue"] == pytest.approx(result.campaigns.spend.sum(), rel=1e-12)


def test_events_are_sales_to_campaigns_of_the_market() -> None:
    scenario = make("gsp", competition={"price": between(0.0, 0.3)})
    winners = Market(scenario, 0).run(events=True).events.winner
    assert winners.max() < scenario.size


def test_events_not_kept_are_asked_for_by_name() -> None:
    with pytest.raises(ValueError, match=r"run\(events=True\)"):
        _ = Market(make()).run().events


@pytest.mark.parametrize("charge", ["click", "conversion"])
@pytest.mark.parametrize("mechanism", ["first_price", "gsp", "vcg", "lpa"])
def test_perfect_predictions_charge_the_same_in_expectation_whatever_the_event(mechanism: str, charge: str) -> None:
    per_exposure = Market(make(mechanism, "exposure", "expected"), 1).run().totals.spend
    np.testing.assert_allclose(
        Market(make(mechanism, charge, "expected"), 1).run().totals.spend, per_exposure, rtol=1e-5
    )


@pytest.mark.parametrize("outcomes", OUTCOMES)
def test_a_liquid_payment_per_sale_holds_the_target_to_machine_precision(outcomes: str) -> None:
    scenario = make("lpa", "conversion", outcomes, predictor={"kind": "noise", "ctr_bias": 2.0})
    result = Market(scenario, 1).run()
    assert (result.totals.spend > 0).all()
    np.testing.assert_allclose(result.totals.spend, result.totals.value / terms(result).target_roi, rtol=1e-12)


@pytest.mark.parametrize("charge", ["exposure", "click"])
def test_liquid_payments_hold_the_target_in_expectation(charge: str) -> None:
    result = Market(make("lpa", charge, "expected"), 1).run()
    np.testing.assert_allclose(result.totals.spend, result.totals.value / terms(result).target_roi, rtol=1e-6)


@pytest.mark.parametrize("mechanism", ["first_price", "gsp", "vcg", "lpa"])
def test_expected_outcomes_are_the_mean_of_sampled_ones(mechanism: str) -> None:
    big = {"opportunities": 60_000, "ticks": 1}
    sampled = Market(make(mechanism, "click", **big), 1).run().totals
    expected = Market(make(mechanism, "click", "expected", **big), 1).run().totals
    assert sampled.wins.tolist() == expected.wins.tolist()
    for name in ("exposures", "clicks", "conversions", "value", "spend", "experience"):
        np.testing.assert_allclose(getattr(sampled, name), getattr(expected, name), rtol=0.05)


# the same numbers everywhere


def test_two_mechanisms_see_the_same_users() -> None:
    first, second = (
        Market(make(mechanism, opportunities=3000), 5).run(events=True).events for mechanism in ("gsp", "split")
    )
    same = first.merge(second, on=["opportunity", "winner", "slot"], suffixes=("", "_other"))
    assert 500 < len(same) < len(first)
    for column in ("shown", "clicks", "conversions"):
        assert (same[column] == same[f"{column}_other"]).all()


def test_a_click_is_drawn_for_the_pair_whichever_slot_shows_it() -> None:
    first, second = (
        Market(make(mechanism, opportunities=3000), 5).run(events=True).events for mechanism in ("gsp", "split")
    )
    same = first.merge(second, on=["opportunity", "winner"], suffixes=("", "_other"))
    seen = same[(same.slot != same.slot_other) & (same.shown == 1) & (same.shown_other == 1)]
    assert len(seen) > 100
    assert (seen.clicks == seen.clicks_other).all()
    assert (seen.conversions == seen.conversions_other).all()


def test_a_user_who_sees_a_slot_sees_all_above_it() -> None:
    shown = Market(make(opportunities=2000), 1).run(events=True)._events.shown
    assert (np.diff(shown, axis=1) <= 0).all()
    np.testing.assert_allclose(shown.mean(axis=0), EXPOSURE, atol=0.05)


SMALL = {"opportunities": 2500, "ticks": 4}


def digest(tables: dict[str, Any], seed: int) -> str:
    """A hash of all that a market left behind."""
    numbers = bits(Market(read_scenario(tables, "test"), seed).run(events=True))
    return hashlib.sha256(b"".join(numbers.values())).hexdigest()


def tables_of(scenario: Scenario) -> dict[str, Any]:
    return scenario.model_dump(mode="json", exclude_unset=True)


MARKETS = [
    tables_of(tight("gsp", "click", "sampled", agent="feedback", scored=True, noise=True)),
    tables_of(tight("lpa", "conversion", "sampled", agent="stock_dual", posted=True)),
]


@pytest.mark.parametrize("tables", MARKETS)
def test_two_threads_at_once_change_nothing(tables: dict[str, Any]) -> None:
    alone = [digest(tables, seed) for seed in range(8)]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda seed: digest(tables, seed), range(8))) == alone
    assert len(set(alone)) == 8


def test_other_processes_get_the_same_bits() -> None:
    jobs = list(product(MARKETS, range(2)))
    elsewhere = joblib.Parallel(n_jobs=2, backend="loky")(joblib.delayed(digest)(*job) for job in jobs)
    assert elsewhere == [digest(*job) for job in jobs]


@pytest.mark.parametrize("tables", MARKETS)
def test_a_market_can_run_again(tables: dict[str, Any]) -> None:
    market = Market(read_scenario(tables, "test"), 1)
    first = bits(market.run(events=True))
    assert bits(market.run(events=True)) == first


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_ticks_change_nothing_but_when_agents_act(mechanism: str) -> None:
    results = [
        Market(tight(mechanism, "click", "sampled").replace({"market.ticks": ticks}), 1).run(events=True)
        for ticks in (1, 2, 7)
    ]
    for result in results[1:]:
        assert result.history[-1].tobytes() == results[0].history[-1].tobytes()
        assert result._events.charge.tobytes() == results[0]._events.charge.tobytes()


def test_another_campaign_changes_no_draw_of_the_others() -> None:
    few, many = (lay_out(Market(make(campaigns=CAMPAIGN | {"count": count}), 1)) for count in (3, 4))
    for market in (few, many):
        market.fill(0, 400)
    for name in ("ctr", "cvr", "amount"):
        one, other = (getattr(market.truth, name) for market in (few, many))
        np.testing.assert_array_equal(one[:3, :400], other[:3, :400])


@pytest.mark.parametrize("seed", [-1, 1.5, "one", 2**63])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(ScenarioError, match="seed"):
        Market(make(), seed)


def test_a_market_of_one_opportunity_and_many_ticks_runs() -> None:
    result = Market(make(opportunities=1, ticks=9)).run()
    assert result.totals.wins.sum() == len(EXPOSURE)


# posted competition


def test_a_campaign_wins_ties_against_posted_prices() -> None:
    market = alone() | {
        "traffic": {"source": "independent", "value": 0.5},
        "competition": {"price": 0.5},
    }
    result = Market(make("second_price", **market)).run()
    assert result.totals.wins.tolist() == [400]
    assert result.totals.spend[0] == pytest.approx(200)


def test_truthful_bidding_against_uniform_prices_does_as_computed_by_hand() -> None:
    opportunities = 200_000
    result = Market(make("second_price", **alone(objective="utility"), opportunities=opportunities, ticks=1)).run()
    means = {name: getattr(result.totals, name)[0] / opportunities for name in ("wins", "value", "spend")}
    for name, mean, square in (("wins", 1 / 2, 1 / 2), ("value", 1 / 3, 1 / 4), ("spend", 1 / 6, 1 / 12)):
        error = np.sqrt((square - mean**2) / opportunities)
        assert abs(means[name] - mean) < 4 * error


def test_a_reserve_above_the_posted_price_is_what_the_winner_pays() -> None:
    opportunities = 100_000
    market = alone(objective="utility") | {"opportunities": opportunities, "reserve": 0.5}
    totals = Market(make("second_price", **market), 1).run().totals
    wins, spend = totals.wins[0] / opportunities, totals.spend[0] / opportunities
    assert wins == pytest.approx(3 / 8, abs=0.01)
    assert spend == pytest.approx(0.5 * 0.25 + 1 / 12 * 1.0, abs=0.01)


@pytest.mark.parametrize("mechanism", ["first_price", "second_price", "gsp", "vcg", "lpa"])
def test_a_reserve_below_all_posted_prices_changes_nothing(mechanism: str) -> None:
    scenario = make(mechanism, exposure=[1.0], competition={"price": between(0.1, 0.3)})
    without = Market(scenario, 1).run().totals.wins
    assert Market(scenario.replace({"auction.reserve": 0.001}), 1).run().totals.wins.tolist() == without.tolist()


# hindsight


def best_by_trying(hindsight: Hindsight, budget: float, target: float) -> float:
    """Most value that any multiplier wins within the constraints."""
    best = 0.0
    ratios = np.unique(hindsight.price / hindsight.predicted_value)
    for multiplier in [0.0, *((ratios[1:] + ratios[:-1]) / 2), 2 * ratios[-1]]:
        won = multiplier * hindsight.predicted_value >= hindsight.price
        spend, value = hindsight.price[won].sum(), hindsight.value[won].sum()
        if spend <= budget and value >= target * spend:
            best = max(best, value)
    return best


@settings(deadline=None, max_examples=150)
@given(
    st.integers(0, 10**6),
    st.integers(1, 40),
    st.sampled_from([0.5, 2.0, 5.0, np.inf]),
    st.sampled_from([0.0, 1.0, 1.5, 2.5]),
    st.floats(0, 0.5),
)
def test_oracle_is_the_best_of_all_multipliers(
    seed: int, opportunities: int, budget: float, target: float, error: float
) -> None:
    rng = np.random.default_rng(seed)
    value = rng.uniform(0.05, 1, opportunities)
    predicted = value * rng.uniform(1 - error, 1 + error, opportunities)
    price = rng.uniform(0.01, 1, opportunities)
    hindsight = Hindsight(predicted, value, price, price)
    won = best_threshold(hindsight, budget, target) * predicted >= hindsight.price
    assert hindsight.price[won].sum() <= budget
    assert value[won].sum() >= target * hindsight.price[won].sum()
    assert value[won].sum() == pytest.approx(best_by_trying(hindsight, budget, target))


def test_oracle_keeps_to_its_constraints_where_many_prices_tie() -> None:
    predicted, price = np.ones(10), np.ones(10)
    value = np.array([1.0] * 5 + [0.5] * 5)
    threshold = best_threshold(Hindsight(predicted, value, price, price), np.inf, 1.0)
    won = threshold * predicted >= price
    assert value[won].sum() >= price[won].sum()


@pytest.mark.parametrize("constraint", [{"budget": 20.0}, {"target_roi": 1.8}, {"budget": 60.0, "target_roi": 1.5}])
def test_no_fixed_multiplier_beats_the_oracle(constraint: dict[str, float]) -> None:
    market = alone(**constraint)
    oracle = make("second_price", **(market | {"campaigns": constraint | {"agent": "oracle"}}))
    free = make("second_price", **(market | {"campaigns": {"agent": "truthful"}}))
    best = Market(oracle, 4).run().totals
    budget, target = constraint.get("budget", np.inf), constraint.get("target_roi", 0.0)
    assert best.spend[0] <= budget
    assert best.value[0] >= target * best.spend[0] * (1 - 1e-6)
    kept = 0
    for multiplier in np.geomspace(0.05, 20, 200):
        totals = Market(free, 4).run(multipliers=fixed(free, multiplier)).totals
        if totals.spend[0] <= budget and totals.value[0] >= target * totals.spend[0]:
            kept += 1
            assert totals.value[0] <= best.value[0] * (1 + 1e-6)
    assert kept > 10


@pytest.mark.parametrize("charge", CHARGES)
def test_oracle_keeps_its_target_whatever_it_is_charged_for(charge: str) -> None:
    scenario = make(
        "second_price",
        charge,
        "expected",
        campaigns={"agent": "oracle", "target_roi": 1.5},
        competition={"price": between(0.0, 0.3)},
        exposure=[1.0],
        predictor={"kind": "noise", "ctr_error": 0.6, "cvr_error": 0.2},
        opportunities=5000,
    )
    totals = Market(scenario, 1).run().totals
    assert totals.value[0] / totals.spend[0] >= 1.5 * 0.999


def test_oracle_of_a_utility_maximizer_gains_at_least_as_much_as_truth() -> None:
    def gain(agent: str) -> float:
        market = alone() | {"campaigns": {"agent": agent, "objective": "utility", "budget": 1000.0}}
        totals = Market(make("second_price", **market), 4).run().totals
        return float(totals.value[0] - totals.spend[0])

    assert gain("oracle") >= gain("truthful") * (1 - 1e-6)


def test_hindsight_is_what_the_market_then_brings() -> None:
    market = Market(make("second_price", **alone(), reserve=0.2), 2)
    hindsight = market.hindsight()
    totals = market.run().totals
    won = hindsight.predicted_value >= np.maximum(hindsight.price, 0.2)
    assert totals.wins[0] == won.sum()
    assert totals.spend[0] == pytest.approx(hindsight.price[won].sum(), rel=1e-6)
    assert totals.value[0] == pytest.approx(hindsight.value[won].sum(), rel=1e-6)


@pytest.mark.parametrize(
    "market",
    [
        {"campaigns": CAMPAIGN | {"agent": "oracle"}},
        {"campaigns": {"agent": "oracle"}},
        {"campaigns": {"agent": "oracle"}, "competition": {"price": 0.1}},
    ],
)
def test_oracle_needs_one_campaign_one_slot_and_posted_prices(market: dict[str, Any]) -> None:
    with pytest.raises(AgentError, match="one campaign, posted competition and one slot"):
        Market(make(**market)).run()


# what agents may know


class Spy(Agent):
    """Bids fixed multipliers and remembers all that it is told."""

    seen: ClassVar[list[Observation]] = []
    facts: ClassVar[list[PublicFacts]] = []
    terms: ClassVar[list[Constraints]] = []
    revealed: ClassVar[list[Hindsight]] = []

    def reset(self, constraints: Constraints, market: PublicFacts) -> None:
        super().reset(constraints, market)
        self.terms.append(copy.deepcopy(constraints))
        self.facts.append(copy.deepcopy(market))

    def reveal(self, hindsight: Hindsight) -> None:
        self.revealed.append(hindsight)

    def act(self, observation: Observation) -> Floats:
        self.seen.append(copy.deepcopy(observation))
        return np.full(observation.budget_left.size, 0.7)


class PrivilegedSpy(Spy):
    privileged = True


class Vandal(Spy):
    """Writes over its observations and keeps doing so after the tick."""

    def act(self, observation: Observation) -> Floats:
        multipliers = super().act(observation)
        for field in (*observation.last, *observation.total, observation.budget_left, observation.stock_left):
            field[:] = 1e6
        return multipliers


class Forger(Spy):
    """Writes a budget, a stock and a value of its liking into its own terms and the public facts."""

    def reset(self, constraints: Constraints, market: PublicFacts) -> None:
        super().reset(constraints, market)
        for field in (*constraints, market.traffic_share):
            field[:] = 1e6


class Answer(Agent):
    """Answers with whatever it was told to."""

    multipliers: ClassVar[Any] = None

    def act(self, observation: Observation) -> Floats:
        return self.multipliers


@pytest.fixture(autouse=True)
def spies(monkeypatch: pytest.MonkeyPatch):
    """Register the agents of this file, with an empty memory."""
    for name, agent in (
        ("spy", Spy),
        ("privileged_spy", PrivilegedSpy),
        ("vandal", Vandal),
        ("forger", Forger),
        ("answer", Answer),
    ):
        monkeypatch.setitem(registry.BUILT_IN["agents"], name, f"{__name__}:{agent.__name__}")
    registry.known.cache_clear()
    for memory in (Spy.seen, Spy.facts, Spy.terms, Spy.revealed):
        memory.clear()
    yield
    registry.known.cache_clear()


SPIED = CAMPAIGN | {"agent": "spy", "budget": between(1.0, 5.0), "stock": 20.0}


def test_an_agent_observes_the_fields_of_an_observation_and_nothing_else() -> None:
    Market(make(campaigns=SPIED, ticks=5), 1).run()
    assert [seen.tick for seen in Spy.seen] == list(range(5))
    for seen in Spy.seen:
        assert type(seen) is Observation
        assert type(seen.last) is type(seen.total) is Totals
        arrays = [*seen.last, *seen.total, seen.score_to_beat, seen.budget_left, seen.stock_left]
        assert all(array.shape == (4,) and array.dtype == np.float64 for array in arrays)
    assert type(Spy.facts[0]) is PublicFacts
    assert isinstance(Spy.facts[0].history, History | None)
    assert type(Spy.terms[0]) is Constraints


def test_an_agent_observes_its_own_ledger() -> None:
    result = Market(make(campaigns=SPIED, ticks=5), 1).run()
    for tick, seen in enumerate(Spy.seen):
        np.testing.assert_array_equal(np.stack(seen.total, axis=1), result.history[tick])
        before = result.history[max(tick - 1, 0)]
        np.testing.assert_array_equal(np.stack(seen.last, axis=1), result.history[tick] - before)
        np.testing.assert_allclose(seen.budget_left, terms(result).budget - seen.total.spend, rtol=1e-9)
        np.testing.assert_allclose(seen.stock_left, terms(result).stock - seen.total.conversions, rtol=1e-9)


def test_groups_see_themselves_only() -> None:
    tables = [SPIED | {"count": 1, "name": "one"}, SPIED | {"count": 2, "name": "two"}]
    Market(make(campaigns=tables, ticks=2), 1).run()
    assert [terms.budget.size for terms in Spy.terms] == [1, 2]
    assert [seen.budget_left.size for seen in Spy.seen] == [1, 2, 1, 2]


@pytest.mark.parametrize("change", [{"budget": 3.3}, {"stock": 7.0}, {"target_roi": 1.1}, {"value": 9.0}])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_the_terms_of_others_are_not_seen_before_the_first_auction(change: dict[str, float], mechanism: str) -> None:
    multipliers = []
    for other in ({}, change):
        tables = [SPIED | {"count": 1, "agent": "feedback"}, SPIED | {"count": 3} | other]
        multipliers.append(Market(make(mechanism, campaigns=tables), 1).run().multipliers[0, 0])
        tables[0]["agent"] = "spy"
        Market(make(mechanism, campaigns=tables), 1).run()
    assert multipliers[0] == multipliers[1]
    own = [seen for seen in Spy.seen if seen.tick == 0 and seen.budget_left.size == 1]
    assert len(own) == 2
    assert str(own[0]) == str(own[1])
    facts = [facts for facts, terms in zip(Spy.facts, Spy.terms, strict=True) if terms.budget.size == 1]
    assert str(facts[0]) == str(facts[1])


def test_true_rates_are_not_in_what_agents_are_told_before_the_first_auction() -> None:
    for rates in (0.1, 0.4):
        Market(make(campaigns=SPIED, traffic=CONTEXTUAL | {"ctr": rates, "cvr": rates}), 1).run()
    first = [seen for seen in Spy.seen if seen.tick == 0]
    assert str(first[0]) == str(first[1])
    assert str(Spy.facts[0]) == str(Spy.facts[1])
    assert str(Spy.terms[0]) == str(Spy.terms[1])


def test_only_a_privileged_agent_is_shown_the_truth() -> None:
    Market(make("second_price", **(alone() | {"campaigns": {"agent": "spy"}}))).run()
    assert Spy.revealed == []
    Market(make("second_price", **(alone() | {"campaigns": {"agent": "privileged_spy"}}))).run()
    assert len(Spy.revealed) == 1


def test_an_agent_that_is_no_oracle_refuses_the_truth() -> None:
    with pytest.raises(AgentError, match="may not see the truth"):
        registry.create("agents", "truthful", {}).reveal(Hindsight(*np.ones((4, 1))))


@pytest.mark.parametrize("name", sorted(set(registry.BUILT_IN["agents"]) - {"oracle"}))
def test_agents_are_not_privileged(name: str) -> None:
    assert not registry.load("agents", name).privileged


@pytest.mark.parametrize("agent", ["vandal", "forger"])
def test_what_an_agent_writes_into_what_it_was_given_changes_nothing(agent: str) -> None:
    honest = bits(Market(make(campaigns=SPIED | {"agent": "spy"}), 1).run(events=True))
    market = Market(make(campaigns=SPIED | {"agent": agent}), 1)
    assert bits(market.run(events=True)) == honest
    assert bits(market.run(events=True)) == honest


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -0.5, 1e39])
def test_a_multiplier_that_no_auction_can_clear_names_the_campaign(bad: float) -> None:
    Answer.multipliers = np.array([1.0, bad, 1.0, 1.0])
    with pytest.raises(AgentError, match=r"campaign 'shop-2'.*tick 0.*multiplier"):
        Market(make(campaigns=CAMPAIGN | {"agent": "answer", "name": "shop"})).run()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_lpa_takes_negative_multipliers_but_no_other_kind(bad: float) -> None:
    scenario = make("lpa", campaigns=CAMPAIGN | {"agent": "answer", "name": "shop"})
    Answer.multipliers = np.array([1.0, 1.0, bad, 1.0])
    with pytest.raises(AgentError, match="'shop-3'"):
        Market(scenario).run()
    Answer.multipliers = np.full(4, -1.0)
    assert Market(scenario).run().totals.wins.sum() == 0


@pytest.mark.parametrize("answer", [np.ones(3), np.ones((4, 1)), ["a"] * 4])
def test_multipliers_of_another_shape_name_the_campaign(answer: Any) -> None:
    Answer.multipliers = answer
    with pytest.raises(AgentError, match="campaign-1"):
        Market(make(campaigns=CAMPAIGN | {"agent": "answer"})).run()


@pytest.mark.parametrize("shape", [(3,), (4, 3), (3, 5), (2, 4)])
def test_given_multipliers_have_a_row_per_tick(shape: tuple[int, ...]) -> None:
    with pytest.raises(AgentError, match=r"must be \(3, 4\)"):
        Market(make()).run(multipliers=np.ones(shape))


def test_given_multipliers_replace_the_agents() -> None:
    scenario = make(campaigns=SPIED)
    result = Market(scenario, 1).run(multipliers=fixed(scenario, 0.7), events=True)
    assert Spy.seen == []
    assert bits(result) == bits(Market(scenario, 1).run(events=True))


# the score to beat


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("mechanism", ["first_price", "gsp", "vcg"])
def test_score_to_beat_is_what_the_others_leave(mechanism: str, slots: int) -> None:
    """The K-th best bid among the others, at least the reserve, averaged over the opportunities of the tick."""
    reserve = 0.02
    free = {"agent": "fixed:multiplier=1", "budget": None, "target_roi": None, "stock": None, "count": 5}
    scenario = make(mechanism, campaigns=free, exposure=EXPOSURE[:slots], reserve=reserve, ticks=1, beta=0.0)
    scenario = scenario.replace({"market.opportunities": 300, "auction.charge": "exposure"})
    market = Market(scenario, 3)
    found = market.run().score_to_beat[0]
    laid_out = lay_out(market)
    laid_out.fill(0, 300)
    bids = laid_out.candidates.value[:5, :300].astype(float)
    for n in range(5):
        others = np.sort(np.delete(bids, n, axis=0), axis=0)[::-1]
        assert found[n] == pytest.approx(np.maximum(others[slots - 1], reserve).mean(), rel=1e-6)


def test_agents_see_the_score_to_beat_of_the_tick_before() -> None:
    result = Market(make(campaigns=SPIED, ticks=5), 1).run()
    assert np.isnan(Spy.seen[0].score_to_beat).all()
    for tick, seen in enumerate(Spy.seen[1:]):
        np.testing.assert_array_equal(seen.score_to_beat, result.score_to_beat[tick])
