"""Campaigns with catalogues of ads: who takes part, which ad is shown, and AuctionGym's outcomes."""

from collections import Counter
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import chisquare

import adsim
from adsim.errors import ScenarioError
from adsim.market.catalogue_rounds import Rounds
from adsim.market.markets import Markets
from adsim.market.reveal import true_pairs
from adsim.market.scenario import Scenario, read_scenario

PUBLISHED = {
    2: (0.719, 0.306, 0.413),
    3: (0.801, 0.249, 0.552),
    4: (0.863, 0.232, 0.631),
    5: (0.902, 0.216, 0.686),
    6: (0.936, 0.207, 0.729),
}
"""AuctionGym's welfare, surplus and revenue per auction by participants: second price, true rates, seed 0."""


def make(campaigns: list[dict[str, Any]] | None = None, opportunities: int = 3000, **tables: Any) -> Scenario:
    traffic = {"source": "catalogue", "items": 4, "dimension": 3, "participants": 2} | tables.pop("traffic", {})
    market = {"ticks": 3, "opportunities": opportunities} | tables.pop("market", {})
    rows = [{"agent": "fixed"} | row for row in campaigns or [{"count": 5}]]
    return read_scenario({"market": market, "traffic": traffic, "campaigns": rows, **tables}, "test")


def opened(scenario: Scenario, seed: int = 1) -> Markets:
    markets = Markets(scenario, [seed])
    markets.open()
    return markets


def test_the_catalogue_is_auctiongyms() -> None:
    rng = np.random.default_rng(0)
    embeddings = [rng.normal(0, 1, (12, 5)) for _ in range(6)]
    values = [rng.lognormal(0.1, 0.2, 12) for _ in range(6)]
    intercepts = [-3 - rng.random((12, 1)) for _ in range(6)]
    for seed in (0, 7):
        rounds = Rounds(adsim.load_scenario("auctiongym"), seed)
        for n in range(6):
            np.testing.assert_array_equal(rounds.weights[n], np.hstack([embeddings[n], intercepts[n]]))
            np.testing.assert_allclose(rounds.value[n], values[n], rtol=1e-14)


def test_a_catalogue_of_the_market_changes_with_its_seed_and_not_with_another_campaign() -> None:
    few, many = (make([{"count": count}], traffic={"spread": 2.0}) for count in (40, 41))
    one, other, larger = Rounds(few, 1), Rounds(few, 2), Rounds(many, 1)
    assert not np.isclose(one.weights, other.weights).any()
    np.testing.assert_array_equal(larger.weights[:40], one.weights)
    np.testing.assert_array_equal(larger.value[:40], one.value)
    assert one.weights[..., :3].std() == pytest.approx(2, rel=0.1)
    assert one.weights[..., 3].min() >= -4
    assert one.weights[..., 3].max() < -3
    assert np.log(one.value).std() == pytest.approx(0.2, rel=0.15)


def test_the_market_shows_the_ad_of_the_highest_rate_times_value() -> None:
    scenario = make([{"count": 5, "value": {"distribution": "uniform", "low": 1, "high": 3}}])
    pairs, rounds = true_pairs(opened(scenario)), Rounds(scenario, 1)
    context, participants = rounds.opportunities(0, 3000)
    value = np.zeros((3000, 5))
    rate = np.zeros((3000, 5))
    for t in range(3000):
        for n in participants[t]:
            worth = expit(rounds.weights[n] @ context[t]) * rounds.value[n]
            value[t, n] = worth.max()
            rate[t, n] = worth.max() / rounds.value[n, np.argmax(worth)]
    np.testing.assert_allclose(pairs.value, value, rtol=3e-6)
    np.testing.assert_allclose(pairs.conversions, rate, rtol=3e-6)


@pytest.mark.parametrize("first", [0, 1001])
def test_opportunities_do_not_depend_on_where_one_begins(first: int) -> None:
    rounds = Rounds(make(), 3)
    all_of, later = rounds.opportunities(0, 3000), rounds.opportunities(first, 500)
    for whole, part in zip(all_of, later, strict=True):
        np.testing.assert_array_equal(whole[first : first + 500], part)


def test_every_set_of_participants_has_the_same_chance() -> None:
    found = Rounds(make([{"count": 5}], traffic={"participants": 3}), 0).opportunities(0, 20_000).participants
    tally = Counter(map(tuple, found.tolist()))
    assert set(tally) == set(combinations(range(5), 3))
    assert chisquare(list(tally.values())).pvalue > 1e-3


def test_contexts_are_normal_of_the_given_spread() -> None:
    context = Rounds(make(traffic={"spread": 1.5}), 0).opportunities(0, 20_000).context
    np.testing.assert_array_equal(context[:, -1], 1)
    np.testing.assert_allclose(np.cov(context[:, :-1].T), 1.5**2 * np.eye(3), atol=0.08)


MULTIPLIERS = [[1.0, 1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 2.0, 0.0], [0.0] * 5]
MECHANISMS = [("first_price", 1), ("second_price", 1), ("gsp", 3), ("vcg", 2), ("vcg", 6), ("lpa", 2), ("gsp", 1)]


@pytest.mark.parametrize("charge", ["exposure", "click", "conversion"])
@pytest.mark.parametrize(("mechanism", "slots"), MECHANISMS)
def test_only_participants_win_whatever_the_bids(mechanism: str, slots: int, charge: str) -> None:
    # Under LPA also bids of 0 take part: what is paid, and held against the reserve, is the liquid value.
    rows = [{"count": 5, "target_roi": 2.0}]
    scenario = make(rows, 600, auction={"mechanism": mechanism, "slots": slots, "charge": charge})
    participants = Rounds(scenario, 1).opportunities(0, 600).participants
    negative = [[-0.5, -1.0, 0.3, -2.0, 0.1]] if mechanism == "lpa" else []
    for multipliers in MULTIPLIERS + negative:
        market = adsim.Market(scenario, seed=1)
        result = market.run(multipliers=np.tile(multipliers, (3, 1)), events=True)
        won = result.events
        assert all(row.winner in participants[row.opportunity] for row in won.itertuples())
        assert (won["price"] >= 0).all()
        assert won.groupby("opportunity").size().max() <= min(slots, 2) if len(won) else True
        bidding = np.array(multipliers) >= 0 if mechanism == "lpa" else np.array(multipliers) > 0
        if min(multipliers) >= 0:
            sold = np.bincount(won["opportunity"].to_numpy(np.int64), minlength=600)
            np.testing.assert_array_equal(sold, np.minimum(bidding[participants].sum(axis=1), slots))


def test_a_lone_participant_wins_for_nothing() -> None:
    result = adsim.Market(make(traffic={"participants": 1}), seed=2).run(events=True)
    assert len(result.events) == 3000
    assert result.summary["revenue"] == pytest.approx(0, abs=1e-30)


def test_budgets_hold_and_windows_change_nothing() -> None:
    rows = [{"count": 5, "budget": 20.0}]
    scenario = make(rows, auction={"mechanism": "first_price", "charge": "click"})
    runs = [adsim.Market(scenario, seed=1, window=window).run() for window in (1, 512)]
    assert (runs[0].campaigns["spend"] <= 20).all()
    assert runs[0].campaigns["spend"].max() > 19
    np.testing.assert_array_equal(runs[0].campaigns["spend"], runs[1].campaigns["spend"])


@pytest.mark.parametrize("participants", PUBLISHED)
def test_competition_has_auctiongyms_outcomes(participants: int) -> None:
    scenario = adsim.load_scenario("auctiongym").replace(
        {"traffic.participants": participants, "market.outcomes": "expected"}
    )
    summary = adsim.Market(scenario, seed=0).run().summary
    welfare, revenue = (summary[name] / scenario.market.opportunities for name in ("welfare", "revenue"))
    np.testing.assert_allclose((welfare, welfare - revenue, revenue), PUBLISHED[participants], atol=0.01)


def test_truthful_first_price_leaves_no_surplus_and_charges_second_price_welfare() -> None:
    base = adsim.load_scenario("auctiongym").replace({"market.outcomes": "expected", "market.opportunities": 20_000})
    first = adsim.Market(base.replace({"auction.mechanism": "first_price"}), seed=3).run().summary
    second = adsim.Market(base, seed=3).run().summary
    assert first["revenue"] == pytest.approx(first["welfare"], rel=1e-6)
    assert first["revenue"] == pytest.approx(second["welfare"], rel=1e-6)


FAULTS = {
    "too many participants": ({"traffic.participants": 7}, "traffic.participants = 7: there are 6 campaigns"),
    "too much observed": ({"traffic.observed": 6}, "observed = 6: a context has 5 features"),
    "values that numpy's seed does not draw": (
        {"traffic.click_value": 1.0},
        "catalogue_seed draws log-normal values",
    ),
    "intercepts reversed": ({"traffic.intercept.low": 0.0}, "low = 0 lies above high = -3"),
    "no ads": ({"traffic.items": 0}, "traffic.items = 0"),
    "unknown key": ({"traffic.item": 3}, "traffic: unknown key 'item'. Did you mean 'items'?"),
    "relative stock": ({"campaigns.0.relative_stock": 1.0}, "relative_stock is for contextual and independent"),
}


@pytest.mark.parametrize("changes", FAULTS.values(), ids=FAULTS.keys())
def test_impossible_catalogues_are_refused_in_words(changes: tuple[dict[str, Any], str]) -> None:
    with pytest.raises(ScenarioError) as error:
        adsim.load_scenario("auctiongym").replace(changes[0])
    assert changes[1] in str(error.value)
    assert "\n" not in str(error.value)
