"""Comparisons: paired, the same for any number of workers, honest about what was left out."""

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

import adsim
from adsim.errors import AdsimError, AgentError, UnknownName
from adsim.experiments.comparison.compare import Comparison, compare
from adsim.experiments.comparison.landscape import landscape
from adsim.experiments.optimum.weighted_optimum import is_quick, weighted_optimum
from adsim.experiments.statistics import difference, estimate

SMALL = {"market.opportunities": 4000, "market.ticks": 12}
FRAMES = ("runs", "campaigns", "table", "differences")


def small(name: str, **changes: object) -> adsim.Scenario:
    return adsim.load_scenario(name).replace({**SMALL, **{key.replace("__", "."): v for key, v in changes.items()}})


@pytest.fixture(scope="module")
def six() -> Comparison:
    return compare(small("quanzhantui"), seeds=4, first_seed=3, optimum=False)


def test_results_do_not_depend_on_workers(six: Comparison) -> None:
    others = compare(small("quanzhantui"), seeds=4, first_seed=3, optimum=False, workers=2)
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(six, name), getattr(others, name), check_exact=True)
    assert six.summary() == others.summary()


def test_all_mechanisms_that_fit_are_compared_to_lpa(six: Comparison) -> None:
    assert six.variants == ["first_price", "second_price", "gsp", "vcg", "lpa", "split"]
    assert six.baseline == "lpa"
    assert six.left_out == {}
    assert six.seeds == [3, 4, 5, 6]
    assert len(six.runs) == 6 * 4
    assert len(six.campaigns) == 6 * 4 * 20
    assert set(six.differences["variant"]) == set(six.variants) - {"lpa"}


def test_a_cell_is_the_market_of_that_seed(six: Comparison) -> None:
    market = adsim.Market(small("quanzhantui", auction__mechanism="vcg"), seed=5)
    row = six.runs.query("variant == 'vcg' and seed == 5").iloc[0]
    for metric, value in market.run().summary.items():
        np.testing.assert_equal(row[metric], value)


def test_variants_see_the_same_campaigns(six: Comparison) -> None:
    for _, rows in six.campaigns.groupby(["seed", "campaign"]):
        assert rows["target_roi"].nunique() == 1
        assert rows["stock"].nunique() == 1


def test_means_and_differences_are_those_of_the_runs(six: Comparison) -> None:
    samples = six.runs.pivot(index="seed", columns="variant", values="revenue")
    table = six.table.query("metric == 'revenue'").set_index("variant")
    differences = six.differences.query("metric == 'revenue'").set_index("variant")
    assert tuple(table.loc["gsp", ["mean", "low", "high"]]) == estimate(samples["gsp"])
    found = difference(samples["gsp"], samples["lpa"])
    assert tuple(differences.loc["gsp", ["mean", "low", "high"]]) == found
    assert differences.loc["gsp", "excludes_zero"] == found.excludes_zero


def test_auctions_of_one_slot_coincide(six: Comparison) -> None:
    results = [six.runs.query("variant == @name")[six.metrics].to_numpy() for name in ("gsp", "vcg", "second_price")]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_objective_shares_are_of_the_optimum_of_the_same_market() -> None:
    scenario = small("quanzhantui", market__opportunities=800, campaigns__0__count=5)
    found = compare(scenario, mechanisms=["lpa", "split"], seeds=3)
    for row in found.runs.to_dict("records"):
        best = weighted_optimum(scenario, row["seed"]).objective
        assert row["objective_share"] == pytest.approx(row["weighted_objective"] / best, rel=1e-5)
    samples = found.runs.pivot(index="seed", columns="variant", values="objective_share")
    assert (samples < 1).all(axis=None)
    gap = found.differences.query("metric == 'objective_share'").iloc[0]
    assert tuple(gap[["mean", "low", "high"]]) == difference(samples["split"], samples["lpa"])
    assert gap["high"] < 0
    again = compare(scenario, mechanisms=["lpa", "split"], seeds=3, workers=2)
    pd.testing.assert_frame_equal(found.runs, again.runs, check_exact=True)


@pytest.mark.parametrize(
    ("name", "changes", "quick"),
    [
        ("quanzhantui", {}, True),
        ("quanzhantui_large", {}, False),
        ("quanzhantui_flash", {}, False),  # not known so large
        ("quanzhantui_flash", SMALL, True),
        ("quanzhantui", {"traffic.experience": None, "auction.beta": 0.0}, False),
        ("quanzhantui", {"campaigns.0.relative_stock": None}, False),
        ("quickstart", {}, False),
        ("display_rtb", {}, False),
    ],
)
def test_the_optimum_is_found_where_it_is_a_matter_of_seconds(name: str, changes: Any, quick: bool) -> None:
    assert is_quick(adsim.load_scenario(name).replace(changes)) is quick


def test_an_optimum_that_is_not_known_is_refused_when_asked_for() -> None:
    with pytest.raises(AdsimError, match="posted competition"):
        compare(small("display_rtb"), seeds=1, optimum=True)
    assert "objective_share" not in compare(small("quickstart"), mechanisms=["gsp"], seeds=1).metrics


def test_summary_is_json_with_null_for_nan(six: Comparison) -> None:
    summary = json.loads(json.dumps(six.summary(), allow_nan=False))
    assert summary["variants"]["lpa"]["budget_use"] == {"mean": None, "low": None, "high": None}
    assert set(summary["variants"]["lpa"]["stock_overshoot"]) == {"mean", "low", "high"}
    assert set(summary["differences"]["gsp"]["revenue"]) == {"mean", "low", "high", "excludes_zero"}
    assert "lpa" not in summary["differences"]


def test_mechanisms_that_do_not_fit_are_left_out_with_the_reason() -> None:
    found = compare(small("quickstart"), seeds=1)
    assert found.variants == ["first_price", "gsp", "vcg", "lpa"]
    assert "one slot" in found.left_out["second_price"]
    assert "experience" in found.left_out["split"]
    assert "lpa" in compare(small("display_rtb"), seeds=1).left_out


def test_without_lpa_the_first_variant_is_the_baseline() -> None:
    found = compare(small("quickstart"), mechanisms=["vcg", "gsp"], seeds=2)
    assert found.variants == ["vcg", "gsp"]
    assert found.baseline == "vcg"


def test_agents_replace_those_of_all_campaigns() -> None:
    found = compare(small("quickstart"), agents=["feedback:step=0.1", "pid"], seeds=2)
    assert found.varied == "agent"
    assert found.baseline == "feedback:step=0.1"
    assert (found.campaigns["variant"] == found.campaigns["agent"]).all()


def test_one_seed_has_means_without_intervals() -> None:
    found = compare(small("quickstart"), mechanisms=["gsp"], seeds=1)
    row = found.table.query("metric == 'welfare'").iloc[0]
    assert row["mean"] == found.runs["welfare"][0]
    assert math.isnan(row["low"])
    assert found.differences.empty


def test_progress_counts_every_run() -> None:
    seen: list[tuple[int, int]] = []
    compare(small("quickstart"), mechanisms=["gsp", "vcg"], seeds=2, progress=lambda *step: seen.append(step))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"seeds": 0}, AdsimError, "seeds = 0"),
        ({"workers": 0}, AdsimError, "workers = 0"),
        ({"first_seed": -1}, AdsimError, "seed = -1"),
        ({"mechanisms": ["gps"]}, UnknownName, "Did you mean 'gsp'"),
        ({"mechanisms": ["second_price"]}, AdsimError, "one slot"),
        ({"mechanisms": []}, AdsimError, "nothing to compare"),
        ({"mechanisms": ["gsp"], "agents": ["pid"]}, AdsimError, "one at a time"),
        ({"agents": ["feedbak"]}, UnknownName, "Did you mean 'feedback'"),
        ({"agents": ["oracle"]}, AgentError, "oracle, seed 0"),
    ],
)
def test_impossible_comparisons_are_refused(options: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        compare(small("quickstart"), **{"seeds": 1, **options})  # type: ignore[arg-type]


def test_an_error_in_a_worker_reaches_the_caller() -> None:
    with pytest.raises(AgentError, match=r"oracle, seed [01]: the truth is shown in markets with one campaign"):
        compare(small("quickstart"), agents=["oracle"], seeds=2, workers=2)


def test_landscape_at_factor_one_is_what_happened() -> None:
    market = adsim.Market(small("quickstart"), seed=1)
    frame = landscape(market, "shop-2", factors=[0.5, 1.0, 2.0])
    row = market.run().campaigns.set_index("campaign").loc["shop-2"]
    for column in ("wins", "exposures", "conversions", "value", "spend", "roi", "budget", "target_roi"):
        assert frame[column][1] == row[column]
    assert (frame["spend"] <= row["budget"]).all()
    assert frame["wins"][0] < frame["wins"][1]


def test_landscape_takes_who_spends_most() -> None:
    market = adsim.Market(small("quickstart"), seed=1)
    campaigns = market.run().campaigns
    assert landscape(market, factors=[1.0])["campaign"][0] == campaigns["campaign"][campaigns["spend"].idxmax()]


def test_landscape_of_a_large_market_has_fewer_factors(monkeypatch: pytest.MonkeyPatch) -> None:
    market = adsim.Market(small("quickstart"), 1)
    size = market.scenario.size * market.scenario.market.opportunities
    monkeypatch.setattr("adsim.experiments.comparison.landscape.MOST_BIDS", size - 1)
    recorded = market.run()
    frame = landscape(market, recorded=recorded)
    np.testing.assert_allclose(frame["factor"], [1 / 8, 8**-0.5, 1, 8**0.5, 8])
    assert frame["spend"][2] == recorded.totals.spend.max()


def test_landscape_refuses_unknown_campaigns_and_factors() -> None:
    market = adsim.Market(small("quickstart"))
    with pytest.raises(UnknownName, match="Did you mean 'shop-1'"):
        landscape(market, "shp-1")
    with pytest.raises(AdsimError, match="factor = 0"):
        landscape(market, factors=[0])
