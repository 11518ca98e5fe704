"""Markets written down as AuctionNet logs: the market's own ledger, and auctions that can be redone from the bids."""

from pathlib import Path
from typing import Any

import naive_auctionnet as naive
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import adsim
from adsim.errors import OutputError, ScenarioError
from adsim.experiments.replay.auctionnet_record import _shortest, record_auctionnet
from adsim.logs.auctionnet import AuctionNetLog
from adsim.market.result import Result
from adsim.market.scenario import Scenario, read_scenario

SEED = 3
TICKS, SIZE = 6, 12
TIGHT = adsim.load_scenario("target_cpa").replace(
    {
        "market.opportunities": 1500,
        "market.ticks": TICKS,
        "campaigns.0.count": SIZE - 4,
        "campaigns.0.budget": {"distribution": "uniform", "low": 1.0, "high": 12.0},
    }
)
"""Budgets that run out within the period, some of them in the first ticks."""


def with_second_table(scenario: Scenario) -> Scenario:
    """Four more campaigns, whose conversions are worth 4 and whose agent paces its budget."""
    tables = scenario.model_dump(mode="json", exclude_unset=True)
    first = tables["campaigns"][0]
    second = {**first, "name": "shop", "count": 4, "value": 4.0, "agent": "pid"}
    return scenario.replace({"campaigns": [first, second]})


@pytest.fixture(scope="module", params=["gsp", "first_price", "vcg"])
def recorded(request: Any, tmp_path_factory: Any) -> tuple[str, pd.DataFrame, Result]:
    """Mechanism, log and result of one market."""
    scenario = with_second_table(TIGHT).replace({"auction.mechanism": request.param})
    path = tmp_path_factory.mktemp("record") / "log.csv.gz"
    assert record_auctionnet(scenario, path, SEED) == 1500
    return request.param, AuctionNetLog(path).table(), adsim.Market(scenario, SEED).run(events=True)


def square(log: pd.DataFrame, column: str, dtype: Any = np.float64) -> np.ndarray:
    """A column by opportunity and campaign."""
    return log[column].to_numpy(dtype).reshape(-1, SIZE)


def test_each_tick_adds_up_to_the_markets_ledger(recorded: tuple[str, pd.DataFrame, Result]) -> None:
    _, log, result = recorded
    log = log.assign(spend=log["cost"].astype(np.float32).astype(float) * log["isExposed"])
    sums = log.groupby(["timeStepIndex", "advertiserNumber"])[["spend", "xi", "isExposed", "conversionAction"]].sum()
    assert (result.ticks["spend"] > 0).sum() > 30
    np.testing.assert_allclose(sums["spend"], result.ticks["spend"], rtol=1e-12, atol=1e-12)
    for column, total in (("xi", "wins"), ("isExposed", "exposures"), ("conversionAction", "conversions")):
        assert sums[column].tolist() == result.ticks[total].tolist()


def test_auctions_redone_from_the_bids_have_the_same_winners_and_prices(
    recorded: tuple[str, pd.DataFrame, Result],
) -> None:
    mechanism, log, _ = recorded
    bids, slot, cost = square(log, "bid", np.float32), square(log, "adSlot", int), square(log, "cost", np.float32)
    least = square(log, "leastWinningCost", np.float32)
    for t in range(len(bids)):
        winners, prices, beaten = naive.clear(bids[t], 3, np.float32(1e-4))
        assert [*np.flatnonzero(slot[t])] == sorted(n for n in winners if n >= 0)
        assert (least[t] == beaten).all()
        for k, n in enumerate(winners):
            if n >= 0:
                assert slot[t, n] == k + 1
                if mechanism != "vcg":
                    assert cost[t, n] == (prices[k] if mechanism == "gsp" else bids[t, n])


def test_bids_are_multiplier_times_prediction_until_money_caps_them(
    recorded: tuple[str, pd.DataFrame, Result],
) -> None:
    _, log, result = recorded
    worth = np.where(square(log, "advertiserNumber") < SIZE - 4, 1.0, 4.0)
    multiplier = result.multipliers[log["timeStepIndex"].to_numpy().reshape(-1, SIZE)[:, 0]]
    bid, wanted = square(log, "bid"), multiplier * square(log, "pValue") * worth
    capped = bid < wanted * (1 - 1e-6)
    assert (bid <= wanted * (1 + 1e-6)).all()
    assert 0.01 < capped.mean() < 0.9
    assert (bid[capped] <= square(log, "remainingBudget")[capped]).all()
    charge = square(log, "cost")[-1] * square(log, "isExposed")[-1]
    assert (bid[-1] <= (result.budget_left + charge) * (1 + 1e-6)).all()


def test_terms_and_money_are_the_campaigns(recorded: tuple[str, pd.DataFrame, Result]) -> None:
    _, log, result = recorded
    campaigns = log.groupby("advertiserNumber").first()
    assert campaigns["advertiserCategoryIndex"].tolist() == [0] * (SIZE - 4) + [1] * 4
    assert campaigns["budget"].tolist() == result.constraints.budget.tolist()
    np.testing.assert_allclose(
        campaigns["CPAConstraint"] * result.constraints.target_roi,
        result.constraints.value_per_conversion,
        rtol=1e-15,
    )
    left = log.groupby(["timeStepIndex", "advertiserNumber"])["remainingBudget"].first().unstack().to_numpy()
    spent = np.cumsum(result.ticks["spend"].to_numpy().reshape(TICKS, SIZE), axis=0)
    np.testing.assert_allclose(left[1:], result.constraints.budget - spent[:-1], atol=1e-9)
    over = (log["timeStepIndex"] == TICKS - 1) | (log["remainingBudget"] < 0.1)
    assert (log["isEnd"] == over).all()
    assert log["isEnd"][log["timeStepIndex"] < TICKS - 1].any()
    assert set(log["deliveryPeriodIndex"]) == {SEED}
    assert (log["pValueSigma"] == 0).all()


def test_opportunities_are_numbered_through_the_period(recorded: tuple[str, pd.DataFrame, Result]) -> None:
    _, log, _ = recorded
    assert log["pvIndex"].tolist() == np.repeat(np.arange(1500), SIZE).tolist()
    assert log["timeStepIndex"].is_monotonic_increasing


def test_one_seed_gives_one_file_whatever_was_recorded_before(tmp_path: Path) -> None:
    scenario = TIGHT.replace({"market.opportunities": 200})
    for name, seed in (("a.gz", 5), ("other.gz", 6), ("b.gz", 5)):
        record_auctionnet(scenario, tmp_path / name, seed)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_predictions_of_markets_with_features_are_recorded(tmp_path: Path) -> None:
    changes = {
        "market.opportunities": 300,
        "market.ticks": 3,
        "auction.charge": "exposure",
        "auction.reserve": 1e-4,
        "predictor": {"kind": "oracle"},
        "campaigns": [{"count": 5, "value": 2.0, "budget": 5.0, "target_cpa": 1.5}],
    }
    scenario = adsim.load_scenario("click_market")
    tables = scenario.model_dump(mode="json", exclude_unset=True)
    tables.pop("learning", None)
    scenario = read_scenario({**tables, "predictor": {"kind": "oracle"}}, "here").replace(changes)
    record_auctionnet(scenario, tmp_path / "log.csv", 1)
    log = AuctionNetLog(tmp_path / "log.csv").table()
    result = adsim.Market(scenario, 1).run()
    shown = log[log["isExposed"] == 1].groupby("advertiserNumber")["pValue"].sum()
    np.testing.assert_allclose(2 * shown.reindex(range(5), fill_value=0), result.totals.predicted_value, rtol=1e-6)


@given(value=st.floats(0, 2.0**100, width=32))
def test_shortest_decimals_are_the_same_float32(value: float) -> None:
    (found,) = _shortest(np.array([value], np.float32))
    assert np.float32(found) == np.float32(value)
    assert len(repr(float(found)).split("e")[0].replace(".", "").strip("0")) <= 9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"auction.mechanism": "lpa"}, "do not rank by bid alone (for mechanism lpa"),
        ({"campaigns.0.quality": 2.0}, "do not rank by bid alone"),
        ({"campaigns.0.agent": "ros"}, "change their multipliers within a tick"),
        ({"auction.charge": "click"}, "charges for a click (auction.charge)"),
        ({"auction.reserve": 0.0}, "without a reserve"),
        ({"market.outcomes": "expected"}, "expected outcomes"),
        ({"traffic.basket": 0.5}, "traffic.basket"),
        ({"phases.value": [1.0, 2.0]}, "phases.value"),
        ({"traffic": {"source": "independent", "value": 0.5}}, "traffic.source = independent"),
        ({"competition.price": 0.1}, "[competition]"),
        ({"campaigns.0.stock": 3}, "a stock"),
        ({"campaigns.0": {"target_cpa": 3.0}}, "without a budget"),
        ({"campaigns.0": {"budget": 3.0}}, "without target_cpa or target_roi"),
    ],
)
def test_what_the_layout_cannot_say_is_refused_by_name(changes: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        record_auctionnet(TIGHT.replace(changes), tmp_path / "log.csv")
    assert f"an AuctionNet log cannot tell {message}" in str(caught.value) or message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_seed_too_large_to_number_a_period_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="to number a log's period"):
        record_auctionnet(TIGHT, tmp_path / "log.csv", 2**53 + 1)


def test_an_interrupted_recording_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        assert total == TICKS
        if done == 2:
            raise KeyboardInterrupt

    (tmp_path / "log.csv.gz").write_text("an earlier log")
    with pytest.raises(KeyboardInterrupt):
        record_auctionnet(TIGHT, tmp_path / "log.csv.gz", progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv.gz"]
    assert (tmp_path / "log.csv.gz").read_text() == "an earlier log"


def test_a_place_that_cannot_be_written_is_found_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        record_auctionnet(TIGHT, tmp_path / "missing" / "log.csv", progress=lambda done, total: pytest.fail("worked"))
