"""The optimum of liquid welfare and user experience: against a plain program, and what LPA makes of its duals."""

from typing import Any

import numpy as np
import pytest
from scipy import optimize

from adsim.errors import AdsimError
from adsim.experiments.optimum import weighted_optimum as module
from adsim.experiments.optimum.weighted_optimum import weighted_optimum
from adsim.market.market import Market
from adsim.market.markets import Markets
from adsim.market.reveal import true_pairs
from adsim.market.scenario import Scenario, load_scenario


def market(opportunities: int, count: int = 5, **changes: Any) -> Scenario:
    """Sellers with stocks of which about half bind."""
    given = {path.replace("__", "."): value for path, value in changes.items()}
    size = {"market.opportunities": opportunities, "campaigns.0.count": count, "market.ticks": 4}
    return load_scenario("quanzhantui").replace(size | given)


def plain_program(scenario: Scenario, seed: int) -> float:
    """One slot, stock in conversions and budgets in money, a row each, by scipy."""
    markets = Markets(scenario, [seed])
    markets.open()
    pairs, own = true_pairs(markets), Market(scenario, seed).campaigns.constraints
    liquid = pairs.value / own.target_roi
    weight = liquid + scenario.auction.beta * pairs.experience
    each, limits = np.eye(own.stock.size), np.concatenate([own.stock, own.budget, np.ones(len(weight))])
    rows = np.vstack(
        [
            np.hstack([each * row[:, None] for row in pairs.conversions]),
            np.hstack([each * row[:, None] for row in liquid]),
            np.kron(np.eye(len(weight)), np.ones(own.stock.size)),
        ]
    )
    limited = np.isfinite(limits)
    return -float(optimize.linprog(-weight.ravel(), rows[limited], limits[limited]).fun)


def lpa_at(scenario: Scenario, seed: int, multiplier: Any) -> float:
    """The weighted objective of a period in which LPA ranks by true rates at given multipliers, stock ending it."""
    perfect = scenario.replace({"predictor": {"kind": "oracle"}})
    ticks = scenario.market.ticks
    return Market(perfect, seed).run(multipliers=np.tile(multiplier, (ticks, 1))).summary["weighted_objective"]


BUDGETS = {"distribution": "uniform", "low": 1.0, "high": 20.0}
WITH = [{}, {"campaigns__0__budget": BUDGETS}, {"auction__beta": 3.0}, {"traffic__basket": 0.5}]


@pytest.mark.parametrize("changes", WITH)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_optimum_is_that_of_a_plain_program(changes: Any, seed: int) -> None:
    scenario = market(150, **changes)
    found = weighted_optimum(scenario, seed)
    assert found.exact
    assert found.objective == pytest.approx(plain_program(scenario, seed), rel=1e-5)
    assert found.bound == pytest.approx(found.objective, rel=1e-5)
    parts = found.liquid_welfare + scenario.auction.beta * found.experience
    assert parts == pytest.approx(found.objective, rel=1e-6)


@pytest.mark.parametrize("changes", [{}, {"auction__slots": 2}, {"campaigns__0__budget": BUDGETS}])
def test_calibration_closes_in_on_the_program_from_both_sides(changes: Any, monkeypatch: Any) -> None:
    scenario = market(2_000, **changes)
    exact = weighted_optimum(scenario, 3)
    monkeypatch.setattr(module, "EXACT_SIZE", 0)
    found = weighted_optimum(scenario, 3)
    assert not found.exact
    assert exact.objective * (1 - 1e-6) <= found.bound <= exact.objective * 1.0001
    assert exact.objective * 0.995 <= found.objective <= exact.objective * (1 + 1e-6)
    assert (exact.dual > 1e-3 / 8).sum() >= 2  # some limits bind


def test_a_large_market_comes_with_a_small_certified_gap() -> None:
    found = weighted_optimum(market(20_000, 40))
    assert not found.exact
    assert 0 <= found.gap < 1e-3


def test_lpa_with_exact_duals_reaches_the_optimum_up_to_what_vanishes_in_large_markets() -> None:
    gaps = []
    for opportunities in (250, 4_000):
        shares = []
        for seed in range(3):
            scenario = market(opportunities)
            best = weighted_optimum(scenario, seed)
            own = Market(scenario, seed).campaigns.constraints
            shares.append(lpa_at(scenario, seed, 1 / own.target_roi - best.dual) / best.objective)
        gaps.append(abs(1 - np.mean(shares)))
    assert gaps[1] < 0.01
    assert gaps[1] < gaps[0]


def test_duals_are_of_sales_value_whatever_the_unit_of_money() -> None:
    scenario = market(300)
    dear = scenario.replace({"campaigns.0.value": {"distribution": "lognormal", "median": 20e6, "sigma": 0.6}})
    plain, scaled = (weighted_optimum(s.replace({"auction.beta": 0.0})) for s in (scenario, dear))
    np.testing.assert_allclose(plain.dual, scaled.dual, atol=1e-6)
    assert scaled.objective == pytest.approx(1e6 * plain.objective, rel=1e-5)


def test_what_the_optimum_does_not_know_is_refused(monkeypatch: Any) -> None:
    with pytest.raises(AdsimError, match="posted competition"):
        weighted_optimum(load_scenario("display_rtb"))
    with pytest.raises(AdsimError, match="stock or budget of a campaign, not both"):
        weighted_optimum(market(50, traffic__basket=0.5, campaigns__0__budget=BUDGETS))
    monkeypatch.setattr(module, "EXACT_SIZE", 0)
    with pytest.raises(AdsimError, match="take fewer opportunities"):
        weighted_optimum(market(50, traffic__basket=0.5))
