"""Misreports: against closed forms and brute force for the classic auctions, and the theory of LPA for sellers."""

from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import adsim
from adsim.cli.app import app
from adsim.errors import AdsimError
from adsim.experiments.incentives import figures as incentive_figures
from adsim.experiments.incentives.incentives import Incentives, incentives
from adsim.experiments.incentives.misreports import judge, misreport, violation
from adsim.experiments.optimum.calibrate import calibrate
from adsim.experiments.optimum.own_multiplier import own_multiplier
from adsim.experiments.optimum.whole_period import WholePeriod
from adsim.market.markets import Markets
from adsim.market.reveal import true_values
from adsim.market.scenario import Scenario
from adsim.types import Constraints, Totals

FACTORS = (0.5, 0.8, 1.25, 2.0)


def auction(count: int, exposure: tuple[float, ...], opportunities: int = 20_000) -> Scenario:
    """Utility maximizers whose values are uniform on [0, 1]."""
    changes = {"market.opportunities": opportunities, "auction.exposure": list(exposure)}
    changes |= {"campaigns.0.count": count, "campaigns.0.value": 1.0}
    return adsim.load_scenario("position_auction").replace({**changes, "auction.mechanism": "vcg"})


def sellers(**changes: Any) -> Scenario:
    """Six sellers with targets, half of them short of stock."""
    small = {"market.opportunities": 2000, "campaigns.0.count": 6, "market.ticks": 1, "traffic.curve": "flat"}
    stock = {"distribution": "uniform", "low": 0.6, "high": 3.0}
    return adsim.load_scenario("quanzhantui").replace({**small, "campaigns.0.relative_stock": stock, **changes})


@pytest.fixture(scope="module")
def targets() -> Incentives:
    return incentives(sellers(), report="target", mechanisms=["lpa"], factors=FACTORS, seeds=3)


@pytest.mark.parametrize("factor", [0.25, 0.5, 0.75, 1.0])
def test_first_price_utility_of_two_uniform_bidders_is_the_closed_form(factor: float) -> None:
    # Bidding b v against a rival who bids its uniform value wins with probability b v, so that utility is
    # E[(1 - b) v b v] = b (1 - b) / 3, and sales of the truthful are E[v v] = 1 / 3.
    found = incentives(auction(2, (1.0,)), report="value", mechanisms=["first_price"], factors=[factor], seeds=1)
    utility = found.runs.query("factor == @factor")["relative_utility"]
    assert utility.to_numpy() == pytest.approx(factor * (1 - factor), abs=0.01)


def test_shading_by_half_is_best_against_one_truthful_rival_in_first_price() -> None:
    grid = [0.3, 0.4, 0.5, 0.6, 0.7]
    found = incentives(auction(2, (1.0,)), report="value", mechanisms=["first_price"], factors=grid, seeds=2)
    gain = found.gains.iloc[0]
    assert gain["factor"] == 0.5
    assert gain["low"] <= gain["mean"] <= gain["high"] <= gain["largest"]
    assert gain["mean"] == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(("mechanism", "exposure"), [("second_price", (1.0,)), ("vcg", (1.0, 0.6, 0.3))])
def test_no_bid_but_the_value_gains_in_truthful_auctions(mechanism: str, exposure: tuple[float, ...]) -> None:
    market = auction(4, exposure, 3000)
    found = incentives(
        market.replace({"auction.mechanism": mechanism}), report="value", mechanisms=[mechanism], seeds=3
    )
    curve = found.table.query("metric == 'relative_utility'").set_index("factor")["mean"]
    assert (found.gains["largest"] == 0).all()
    assert curve.idxmax() == 1
    assert (curve.drop(1.0) < curve[1.0] - 1e-3).all()


def test_gsp_gains_are_those_of_an_auction_by_hand() -> None:
    exposure = np.array([1.0, 0.5])
    market = auction(3, (1.0, 0.5), 2000)
    found = incentives(market, report="value", mechanisms=["gsp"], campaigns=["bidder-1"], factors=FACTORS, seeds=1)
    markets = Markets(market, [0])
    markets.open()
    values = true_values(markets)
    truthful = None
    for row in sorted(found.runs.to_dict("records"), key=lambda row: row["factor"] != 1):
        bids = values * [row["factor"], 1, 1]
        order = np.sort(bids[:, 1:], axis=1)[:, ::-1]
        slot = (order > bids[:, :1]).sum(axis=1)
        price = np.take_along_axis(np.hstack([order, np.zeros((len(bids), 1))]), slot[:, None], axis=1)[:, 0]
        seen = np.append(exposure, 0.0)[slot]
        truthful = float(seen @ values[:, 0]) if truthful is None else truthful
        assert row["payment"] == pytest.approx(seen @ price, rel=1e-4)
        assert row["relative_utility"] == pytest.approx(seen @ (values[:, 0] - price) / truthful, rel=1e-4)
    assert found.gains["factor"].item() == 0.8
    assert found.gains["largest"].item() > 0.01


def test_sales_never_rise_with_the_reported_target_under_lpa(targets: Incentives) -> None:
    gains = targets.gains.set_index("others")
    assert gains.loc["fixed", "reversal"] == 0
    assert gains.loc["adapt", "reversal"] <= gains.loc["adapt", "noise"]


def test_no_target_but_the_true_one_gains_for_a_value_maximizer_under_lpa(targets: Incentives) -> None:
    lpa = targets.runs
    more = lpa.query("factor < 1 and sales > 0")
    assert (more["violation"] > 1 - more["factor"] - 1e-6).all(), "the return is the target that was reported"
    assert not more["feasible"].any()
    assert lpa.query("factor >= 1")["feasible"].all()
    assert (targets.gains["largest"] <= targets.gains["noise"]).all()
    assert not targets.gains["beyond_noise"].any()


def test_lpa_charges_sales_over_the_reported_target(targets: Incentives) -> None:
    lpa = targets.runs.query("factor >= 1")
    scenario = sellers()
    for seed, rows in lpa.groupby("seed"):
        period = WholePeriod(scenario, int(str(seed)))
        target = dict(zip(period.names, period.constraints.target_roi, strict=True))
        due = rows["sales"] / (rows["campaign"].map(target) * rows["factor"])
        assert rows["payment"].to_numpy() == pytest.approx(due.to_numpy(), rel=0.01)


def test_no_stock_but_the_true_one_gains_for_a_value_maximizer_under_lpa() -> None:
    found = incentives(sellers(), report="stock", mechanisms=["lpa"], factors=FACTORS, seeds=3)
    assert (found.gains["largest"] <= found.gains["noise"]).all()
    assert not found.runs["feasible"].all(), "some stock must bind, or nothing is tested"
    assert (found.runs.query("factor < 1")["relative_sales"] < 0.999).any()


def test_a_utility_maximizer_gains_by_reporting_a_higher_target_under_lpa() -> None:
    market = sellers(**{"campaigns.0.objective": "utility"})
    found = incentives(market, report="target", mechanisms=["lpa"], factors=FACTORS, others=["fixed"], seeds=3)
    assert found.others == ["fixed"]
    assert found.gains["low"].item() > 0.02
    assert found.gains["factor"].item() > 1
    assert found.gains["beyond_noise"].item()


@pytest.mark.parametrize("mechanism", ["lpa", "second_price"])
def test_an_own_multiplier_is_the_largest_that_keeps_what_is_reported(mechanism: str) -> None:
    scenario = sellers(**{"auction.mechanism": mechanism, "auction.beta": 0.1})
    found, truth = calibrate(scenario, 1), WholePeriod(scenario, 1)
    searched = 0
    for campaign in range(scenario.size):
        period = WholePeriod(scenario, 1, misreport(truth.constraints, campaign, "stock", 0.7))
        own = own_multiplier(period, mechanism, campaign, found.multiplier, found.leaving)
        most = 1 / period.constraints.target_roi[campaign] if mechanism == "lpa" else np.inf
        assert own <= most
        if 0 < own < most:
            searched += 1
            broken = []
            for multiplier in (own, own * (1 + 1e-6), own * 1.05):
                bids = np.where(np.arange(scenario.size) == campaign, multiplier, found.multiplier)
                broken.append(violation(period.constraints, period.totals(bids, found.leaving))[campaign] > 1e-9)
            assert broken == [False, True, True]
    assert searched > 1


def test_an_outcome_is_judged_by_the_true_constraints() -> None:
    inf = np.full(2, np.inf)
    true = Constraints(
        np.ones(2), np.array([True, False]), inf, np.array([2.0, 0.0]), np.array([10.0, 4.0]), np.zeros(2)
    )
    sold = Totals(*np.zeros((8, 2)))._replace(
        conversions=np.array([10.0, 5.0]), value=np.array([10.0, 5.0]), spend=np.array([6.25, 1.0])
    )
    assert judge(true, sold, 0) == (10.0, 6.25, 10.0, pytest.approx(0.2))  # a return of 1.6 against a target of 2
    assert judge(true, sold, 1) == (4.0, 1.0, 3.0, pytest.approx(0.25))  # five sold of four


def test_a_misreport_changes_one_number_of_one_campaign() -> None:
    own = WholePeriod(sellers(), 0).constraints
    told = misreport(own, 2, "target", 1.5)
    assert told.target_roi[2] == 1.5 * own.target_roi[2]
    assert np.delete(told.target_roi, 2).tolist() == np.delete(own.target_roi, 2).tolist()
    assert told.stock is own.stock


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"report": "price"}, "report = 'price'"),
        ({"report": "budget"}, "no campaign has a budget"),
        ({"report": "budget", "campaigns": ["bidder-1"]}, "'bidder-1' has no budget"),
        ({"campaigns": ["nobody"], "report": "value"}, "no campaign 'nobody'"),
        ({"campaigns": [], "report": "value"}, "nobody deviates"),
        ({"factors": [-1.0], "report": "value"}, "positive"),
        ({"others": ["both"], "report": "value"}, "fixed, adapt or both"),
        ({"mechanisms": ["second_price"], "report": "value"}, "sells one slot"),
    ],
)
def test_impossible_questions_are_refused_in_words(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AdsimError, match=message):
        incentives(auction(2, (1.0, 0.5), 100), seeds=1, **changes)


def test_results_do_not_depend_on_workers() -> None:
    market = auction(3, (1.0, 0.5), 500)
    one, two = (incentives(market, report="value", factors=FACTORS, seeds=2, workers=workers) for workers in (1, 2))
    assert one.runs.equals(two.runs)


def test_figures_show_both_behaviours_of_the_others(targets: Incentives) -> None:
    figure = incentive_figures.of_incentives(targets)["reports"]
    assert [axis.get_title(loc="left") for axis in figure.axes] == list(incentive_figures.OTHERS.values())
    assert len(incentive_figures.reports(incentives(auction(2, (1.0,), 200), report="value", seeds=1)).axes) == 2


def test_the_command_prints_gains_and_noise() -> None:
    chosen = ["--report", "value", "--factors", "0.5", "--seeds", "2", "--set", "market.opportunities=200"]
    table = CliRunner().invoke(app, ["incentives", "position_auction", "--mechanisms", "vcg,gsp", *chosen])
    assert table.exit_code == 0
    assert "noise" in table.stdout
    told = CliRunner().invoke(app, ["incentives", "position_auction", "--mechanisms", "vcg", *chosen, "--json"])
    assert '"gains"' in told.stdout
    wrong = CliRunner().invoke(app, ["incentives", "position_auction", *chosen, "--factors", "a"])
    assert wrong.exit_code == 2
