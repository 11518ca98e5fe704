"""Best responses: those of a plain sweep over opportunities; rest that a grid of other bids cannot improve on."""

from typing import Any

import numpy as np
import pytest

from adsim.experiments.optimum import best_responses as module
from adsim.experiments.optimum.best_responses import TOLERANCE, best_responses, settle
from adsim.experiments.optimum.calibrate import calibrate
from adsim.experiments.optimum.weighted_optimum import weighted_optimum
from adsim.experiments.optimum.whole_period import WholePeriod
from adsim.market.markets import Markets
from adsim.market.metrics import delivered_value, units_sold
from adsim.market.reveal import Pairs, true_pairs
from adsim.market.scenario import Scenario, load_scenario
from adsim.types import Floats

MECHANISMS = ["lpa", "first_price", "second_price"]
NOBODY = np.zeros(6, np.bool_)


def market(mechanism: str, **changes: Any) -> Scenario:
    """Six sellers, most of them short of stock."""
    size = {"market.opportunities": 1_000, "market.ticks": 4, "campaigns.0.count": 6, "predictor": {"kind": "oracle"}}
    stock = {"campaigns.0.relative_stock": {"distribution": "uniform", "low": 0.3, "high": 3.0}}
    given = {path.replace("__", "."): value for path, value in changes.items()}
    return load_scenario("quanzhantui").replace(size | stock | {"auction.mechanism": mechanism} | given)


def pairs_of(scenario: Scenario, seed: int) -> Pairs:
    markets = Markets(scenario, [seed])
    markets.open()
    return true_pairs(markets)


def most_sales(scenario: Scenario, pairs: Pairs, own: Any, multiplier: Floats, n: int) -> float:
    """Of one seller against fixed rivals: opportunities in the order of the bids that they need, as many as fit."""
    beta, mechanism = scenario.auction.beta, scenario.auction.mechanism
    scores = multiplier * pairs.value + beta * pairs.experience
    rival = np.maximum(np.delete(scores, n, axis=1).max(axis=1), 0)
    value, gift = pairs.value[:, n], beta * pairs.experience[:, n]
    order = np.argsort((rival - gift) / value, kind="stable")
    needed, sales = ((rival - gift) / value)[order], np.cumsum(value[order])
    fits = np.cumsum(pairs.conversions[order, n]) <= own.stock[n]
    if mechanism == "second_price":
        fits &= sales >= own.target_roi[n] * np.cumsum(np.maximum(rival - gift, 0)[order])
    else:
        fits &= needed <= 1 / own.target_roi[n]
    kept = int(fits.argmin()) if not fits.all() else fits.size
    return float(sales[kept - 1]) if kept else 0.0


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("seed", [0, 1])
def test_best_responses_are_those_of_a_plain_sweep(mechanism: str, seed: int) -> None:
    scenario = market(mechanism)
    pairs, period = pairs_of(scenario, seed), WholePeriod(scenario, seed)
    own = period.constraints
    for multiplier in (0.5 / own.target_roi, 1 / own.target_roi):
        found = best_responses(period, mechanism, multiplier, NOBODY)
        made = delivered_value(own, period.totals(multiplier))
        missed = [most_sales(scenario, pairs, own, multiplier, n) - made[n] for n in range(6)]
        np.testing.assert_allclose(found.missed, np.maximum(missed, 0), rtol=1e-4, atol=1e-4 * made.max())
        np.testing.assert_allclose(found.sales, made)
        assert not found.at_rest.all()


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_no_bid_of_a_grid_gains_on_settled_ones(mechanism: str) -> None:
    scenario, seed = market(mechanism, market__opportunities=2_000), 2
    settled = settle(scenario, seed)
    assert settled.converged
    multiplier, leaving = settled.calibration.multiplier, settled.calibration.leaving
    period = WholePeriod(scenario, seed)
    own, at = period.constraints, period.totals(multiplier, leaving)
    for n in np.flatnonzero(~leaving):
        for factor in np.concatenate([np.linspace(0.2, 3, 57), 1 + np.linspace(-0.02, 0.02, 41)]):
            bids = multiplier.copy()
            bids[n] *= factor
            totals = period.totals(bids, leaving)
            kept = units_sold(own, totals)[n] <= own.stock[n]
            if mechanism == "lpa":
                kept &= bids[n] * own.target_roi[n] <= 1
            else:
                kept &= totals.value[n] >= own.target_roi[n] * totals.spend[n]
            gain = totals.value[n] - at.value[n]
            assert not kept or gain <= TOLERANCE * totals.value[n] or totals.wins[n] - at.wins[n] <= 1


def test_the_duals_of_the_optimum_are_at_rest_under_lpa() -> None:
    for seed in range(3):
        scenario = market("lpa")
        period = WholePeriod(scenario, seed)
        dual = weighted_optimum(scenario, seed).dual
        # A step of rounding: the dual itself is where one opportunity is won in part.
        found = best_responses(period, "lpa", 1 / period.constraints.target_roi - dual, NOBODY)
        assert found.at_rest.sum() >= 5
        assert found.missed_share < 0.02


def test_too_few_sweeps_are_not_called_rest_and_a_best_response_is_at_rest() -> None:
    scenario = market("first_price")
    rough, period = calibrate(scenario, 3, sweeps=6), WholePeriod(scenario, 3)
    before = best_responses(period, "first_price", rough.multiplier, rough.leaving)
    assert not before.at_rest.all()
    alone = np.where(np.arange(6) == int(before.violation.argmax()), before.multiplier, rough.multiplier)
    after = best_responses(period, "first_price", alone, rough.leaving)
    assert after.at_rest[alone != rough.multiplier].all()
    np.testing.assert_allclose(after.multiplier[alone != rough.multiplier], alone[alone != rough.multiplier])


def test_who_sells_out_at_no_bid_is_at_rest_when_it_leaves_and_only_then() -> None:
    scarce = {"distribution": "uniform", "low": 0.02, "high": 3.0}
    scenario = market("first_price", auction__beta=5.0, campaigns__0__relative_stock=scarce)
    found, period = calibrate(scenario, 2), WholePeriod(scenario, 2)
    assert found.leaving.any()
    assert best_responses(period, "first_price", found.multiplier, found.leaving).at_rest[found.leaving].all()
    stays = best_responses(period, "first_price", np.where(found.leaving, 0, found.multiplier), NOBODY)
    assert not stays.at_rest[found.leaving].any()


def test_who_has_not_come_to_rest_takes_the_best_response(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = market("first_price")
    monkeypatch.setattr(module, "calibrate", lambda *given: calibrate(*given, sweeps=6))
    rough = calibrate(scenario, 3, sweeps=6)
    settled = settle(scenario, 3)
    assert settled.rounds > 0
    assert settled.converged
    moved = settled.calibration.multiplier != rough.multiplier
    assert moved.any()
    totals = WholePeriod(scenario, 3).totals(settled.calibration.multiplier, settled.calibration.leaving)
    np.testing.assert_array_equal(settled.calibration.totals.value, totals.value)


def test_what_does_not_settle_in_time_is_not_called_converged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "calibrate", lambda *given: calibrate(*given, sweeps=6))
    monkeypatch.setattr(module, "ROUNDS", 0)
    settled = settle(market("second_price"), 3)
    assert not settled.converged
    assert settled.rounds == 0


def test_sellers_of_scarce_stocks_without_experience_leave_and_do_not_oversell() -> None:
    stock = {"distribution": "uniform", "low": 0.1, "high": 0.5}
    scenario = market("lpa", auction__beta=0.0, campaigns__0__relative_stock=stock)
    settled = settle(scenario, 1)
    own, sold = WholePeriod(scenario, 1).constraints, settled.calibration.totals.conversions
    assert settled.converged
    assert settled.calibration.leaving.any()
    one = pairs_of(scenario, 1).conversions.max()
    assert (sold <= own.stock * (1 + TOLERANCE) + 2 * one).all()
    assert (sold >= 0.95 * own.stock - one).all()
