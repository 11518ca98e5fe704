"""First-price pacing equilibria: the conditions that define them, closed forms, and their monotonicity."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsim.errors import AdsimError
from adsim.experiments.equilibrium.pacing_equilibrium import PacingEquilibrium, first_price_pacing_equilibrium

INF, NAN = float("inf"), float("nan")


@st.composite
def markets(draw: st.DrawFn) -> tuple[Any, Any]:
    """Up to 40 opportunities and 7 campaigns; ties, zeros, budgets of 0, scarce, ample and infinite."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    size = draw(st.integers(1, 40)), draw(st.integers(1, 7))
    value = rng.integers(0, 4, size) / 1.0 if draw(st.booleans()) else rng.lognormal(size=size)
    scale = draw(st.sampled_from([0.01, 0.3, 1.0]))
    return value, scale * rng.choice([0.0, 0.1, 0.2, 0.5, 1.0, INF], size[1]) * (value.sum(axis=0) + 0.1)


def assert_equilibrium(value: Any, budget: Any, found: PacingEquilibrium) -> None:
    """All that defines an equilibrium, with nothing of how it was found."""
    bids = found.multiplier * value
    assert (found.multiplier >= 0).all()
    assert (found.multiplier <= 1).all()
    np.testing.assert_allclose(found.price, bids.max(axis=1))
    assert (found.allocation >= 0).all()
    np.testing.assert_allclose(found.allocation.sum(axis=1)[found.price > 0], 1)  # sold whole
    won = found.allocation > 0
    assert (bids >= (1 - 1e-6) * found.price[:, None])[won].all()  # to the highest bids
    np.testing.assert_allclose(found.spend, (bids * found.allocation).sum(axis=0))  # that are paid
    assert (found.spend <= budget * (1 + 1e-6)).all()  # within budgets
    paced = found.multiplier < 1 - 1e-6
    np.testing.assert_allclose(found.spend[paced], budget[paced], rtol=1e-6)  # that pacing spends
    assert 0 <= found.gap <= 1e-8 * max(found.price.sum(), 1e-300)


@settings(deadline=None, max_examples=150)
@given(markets())
def test_the_highest_bid_wins_and_is_paid_and_only_what_spends_its_budget_is_paced(market: Any) -> None:
    assert_equilibrium(*market, first_price_pacing_equilibrium(*market))


@settings(deadline=None, max_examples=40)
@given(markets(), st.integers(0, 1000))
def test_multipliers_prices_and_revenue_are_unique(market: Any, seed: int) -> None:
    value, budget = market
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(value.shape[0]), rng.permutation(value.shape[1])
    one = first_price_pacing_equilibrium(value, budget)
    half = np.repeat(value[rows][:, columns] / 2, 2, axis=0)  # the same market: shuffled, opportunities cut in two
    other = first_price_pacing_equilibrium(half, budget[columns])
    np.testing.assert_allclose(other.multiplier, one.multiplier[columns], rtol=1e-6)
    np.testing.assert_allclose(other.price[::2], one.price[rows] / 2, rtol=1e-6)
    np.testing.assert_allclose(other.spend.sum(), one.spend.sum(), rtol=1e-6)


@settings(deadline=None, max_examples=40)
@given(markets(), st.floats(1, 10))
def test_more_money_lowers_no_multiplier_and_one_campaign_more_lowers_no_price(market: Any, factor: float) -> None:
    value, budget = market
    before = first_price_pacing_equilibrium(value, budget)
    budget = budget.copy()
    budget[0] *= factor
    richer = first_price_pacing_equilibrium(value, budget)
    assert (richer.multiplier >= before.multiplier * (1 - 1e-6)).all()
    alone = first_price_pacing_equilibrium(value[:, 1:], budget[1:])
    assert (richer.price >= alone.price * (1 - 1e-6)).all()


def test_one_campaign_pays_its_budget_or_its_value() -> None:
    value = np.array([[1.0], [2.0], [5.0]])
    for budget, multiplier in [(2.0, 0.25), (8.0, 1.0), (20.0, 1.0), (INF, 1.0), (0.0, 0.0)]:
        found = first_price_pacing_equilibrium(value, [budget])
        np.testing.assert_allclose(found.multiplier, [multiplier], rtol=1e-9)
        np.testing.assert_allclose(found.spend, [min(budget, 8.0)], rtol=1e-9)


@pytest.mark.parametrize("campaigns", [2, 5])
def test_equal_campaigns_share_all_by_their_budgets(campaigns: int) -> None:
    value = np.repeat(np.random.default_rng(0).random((50, 1)), campaigns, axis=1)
    budget = np.arange(1.0, campaigns + 1)
    found = first_price_pacing_equilibrium(value, budget)
    np.testing.assert_allclose(found.multiplier, budget.sum() / value[:, 0].sum(), rtol=1e-8)
    np.testing.assert_allclose(found.spend, budget, rtol=1e-8)


def test_campaigns_that_want_different_opportunities_do_not_disturb_each_other() -> None:
    found = first_price_pacing_equilibrium([[4.0, 0.0], [0.0, 2.0], [0.0, 2.0]], [1.0, 3.0])
    np.testing.assert_allclose(found.multiplier, [0.25, 0.75], rtol=1e-9)
    np.testing.assert_allclose(found.price, [1.0, 1.5, 1.5], rtol=1e-9)


def test_an_unlimited_campaign_sets_a_floor_that_others_pay_or_leave() -> None:
    found = first_price_pacing_equilibrium([[3.0, 1.0], [3.0, 2.0]], [2.5, INF])
    np.testing.assert_allclose(found.multiplier, [2 / 3, 1.0], rtol=1e-6)
    np.testing.assert_allclose(found.price, [2.0, 2.0], rtol=1e-6)
    np.testing.assert_allclose(found.allocation, [[1.0, 0.0], [0.25, 0.75]], rtol=1e-6)


def test_a_large_market_is_solved_to_the_last_digits() -> None:
    rng = np.random.default_rng(0)
    value = rng.lognormal(size=(2000, 10)) * rng.lognormal(size=10)
    budget = value.max(axis=1).sum() / 20 * rng.uniform(0.1, 2, 10)
    found = first_price_pacing_equilibrium(value, budget)
    assert_equilibrium(value, budget, found)
    assert found.gap <= 1e-10 * found.price.sum()
    assert (found.multiplier < 1).sum() > 3


def test_nothing_for_sale_and_nothing_wanted_cost_nothing() -> None:
    assert first_price_pacing_equilibrium(np.zeros((0, 2)), [1.0, INF]).spend.sum() == 0
    found = first_price_pacing_equilibrium(np.zeros((3, 2)), [1.0, 0.0])
    assert found.price.sum() == found.allocation.sum() == found.spend.sum() == found.gap == 0


@pytest.mark.parametrize(
    ("value", "budget", "words"),
    [
        ([[1.0, NAN]], [1.0, 1.0], "value[0, 1] = nan"),
        ([[1.0, INF]], [1.0, 1.0], "value[0, 1] = inf"),
        ([[1.0, 1.0]], [1.0], "budget: has shape (1,), must have (2)"),
        ([[1.0, 1.0]], [1.0, -1.0], "budget[1] = -1.0"),
    ],
)
def test_inputs_that_mean_nothing_are_refused(value: Any, budget: Any, words: str) -> None:
    with pytest.raises(AdsimError) as caught:
        first_price_pacing_equilibrium(value, budget)
    assert words in str(caught.value)
