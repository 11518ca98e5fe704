"""Calibrated multipliers: against equilibria and optima found otherwise, and at rest by an outside reckoning."""

from typing import Any

import numpy as np
import pytest

from adsim.errors import AdsimError
from adsim.experiments.equilibrium.pacing_equilibrium import first_price_pacing_equilibrium
from adsim.experiments.optimum.best_responses import best_responses
from adsim.experiments.optimum.calibrate import Calibration, calibrate
from adsim.experiments.optimum.weighted_optimum import weighted_optimum
from adsim.experiments.optimum.whole_period import WholePeriod
from adsim.market.market import Market
from adsim.market.markets import Markets
from adsim.market.reveal import true_values
from adsim.market.scenario import Scenario, load_scenario

PERFECT = {"predictor": {"kind": "oracle"}}
MECHANISMS = ["lpa", "first_price", "second_price", "vcg", "split"]


def market(mechanism: str, **changes: Any) -> Scenario:
    given = {path.replace("__", "."): value for path, value in changes.items()}
    size = {"market.opportunities": 4_000, "market.ticks": 4, "campaigns.0.count": 6}
    return load_scenario("quanzhantui").replace(size | {"auction.mechanism": mechanism} | given)


def unlimited(scenario: Scenario, seed: int, multiplier: Any) -> Any:
    """The campaigns' table of a period with these multipliers and without stock."""
    without = scenario.replace({"campaigns.0.relative_stock": None})
    multipliers = np.tile(multiplier, (scenario.market.ticks, 1))
    return Market(without, seed).run(multipliers=multipliers).campaigns


def at_rest(scenario: Scenario, seed: int, found: Calibration) -> bool:
    mechanism = scenario.auction.mechanism
    return bool(best_responses(WholePeriod(scenario, seed), mechanism, found.multiplier, found.leaving).at_rest.all())


def uses(scenario: Scenario, seed: int, multiplier: Any) -> Any:
    table, own = unlimited(scenario, seed, multiplier), Market(scenario, seed).campaigns.constraints
    of_stock = table.conversions / own.stock
    if scenario.auction.mechanism == "lpa":
        return of_stock.to_numpy()
    return np.fmax(of_stock, own.target_roi / table.roi).to_numpy()


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_residuals_are_those_of_the_campaigns_table_and_small(mechanism: str) -> None:
    scenario, seed = market(mechanism), 1 if mechanism == "split" else 3
    found, own = calibrate(scenario, seed), Market(scenario, seed).campaigns.constraints
    off = np.abs(uses(scenario, seed, found.multiplier) - 1)
    counted = found.residuals > 0
    np.testing.assert_allclose(found.residuals[counted], off[counted], atol=1e-5)
    assert found.residuals.max() < 0.02
    assert not found.leaving.any()
    assert found.history.shape == (300, 2)
    assert at_rest(scenario, seed, found)
    most = found.multiplier == (1 / own.target_roi if mechanism == "lpa" else np.inf)
    assert (counted | most | (off < 1e-5)).all()


@pytest.mark.parametrize("mechanism", ["first_price", "second_price"])
def test_a_larger_multiplier_breaks_a_constraint_and_a_smaller_one_leaves_all_slack(mechanism: str) -> None:
    scenario = market(mechanism)
    multiplier = calibrate(scenario, 2).multiplier
    for n in range(6):
        up, down = multiplier.copy(), multiplier.copy()
        up[n] *= 1.03
        down[n] /= 1.03
        assert uses(scenario, 2, up)[n] > 1
        assert uses(scenario, 2, down)[n] < 1


def test_first_price_comes_to_the_pacing_equilibrium() -> None:
    budget = {"distribution": "uniform", "low": 1.0, "high": 100.0}
    changes = {"relative_stock": None, "target_roi": None, "objective": "utility", "budget": budget}
    changes = {f"campaigns__0__{key}": value for key, value in changes.items()}
    scenario = market("first_price", auction__beta=0.0, **PERFECT, **changes)
    found = calibrate(scenario, 3)
    markets = Markets(scenario, [3])
    markets.open()
    known = first_price_pacing_equilibrium(true_values(markets), markets.campaigns.constraints.budget[0])
    np.testing.assert_allclose(found.multiplier, known.multiplier, rtol=5e-3)
    assert (known.multiplier < 0.99).sum() >= 2
    assert at_rest(scenario, 3, found)


@pytest.mark.parametrize("seed", range(3))
def test_lpa_comes_to_the_duals_of_the_optimum(seed: int) -> None:
    scenario = market("lpa", **PERFECT)
    best, found = weighted_optimum(scenario, seed), calibrate(scenario, seed)
    own = Market(scenario, seed).campaigns.constraints
    np.testing.assert_allclose(found.multiplier * own.target_roi, 1 - best.dual * own.target_roi, atol=0.02)
    np.testing.assert_allclose(found.totals.spend, found.totals.value / own.target_roi, rtol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_first_price_allocates_as_lpa_and_earns_less_where_stock_binds(seed: int) -> None:
    stock = {"distribution": "uniform", "low": 0.6, "high": 4.0}
    changes = {"auction__beta": 0.1, "campaigns__0__relative_stock": stock, **PERFECT}
    lpa, first = (calibrate(market(name, **changes), seed) for name in ("lpa", "first_price"))
    assert (lpa.multiplier > 0).all()  # first price takes no others
    np.testing.assert_allclose(first.multiplier, lpa.multiplier, rtol=0.01)
    np.testing.assert_allclose(first.totals.value, lpa.totals.value, rtol=0.01)
    own = Market(market("lpa", **changes), seed).campaigns.constraints
    paced = lpa.totals.conversions > 0.98 * own.stock
    assert paced.any()
    assert (first.totals.spend[paced] < 0.9 * lpa.totals.spend[paced]).all()
    np.testing.assert_allclose(first.totals.spend[~paced], lpa.totals.spend[~paced], rtol=0.01)


def test_held_campaigns_keep_their_multipliers_and_the_others_adapt() -> None:
    scenario = market("first_price")
    free = calibrate(scenario)
    held = np.full(6, np.nan)
    held[2] = free.multiplier[2] / 2
    found = calibrate(scenario, held=held)
    best = best_responses(WholePeriod(scenario, 0), "first_price", found.multiplier, found.leaving)
    assert found.multiplier[2] == pytest.approx(held[2])
    assert found.residuals[2] == 0
    assert found.totals.value[2] < free.totals.value[2]
    assert np.flatnonzero(~best.at_rest).tolist() == [2]


def test_reports_take_the_place_of_what_the_scenario_draws() -> None:
    scenario = market("lpa")
    own = Market(scenario).campaigns.constraints
    sold = calibrate(scenario).totals.conversions
    told = own._replace(stock=np.where(np.arange(6) == 1, sold / 2, own.stock), target_roi=2 * own.target_roi)
    found = calibrate(scenario, reported=told)
    assert found.totals.conversions[1] == pytest.approx(sold[1] / 2, rel=0.02)
    np.testing.assert_allclose(found.totals.spend, found.totals.value / told.target_roi, rtol=1e-9)


def test_sellers_whom_experience_alone_sells_out_bid_nothing_and_leave() -> None:
    scarce = {"distribution": "uniform", "low": 0.02, "high": 3.0}
    found = calibrate(market("first_price", auction__beta=5.0, campaigns__0__relative_stock=scarce), 2)
    own = Market(market("lpa", campaigns__0__relative_stock=scarce), 2).campaigns.constraints
    assert found.leaving.any()
    assert (found.totals.conversions <= own.stock * 1.02).all()


def test_the_history_tells_the_objective_of_each_sweep_and_how_much_it_still_moves() -> None:
    scenario = market("second_price")
    found, own = calibrate(scenario, 3), Market(scenario, 3).campaigns.constraints
    table = unlimited(scenario, 3, 1 / own.target_roi)
    kept = np.minimum(1, own.stock / table.conversions)
    first = (kept * (table.value / own.target_roi + scenario.auction.beta * table.experience)).sum()
    assert found.history[0, 1] == pytest.approx(first, rel=1e-6)
    objective = found.history[200:, 1]
    assert found.drift == pytest.approx(np.std(objective) / np.mean(objective))
    assert found.drift < 1e-3 < calibrate(scenario, 3, sweeps=9).drift


def test_without_experience_no_bid_is_negative_and_scarce_stocks_are_not_oversold() -> None:
    scarce = {"distribution": "uniform", "low": 0.1, "high": 0.6}
    scenario = market("lpa", auction__beta=0.0, campaigns__0__relative_stock=scarce)
    for seed in range(3):
        found, own = calibrate(scenario, seed), Market(scenario, seed).campaigns.constraints
        assert (found.multiplier > 0).all()
        assert found.leaving.any()
        assert (found.totals.conversions <= 1.02 * own.stock).all()
        assert at_rest(scenario, seed, found)


def test_a_period_without_limits_is_that_of_the_market() -> None:
    scenario = market("vcg", auction__slots=2)
    multiplier = np.linspace(0.1, 0.4, 6)
    totals, table = WholePeriod(scenario, 5).totals(multiplier), unlimited(scenario, 5, multiplier)
    for name, total in totals._asdict().items():
        np.testing.assert_allclose(total, table[name], rtol=1e-9)


def test_what_has_no_best_multiplier_is_refused() -> None:
    free = {"campaigns__0__relative_stock": None, "campaigns__0__target_roi": None}
    with pytest.raises(AdsimError, match="campaign 'seller-1': a value maximizer without"):
        calibrate(market("first_price", **free))
    with pytest.raises(AdsimError, match="held: has shape"):
        calibrate(market("first_price"), held=[1.0])
