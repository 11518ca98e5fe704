"""Shipped scenarios run; wrong ones are refused in words."""

from pathlib import Path

import numpy as np
import pytest

import adsim
from adsim.agents.oracle import best_threshold
from adsim.errors import AdsimError, ScenarioError
from adsim.market.scenario import scenario_names

SMALL = {"market.opportunities": 3000, "market.ticks": 6}


@pytest.mark.parametrize("name", scenario_names())
def test_a_shipped_scenario_says_what_it_shows_and_runs(name: str) -> None:
    scenario = adsim.load_scenario(name)
    assert scenario.description
    changes = SMALL if isinstance(scenario.traffic.curve, str) else {"market.opportunities": 3000}
    result = adsim.Market(scenario.replace(changes), seed=1).run()
    assert result.summary["revenue"] > 0
    assert np.isfinite(result.campaigns[["value", "spend"]].to_numpy()).all()


OPTIMA = {
    "budget_pacing": (1 / np.sqrt(0.6) - 1, 0.1582),
    "budget_periodic": (0.346, 0.1712),
    "budget_adversarial": (3.29, 0.793),
}
"""Dual and utility per opportunity of the best in hindsight as the files state them, from integrals over the laws."""


@pytest.mark.parametrize("name", OPTIMA)
def test_a_budget_scenario_has_the_optimum_that_it_states(name: str) -> None:
    scenario = adsim.load_scenario(name)
    hindsight, budget = adsim.Market(scenario, seed=1).hindsight(), scenario.campaigns[0].budget
    assert budget is not None
    multiplier = best_threshold(hindsight, budget.range()[0], 0.0, maximizes_value=False)
    won = multiplier * hindsight.predicted_value >= hindsight.price
    dual, utility = OPTIMA[name]
    assert hindsight.cost[won].sum() == pytest.approx(0.1 * won.size, rel=1e-3)
    assert (hindsight.value - hindsight.cost)[won].sum() / won.size == pytest.approx(utility, rel=0.02)
    assert 1 / multiplier == pytest.approx(1 + dual, rel=0.02)


def test_budget_value_has_the_optimum_that_it_states() -> None:
    hindsight = adsim.Market(adsim.load_scenario("budget_value"), seed=1).hindsight()
    multiplier = best_threshold(hindsight, 6400.0, 1.0)
    won = multiplier * hindsight.predicted_value >= hindsight.price
    assert multiplier == pytest.approx(0.768, rel=0.01)
    assert hindsight.value[won].sum() / hindsight.cost[won].sum() == pytest.approx(1.87, rel=0.01)


def test_replace_keeps_everything_else() -> None:
    scenario = adsim.load_scenario("quickstart")
    changed = scenario.replace({"auction.mechanism": "vcg", "campaigns.0.budget": 7})
    assert changed.auction.mechanism == "vcg"
    assert changed.replace({"auction.mechanism": "gsp"}).campaigns[0].budget.range() == (7, 7)
    assert changed.traffic == scenario.traffic


def test_a_file_can_be_named_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[[campaigns]]\nvalue = 2\nbudget = 5\n")
    assert adsim.load_scenario(path).name == "mine"


FAULTS = {
    "unknown key": ({"auction.mechanisn": "gsp"}, "auction: unknown key 'mechanisn'. Did you mean 'mechanism'?"),
    "unknown campaign key": ({"campaigns.0.buget": 1}, "campaigns.0: unknown key 'buget'. Did you mean 'budget'?"),
    "unknown traffic key": ({"traffic.ctr_noize": 1}, "traffic: unknown key 'ctr_noize'. Did you mean 'ctr_noise'?"),
    "unknown mechanism": ({"auction.mechanism": "gps"}, "unknown mechanism 'gps'. Did you mean 'gsp'?"),
    "unknown agent": ({"campaigns.0.agent": "pdi"}, "unknown agent 'pdi'. Did you mean 'pid'?"),
    "unknown agent parameter": ({"campaigns.0.agent": "pid:integrall=1"}, "Did you mean 'integral'?"),
    "no slot": ({"auction.exposure": None, "auction.slots": 0}, "auction.slots = 0"),
    "empty exposure": ({"auction.exposure": []}, "exposure is empty"),
    "increasing exposure": ({"auction.exposure": [0.5, 0.6]}, "must lie in (0, 1] and not increase"),
    "slots contradict exposure": ({"auction.slots": 3}, "slots = 3, but exposure lists 2"),
    "two slots in second price": ({"auction.mechanism": "second_price"}, "second_price sells one slot"),
    "negative budget": ({"campaigns.0.budget": -3}, "campaigns.0.budget = -3: must be positive"),
    "NaN budget": ({"campaigns.0.budget": float("nan")}, "must be a number"),
    "infinite budget": ({"campaigns.0.budget": float("inf")}, "campaigns.0.budget"),
    "target ROI 0": ({"campaigns.0.target_roi": 0}, "campaigns.0.target_roi = 0: must be positive"),
    "ROI and CPA": ({"campaigns.0.target_cpa": 5}, "give target_roi or target_cpa, not both"),
    "two kinds of stock": (
        {"campaigns.0.stock": 5, "campaigns.0.stock_value": 5},
        "campaigns.0: give stock or stock_value, not both",
    ),
    "stock of no value": ({"campaigns.0.stock_value": 0}, "campaigns.0.stock_value = 0: must be positive"),
    "experience missing": ({"auction.beta": 1}, "traffic.experience is missing"),
    "no campaign": ({"campaigns": []}, "campaigns: "),
    "curve of another length": ({"traffic.curve": [1, 2]}, "traffic.curve has 2 weights for 48 ticks"),
    "rate above 1": ({"traffic.ctr": 1.5}, "ctr: a rate must not exceed 1"),
    "unknown distribution": ({"traffic.ctr": {"distribution": "lognormel"}}, "Did you mean 'lognormal'?"),
    "uniform upside down": ({"traffic.ctr": {"distribution": "uniform", "low": 0.2, "high": 0.1}}, "lies above high"),
    "no such place": ({"campaigns.7.budget": 1}, "no such place"),
    "unknown predictor": ({"predictor.kind": "nois"}, "Did you mean 'noise'?"),
    "predictor parameter": ({"predictor.ctr_eror": 1}, "Did you mean 'ctr_error'?"),
}


def test_stock_in_value_is_that_many_units_of_the_campaigns_value() -> None:
    stock = {"distribution": "uniform", "low": 100.0, "high": 900.0}
    scenario = adsim.load_scenario("quickstart").replace({"campaigns.0.stock_value": stock})
    units, money = (
        adsim.Market(scenario.replace(change), 1).campaigns.constraints
        for change in ({"campaigns.0.stock_value": None, "campaigns.0.stock": stock}, {})
    )
    np.testing.assert_allclose(money.stock, units.stock / money.value_per_conversion)
    np.testing.assert_array_equal(money.stock_unit, money.value_per_conversion)
    assert (units.stock_unit == 0).all()


def test_a_market_over_a_longer_period_has_stock_in_proportion() -> None:
    scenario = adsim.load_scenario("quanzhantui_flash")
    short, long = (adsim.Market(scenario.over(span), 2).campaigns.constraints for span in (1000, 3000))
    np.testing.assert_allclose(long.stock, 3 * short.stock)


FAMILY = {
    "stock": {"campaigns.0.relative_stock.low": 0.3, "campaigns.0.relative_stock.high": 1.0},
    "roi": {"campaigns.0.target_roi.low": 3.0, "campaigns.0.target_roi.high": 3.5},
    "beta": {"auction.beta": 2.0},
    "correlation": {"traffic.experience.correlation": -0.5},
    "sellers": {"campaigns.0.count": 10},
    "errors": {"predictor.ctr_error": 0.4, "predictor.cvr_error": 0.4},
    "bias": {"predictor.cvr_bias": 1.3},
    "sales value": {"campaigns.0.relative_stock": None, "campaigns.0.stock_value": 300.0},
}


@pytest.mark.parametrize("name", FAMILY)
def test_what_quanzhantui_varies_is_a_number_of_its_file(name: str) -> None:
    base = adsim.load_scenario("quanzhantui").replace(SMALL)
    found, usual = (adsim.Market(scenario, 1).run() for scenario in (base.replace(FAMILY[name]), base))
    assert found.summary["weighted_objective"] != usual.summary["weighted_objective"]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_place_and_remedy(name: str) -> None:
    changes, words = FAULTS[name]
    with pytest.raises(AdsimError) as fault:
        adsim.load_scenario("quickstart").replace(changes)
    assert words in str(fault.value)
    assert "\n" not in str(fault.value)


def test_an_auction_that_charges_liquid_value_needs_targets() -> None:
    scenario = adsim.load_scenario("display_rtb")
    with pytest.raises(ScenarioError, match=r"campaigns\.0 has neither target_roi nor target_cpa"):
        scenario.replace({"auction.mechanism": "lpa"})


def test_a_value_maximizer_without_constraint_needs_to_say_how_it_bids() -> None:
    scenario = adsim.market.scenario.read_scenario({"campaigns": [{"name": "free"}]}, "test")
    with pytest.raises(AdsimError, match="campaign 'free': a value maximizer without budget, target ROI or stock"):
        adsim.Market(scenario).run()


@pytest.mark.parametrize(
    ("name", "words"),
    [("quickstrat", "Did you mean 'quickstart'?"), ("missing.toml", "no such file"), ("a/b", "no such file")],
)
def test_a_scenario_that_does_not_exist(name: str, words: str) -> None:
    with pytest.raises(AdsimError) as fault:
        adsim.load_scenario(name)
    assert words in str(fault.value)


def test_a_file_that_is_not_toml(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("[auction\n")
    with pytest.raises(ScenarioError, match="not a TOML file"):
        adsim.load_scenario(path)


@pytest.mark.parametrize("seed", [-1, 1.5, "x"])
def test_a_seed_is_a_whole_number(seed: object) -> None:
    with pytest.raises(ScenarioError, match="seed"):
        adsim.Market(adsim.load_scenario("quickstart"), seed=seed)  # type: ignore[arg-type]
