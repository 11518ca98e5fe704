"""Regret of whole markets: what everyone's agent falls short of the weighted optimum."""

import numpy as np
import pytest

import adsim
from adsim.experiments.optimum.weighted_optimum import weighted_optimum
from adsim.experiments.regret.regret import regret
from adsim.market.scenario import Scenario

HORIZONS = [400, 800]


def sellers(**changes: float) -> Scenario:
    """Five sellers with stock and target ROI, seen through exact predictions."""
    given = {"campaigns.0.count": 5, "predictor.ctr_error": 0, "predictor.cvr_error": 0, "market.ticks": 40}
    return adsim.load_scenario("quanzhantui").replace(given | changes)


def test_rows_are_those_of_the_market_and_its_optimum() -> None:
    found = regret(sellers(), ["stock_dual", "feedback"], HORIZONS, seeds=2, first_seed=3)
    for row in found.runs.to_dict("records"):
        market = sellers().over(row["horizon"]).replace({"campaigns.0.agent": row["agent"]})
        result, seed = adsim.Market(market, row["seed"]).run(), row["seed"]
        own, totals = result.constraints, result.totals
        short = np.maximum(own.target_roi * totals.spend - totals.value, 0).sum()
        oversold = (np.maximum(totals.conversions - own.stock, 0) * own.value_per_conversion).sum()
        assert row["objective"] == pytest.approx(result.summary["weighted_objective"])
        assert row["optimum"] == pytest.approx(weighted_optimum(market, seed).bound)
        assert row["violation"] == pytest.approx(short + oversold)
        assert row["regret"] == row["optimum"] - row["objective"]


def test_results_do_not_depend_on_threads() -> None:
    one, two = (regret(sellers(), ["stock_dual"], [400], seeds=3, threads=threads).runs for threads in (1, 2))
    assert one.equals(two)


def test_online_lpa_comes_closer_to_the_optimum_as_the_period_grows() -> None:
    table = regret(sellers(), ["stock_dual"], [500, 8000], seeds=5).table
    few, many = table[table["metric"] == "optimum_share"]["mean"]
    assert few < many < 1
    assert many > 0.98
