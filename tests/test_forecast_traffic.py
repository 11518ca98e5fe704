"""AuctionNet's traffic: predictions, what really converts, ticks of other sizes than foretold, unsold slots."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from data_path import shared_data
from laid_out import lay_out
from scipy.stats import truncnorm

import adsim
from adsim.errors import AuctionError, ScenarioError
from adsim.market.forecast_traffic import ForecastTraffic
from adsim.market.markets import Markets
from adsim.market.reveal import true_pairs
from adsim.market.scenario import Scenario, read_scenario
from adsim.market.supply import Seeds

AUCTIONNET = adsim.load_scenario("auctionnet")


def make(opportunities: int = 3000, count: int = 6, **tables: Any) -> Scenario:
    traffic = {"source": "auctionnet", "categories": 3} | tables.pop("traffic", {})
    market = {"ticks": 20, "opportunities": opportunities} | tables.pop("market", {})
    rows = [{"count": count, "agent": "fixed", "target_cpa": 80.0}]
    return read_scenario({"market": market, "traffic": traffic, "campaigns": rows, **tables}, "test")


def rates(scenario: Scenario, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true rates of all pairs; (T, N)."""
    laid, count = lay_out(adsim.Market(scenario, seed)), scenario.market.opportunities
    found = np.empty((2, count, scenario.size))
    width = laid.truth.ctr.shape[1]
    for first in range(0, count, width):
        part = min(width, count - first)
        laid.fill(first, part)
        found[:, first : first + part] = laid.scratch.pctr[:, :part].T, laid.truth.ctr[:, :part].T
    return found[0], found[1]


def published(seed: int, opportunities: int) -> np.ndarray:
    """Predicted rates as the published generator makes them, drawn by numpy; (T, 48)."""
    rng = np.random.default_rng(seed)
    category = np.repeat(rng.uniform(0.3, 1.7, (6, 6)), 8, axis=1)
    ratio = np.stack(
        [category[i // 8] * (1 if i % 8 == 0 else np.repeat(rng.uniform(0.5, 1.5, 6), 8)) for i in range(48)]
    )
    typical = rng.normal(0.5, 0.1, (48, 1))
    typical = np.where(typical < 0, 0.1, np.minimum(typical, 1))
    spread = rng.normal(typical, 0.2 * typical, (48, 48))
    spread = np.where(spread < 0, 0.1, np.minimum(spread, 1))
    base = np.array(AUCTIONNET.traffic.curve)
    weights = base * np.repeat(rng.uniform(0.6, 1.4, 12), 4)
    tick = rng.choice(48, opportunities, p=weights / weights.sum())
    mean = (0.0005 * ratio)[:, tick]
    return np.clip(rng.normal(mean, mean * spread[:, tick]), 0, 1).T


def moments(values: np.ndarray) -> list[float]:
    """What AuctionNet's values were measured by."""
    together = np.corrcoef(values.T)
    within = [together[i, j] for c in range(0, 48, 8) for i in range(c, c + 8) for j in range(i)]
    across = together[:8, 8:].mean()
    p99 = np.quantile(values, 0.99)
    return [values.mean(), values.std(), float(np.median(values)), p99, (values == 0).mean(), np.mean(within), across]


def test_predictions_are_distributed_as_the_published_generator_draws_them() -> None:
    scenario = AUCTIONNET.replace({"market.opportunities": 20_000})
    ours = np.array([moments(rates(scenario, seed)[0]) for seed in range(30)])
    theirs = np.array([moments(published(seed, 20_000)) for seed in range(30)])
    error = np.sqrt(ours.var(axis=0) / 30 + theirs.var(axis=0) / 30)
    assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 4 * error).all()


def test_measured_predictions_of_an_episode_lie_among_ours() -> None:
    measured = [0.000479, 0.000376, 0.000386, 0.00174, 0.030]
    scenario = AUCTIONNET.replace({"market.opportunities": 20_000})
    ours = np.array([moments(rates(scenario, seed)[0])[:5] for seed in range(30)])
    assert (ours.min(axis=0) < measured).all()
    assert (measured < ours.max(axis=0)).all()


def test_truth_leans_to_the_side_of_each_campaign_as_measured() -> None:
    scenario = AUCTIONNET.replace({"market.opportunities": 5000})
    ratios = []
    for seed in range(20):
        predicted, true = rates(scenario, seed)
        ratios.append(true.sum(axis=0) / predicted.sum(axis=0))
    found = np.quantile(np.concatenate(ratios), [0.05, 0.5, 0.95])
    np.testing.assert_allclose(found, [0.916, 1.007, 1.078], atol=0.012)


def test_the_lean_is_the_mean_of_the_truncated_normal() -> None:
    seeds = Seeds(np.arange(2, dtype=np.uint64))
    table = ForecastTraffic(source="auctionnet")
    found = table.draw(6, 10, seeds).lean
    below, above = 2 * seeds.uniforms(306, 6), 2 * seeds.uniforms(307, 6)
    rng = np.random.default_rng(0)
    for e in range(2):
        for n in range(6):
            draws = truncnorm.rvs(-below[e, n], above[e, n], size=40_000, random_state=rng)
            assert found[e, n] == pytest.approx(draws.mean(), abs=0.02)


def test_without_bias_and_spread_predictions_are_the_mean_and_true() -> None:
    scenario = make(traffic={"bias": 0.0, "spread": 0.0, "category_spread": 0.0, "member_spread": 0.0, "rate": 0.25})
    predicted, true = rates(scenario, 3)
    np.testing.assert_array_equal(predicted, 0.25)
    np.testing.assert_allclose(true, 0.25, rtol=1e-6)


def test_everyone_bidding_the_target_cpa_has_the_published_totals() -> None:
    totals = []
    for seed in range(12):
        market = adsim.Market(AUCTIONNET, seed)
        bids = np.tile(1 / market.campaigns.constraints.target_roi, (48, 1))
        result = market.run(multipliers=bids)
        totals.append([result.summary["conversions"], result.summary["revenue"]])
        assert (result.campaigns["spend"] <= result.campaigns["budget"]).all()
    conversions, cost = np.mean(totals, axis=0)
    assert 1200 < conversions < 1400
    assert 95_000 < cost < 110_000


def test_traffic_strays_from_its_curve_by_windows_of_four_ticks_and_sums_up() -> None:
    markets = Markets(AUCTIONNET, [0, 1, 2])
    traffic = np.diff(markets.bounds, axis=1)
    np.testing.assert_array_equal(traffic.sum(axis=1), 500_000)
    factor = traffic / (np.array(AUCTIONNET.traffic.curve) * 500_000)
    windows = factor.reshape(3, 12, 4)
    np.testing.assert_allclose(windows / windows.mean(axis=2, keepdims=True), 1, rtol=1e-3)
    ratio = windows.max(axis=(1, 2)) / windows.min(axis=(1, 2))
    assert (ratio < 1.4 / 0.6).all()
    assert (ratio > 1.3).all()
    assert len(np.unique(traffic[:, 0])) == 3


def test_campaigns_know_the_curve_and_not_the_traffic_to_come() -> None:
    first, second = (Markets(AUCTIONNET, [seed]) for seed in (0, 1))
    np.testing.assert_array_equal(first.terms.share_of_rest, second.terms.share_of_rest)
    assert (first.bounds != second.bounds).any()


def test_a_market_is_the_same_alone_and_among_others_and_whatever_the_window() -> None:
    scenario = make()
    markets = Markets(scenario, [4, 7])
    markets.open()
    from adsim.market.markets import make_events

    for _ in range(20):
        markets.run_tick(make_events(0, 1))
    for e, seed in enumerate((4, 7)):
        for window in (1, 512):
            alone = adsim.Market(scenario, seed, window=window).run()
            np.testing.assert_array_equal(alone.history[-1], markets.fleet.accounts.ledger[e])


def test_another_campaign_of_a_category_does_not_change_the_first() -> None:
    few, many = (rates(make(count=count), 1)[0] for count in (3, 6))
    np.testing.assert_array_equal(few[:, 0], many[:, 0])


def test_agents_never_see_what_really_converts() -> None:
    scenario = make(traffic={"rate": 0.05}, **{"market": {"outcomes": "expected"}})
    laid = lay_out(adsim.Market(scenario, 2))
    laid.fill(0, 64)
    np.testing.assert_array_equal(laid.candidates.value[:6, :64], laid.scratch.pctr[:, :64])
    assert (laid.scratch.pctr[:, :64] != laid.truth.ctr[:, :64]).any()
    markets = Markets(scenario, [2])
    markets.open()
    np.testing.assert_allclose(true_pairs(markets).conversions[:64].T, laid.truth.ctr[:, :64], rtol=1e-7)


def test_categories_of_different_sizes_are_refused() -> None:
    with pytest.raises(ScenarioError, match="do not share 7 campaigns equally"):
        make(count=7)


def test_another_predictor_is_refused() -> None:
    with pytest.raises(ScenarioError, match="brings its own predictions"):
        make(predictor={"kind": "noise"})


@pytest.mark.parametrize("mechanism", ["second_price", "gsp"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_last_bidder_above_the_reserve_gets_no_slot_where_none_is_sold_at_it(mechanism: str, dtype: type) -> None:
    bids = np.array([[3.0, 0.0, 0.0, 0.0], [3.0, 2.0, 0.0, 0.0], [3.0, 2.0, 1.0, 0.0], [3.0, 2.0, 1.0, 0.5]], dtype)
    slots = (1.0,) if mechanism == "second_price" else (1.0, 0.8, 0.6)
    found = adsim.clear(bids, mechanism, exposure=slots, reserve=0.1, sell_at_reserve=False)
    winners = [[-1, -1, -1], [0, -1, -1], [0, 1, -1], [0, 1, 2]]
    prices = [[0, 0, 0], [2, 0, 0], [2, 1, 0], [2, 1, 0.5]]
    np.testing.assert_array_equal(found.winners, np.array(winners)[:, : len(slots)])
    np.testing.assert_allclose(found.prices, np.array(prices)[:, : len(slots)])


def test_a_lone_bidder_in_a_market_gets_nothing_where_no_slot_is_sold_at_the_reserve() -> None:
    auction = {"mechanism": "gsp", "reserve": 1e-5}
    for sell, wins in ((True, 3000), (False, 0)):
        scenario = make(
            count=1, traffic={"categories": 1, "spread": 0.0}, auction=auction | {"sell_at_reserve": sell}
        )
        result = adsim.Market(scenario, 0).run(multipliers=np.ones((20, 1)))
        assert result.totals.wins.sum() == wins


def test_other_mechanisms_have_no_price_at_the_reserve_to_refuse() -> None:
    with pytest.raises(AuctionError, match="sell_at_reserve = False is for gsp and second_price, not vcg"):
        adsim.clear([[1.0, 2.0]], "vcg", sell_at_reserve=False)
    with pytest.raises(ScenarioError, match="sell_at_reserve = false is for gsp and second_price, not vcg"):
        make(auction={"mechanism": "vcg", "sell_at_reserve": False})


def test_a_recorded_episode_clears_as_it_was_recorded() -> None:
    log = pd.read_csv(shared_data("auctionnet/auctionnet_log_10k_pvs.csv.gz"))
    bids, slot, cost = (log[name].to_numpy().reshape(-1, 48) for name in ("bid", "adSlot", "cost"))
    cleared = adsim.clear(bids, "gsp", exposure=(1, 0.8, 0.48), reserve=1e-4, sell_at_reserve=False)
    for k in range(3):
        won = slot == k + 1
        winner = np.where(won.any(axis=1), won.argmax(axis=1), -1)
        np.testing.assert_array_equal(cleared.winners[:, k], winner)
        np.testing.assert_array_equal(cleared.prices[:, k], np.where(won, cost, 0).sum(axis=1))


def test_campaigns_take_listed_agents_in_turn() -> None:
    agents = ["fixed:multiplier=2", "fixed:multiplier=3", "fixed:multiplier=3"]
    rows = [{"count": 5, "agent": agents}, {"name": "other", "agent": "fixed:multiplier=3"}]
    scenario = read_scenario({"market": {"ticks": 2, "opportunities": 50}, "campaigns": rows}, "test")
    market = adsim.Market(scenario, 0)
    np.testing.assert_array_equal(market.run().multipliers, np.tile([2.0, 3, 3, 2, 3, 3], (2, 1)))
    assert [group.members for group in market.campaigns.groups] == [
        slice(0, 1), slice(1, 3), slice(3, 4), slice(4, 5), slice(5, 6)
    ]  # fmt: skip


def test_an_unknown_agent_of_a_list_is_named() -> None:
    with pytest.raises(ScenarioError, match="nobody"):
        read_scenario({"campaigns": [{"count": 2, "agent": ["fixed", "nobody"]}]}, "test")
