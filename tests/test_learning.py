"""Predictors inside the market: what they are told, what they change, and that the truth stays where it is."""

from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from small_learner import AdMean

import adsim
from adsim import registry
from adsim.errors import ScenarioError
from adsim.experiments.comparison.compare import with_predictor
from adsim.experiments.optimum.whole_period import WholePeriod
from adsim.market.click_world import ClickWorld
from adsim.market.feature_supply import FeatureSupply
from adsim.market.learning import EXPLORED
from adsim.market.markets import Markets, make_events
from adsim.market.scenario import Scenario, read_scenario
from adsim.market.tally import COLUMNS, tally_candidates, tally_shown

NOTHING = make_events(0, 1)


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(registry.BUILT_IN["predictors"], "ad_mean", "small_learner:AdMean")
    registry.known.cache_clear()
    yield
    registry.known.cache_clear()


def make(learning: dict[str, Any] | None = None, opportunities: int = 3000, **changes: Any) -> Scenario:
    tables: dict[str, Any] = {
        "market": {"opportunities": opportunities, "ticks": 6},
        "auction": {"mechanism": "second_price"},
        "traffic": {"source": "click_world", "ads": 8, "ctr": 0.3, "cvr": 0.3, "main": 1.0, "days": 1.0},
        "predictor": {"kind": "ad_mean"},
        "campaigns": [{"count": 5, "agent": "truthful", "objective": "utility"}],
        "learning": learning or {},
    }
    for key, table in changes.items():
        tables[key] = {**tables.get(key, {}), **table} if isinstance(table, dict) else table
    return read_scenario(tables, "test")


def opened(scenario: Scenario, seeds: list[int], **options: Any) -> tuple[Markets, FeatureSupply]:
    markets = Markets(scenario, seeds, **options)
    markets.open()
    assert markets.features is not None
    return markets, markets.features


def learner(features: FeatureSupply, e: int = 0) -> AdMean:
    found = features.learning[e].click
    assert isinstance(found, AdMean)
    return found


def test_predictions_do_not_know_true_rates_that_no_outcome_has_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    _, plain = opened(make({"before": 500}), [3])
    _, altered = opened(make({"before": 500}), [3])

    def other(self: ClickWorld, first: int, count: int, ctr: Any, cvr: Any) -> None:
        ctr[:], cvr[:] = 0.9, 0.8

    plain.lay(0, 400)
    monkeypatch.setattr(ClickWorld, "true_rates", other)
    altered.lay(0, 400)
    assert not np.array_equal(plain.laid.ctr, altered.laid.ctr)
    codes = np.where(np.arange(400) % 3 == 0, 4 * (np.arange(400) % 5) + 2, -1)
    for supply in (plain, altered):
        supply.shown[0, :400, 0] = codes
        supply.learn(0, np.ones((1, 5)))
    monkeypatch.undo()
    plain.lay(400, 800)
    altered.lay(400, 800)
    for rows in ("pctr", "pcvr", "quality"):
        assert getattr(plain.laid, rows).tobytes() == getattr(altered.laid, rows).tobytes()


def test_lessons_are_what_was_shown_and_clicked() -> None:
    scenario = make()
    result = adsim.Market(scenario, 5).run(events=True)
    markets, features = opened(scenario, [5])
    for _ in range(6):
        markets.run_tick(NOTHING)
    lessons = learner(features).lessons
    labels = np.concatenate([found for _, found, _ in lessons])
    ads = np.concatenate([rows.ids[:, 5] for rows, _, _ in lessons])
    users = np.concatenate([rows.ids[:, 0] for rows, _, _ in lessons])
    shown = result.events[result.events["shown"] > 0]
    assert labels.tolist() == shown["clicks"].tolist()
    assert ads.tolist() == shown["winner"].tolist()
    assert users.tolist() == features.worlds[0].contexts(0, 3000).ids[shown["opportunity"], 0].tolist()


def test_later_slots_teach_only_where_they_were_seen() -> None:
    scenario = make(auction={"mechanism": "gsp", "exposure": [1.0, 0.4]})
    result = adsim.Market(scenario, 1).run(events=True)
    markets, features = opened(scenario, [1])
    for _ in range(6):
        markets.run_tick(NOTHING)
    assert sum(len(found) for _, found, _ in learner(features).lessons) == int(result.events["shown"].sum())
    assert result.learning["shown"].sum() == result.events["shown"].sum()


def test_what_is_learned_changes_the_next_tick_and_not_this_one() -> None:
    markets, features = opened(make(), [2])
    prior = np.float32(0.1)
    markets.run_tick(NOTHING)
    assert np.all(features.laid.pctr == prior)
    markets.run_tick(NOTHING)
    ads = learner(features)
    rates = [AdMean.begin(AdMean(), ads.schema)]
    rows, labels, weights = ads.lessons[0]
    rates[0].partial_fit(rows, labels, weights)
    expected = (rates[0].sums[:5, 0] / rates[0].sums[:5, 1]).astype(np.float32)
    assert np.array_equal(features.laid.pctr[0, :, 0], expected)


def test_a_predictor_that_does_not_update_stays_as_its_log_left_it() -> None:
    markets, features = opened(make({"before": 400, "update": False}), [2])
    before = learner(features).sums.copy()
    for _ in range(6):
        markets.run_tick(NOTHING)
    assert np.array_equal(learner(features).sums, before)
    assert before.sum() > 8 * 11 + 300


def test_markets_are_the_same_side_by_side_and_opened_again() -> None:
    scenario = make({"explore": 0.1, "before": 200, "reweight": True})
    together, features = opened(scenario, [4, 5, 6], threads=2)
    for _ in range(6):
        together.run_tick(NOTHING)
    for e, seed in enumerate((4, 5, 6)):
        market = adsim.Market(scenario, seed, window=1)
        first, again = market.run(), market.run()
        assert first.history[-1].tobytes() == together.fleet.accounts.ledger[e].tobytes()
        assert again.history.tobytes() == first.history.tobytes()
        assert first.tallies.tobytes() == features.tallies[e].tobytes()


def test_a_market_learns_alike_whatever_is_laid_out_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = make({"explore": 0.2})
    whole = adsim.Market(scenario, 9).run()
    monkeypatch.setattr("adsim.market.feature_supply.CHUNK", 37)
    parts = adsim.Market(scenario, 9).run()
    assert parts.history.tobytes() == whole.history.tobytes()


def test_exploration_shows_random_ads_at_next_to_no_price() -> None:
    scenario = make({"explore": 0.3, "update": False}, opportunities=6000)
    result = adsim.Market(scenario, 0).run(events=True)
    _, features = opened(scenario, [0])
    chosen = features.learning[0].explored(0, 6000)
    explored = np.flatnonzero(chosen >= 0)
    assert abs(explored.size / 6000 - 0.3) < 4 * np.sqrt(0.21 / 6000)
    counts = np.bincount(chosen[explored], minlength=5)
    assert np.all(np.abs(counts / explored.size - 0.2) < 4 * np.sqrt(0.16 / explored.size))
    winners = result.events.set_index("opportunity")
    assert winners["winner"].loc[explored].tolist() == chosen[explored].tolist()
    lucky = explored[chosen[explored] != 0]  # all predictions are equal, so the first would have won
    assert np.all(winners["price"].loc[lucky] < 1.01 * winners["price"].max() / EXPLORED)


@pytest.mark.parametrize("cold", [0.0, 0.6])
def test_propensities_of_all_ads_add_up_to_one(cold: float) -> None:
    scenario = make({"explore": 0.25, "before": 300}, traffic={"cold": cold})
    _, features = opened(scenario, [1])
    features.lay(0, 500)
    laid = features.laid._replace(**{name: getattr(features.laid, name)[0] for name in features.laid._fields[1:]})
    worth = np.linspace(1, 2, 5)
    everywhere = np.repeat(np.arange(500), 5), np.tile(np.arange(5), 500)
    found = features._propensity(features.learning[0], laid, worth, *everywhere, 1).reshape(500, 5)
    entered = features.worlds[0].entry[:5] <= np.arange(500)[:, None]
    assert np.all(entered.any(axis=1))
    assert np.allclose((found * entered).sum(axis=1), 1)


def test_rows_shown_by_chance_weigh_what_they_are_rarer() -> None:
    markets, features = opened(make({"explore": 0.2, "reweight": True}), [3])
    for _ in range(6):
        markets.run_tick(NOTHING)
    for _, _, weights in learner(features).lessons:
        assert weights.mean() == pytest.approx(1, rel=1e-5)
        assert weights.max() / weights.min() == pytest.approx((0.2 / 5 + 0.8) / (0.2 / 5), rel=1e-5)
        assert np.sum(weights > 1) == pytest.approx(0.2 * 0.8 * len(weights), rel=0.4)


def test_ads_are_not_shown_before_they_enter() -> None:
    scenario = make(traffic={"cold": 0.7}, campaigns=[{"count": 8, "agent": "truthful"}], opportunities=4000)
    for seed in range(3):
        result = adsim.Market(scenario, seed).run(events=True)
        entry = opened(scenario, [seed])[1].worlds[0].entry
        events = result.events
        assert np.all(entry[events["winner"]] <= events["opportunity"])
        assert entry.max() > 0


def test_conversions_are_learned_when_they_are_no_longer_waited_for() -> None:
    def lessons(window: float) -> list[tuple[Any, Any, Any]]:
        scenario = make({"window": window}, traffic={"delay": 3.0})
        markets, features = opened(scenario, [7])
        for _ in range(6):
            markets.run_tick(NOTHING)
        conversion = features.learning[0].conversion
        assert isinstance(conversion, AdMean)
        return conversion.lessons

    at_once, later = lessons(0), lessons(8)
    assert len(at_once) == 6
    assert sum(found.sum() for _, found, _ in at_once) == 0
    assert len(later) == 4  # of clicks in the first 16 hours of the day
    rate = sum(found.sum() for _, found, _ in later) / sum(found.size for _, found, _ in later)
    assert 0.1 < rate < 0.45


def test_tallies_are_sums_over_candidates_and_impressions() -> None:
    generator = np.random.default_rng(0)
    true, predicted = generator.uniform(0.01, 0.99, (2, 3, 50)).astype(np.float32)
    predicted[1, :20] = 0
    shown = np.where(generator.random((50, 2)) < 0.5, 4 * 2 + 2 * generator.integers(0, 2, (50, 2)), -1).astype(
        np.int32
    )
    sums = np.zeros(len(COLUMNS))
    true[1, :20] = 0
    tally_candidates(true, predicted, 3, 50, np.empty((3, 50), np.float32), sums)
    tally_shown(true, predicted, shown, sums)
    there = predicted > 0
    p, q = true[there].astype(float), predicted[there].astype(float)
    opportunity, slot = np.nonzero(shown >= 0)
    click = (shown[opportunity, slot] - 8) / 2
    mine = predicted[2, opportunity].astype(float)
    expected = [
        there.sum(),
        q.sum(),
        p.sum(),
        -(p * np.log(q) + (1 - p) * np.log(1 - q)).sum(),
        -(p * np.log(p) + (1 - p) * np.log(1 - p)).sum(),
        opportunity.size,
        mine.sum(),
        true[2, opportunity].sum(),
        click.sum(),
        -(click * np.log(mine) + (1 - click) * np.log(1 - mine)).sum(),
    ]
    assert np.allclose(sums, expected, rtol=1e-5)


def test_log_loss_falls_while_a_market_learns() -> None:
    scenario = make({"explore": 0.3}, opportunities=20_000, traffic={"main": 0.3})
    learning = adsim.Market(scenario, 1).run().learning
    excess = learning["log_loss"] - learning["least_log_loss"]
    assert np.all(excess > 0)
    assert excess.iloc[-1] < 0.3 * excess.iloc[0]


def test_oracle_and_distortion_need_no_learning_in_a_world_with_features() -> None:
    scenario = make()
    oracle = adsim.Market(with_predictor(scenario, "oracle"), 2).run()
    noisy = adsim.Market(with_predictor(scenario, "noise:ctr_error=0.5"), 2).run()
    taught = adsim.Market(scenario, 2).run()
    assert oracle.learning.empty
    assert oracle.summary["welfare"] > noisy.summary["welfare"] > taught.summary["welfare"]
    assert oracle.summary["calibration"] == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"predictor": {"kind": "oracle"}}, "oracle does not learn"),
        ({"market": {"outcomes": "expected"}}, "make it sampled, or set learning.update = false"),
        ({"traffic": {"ads": 3}}, "fewer than the 5 campaigns"),
        ({"learning": {"conversion": "ad_meen"}}, "Did you mean 'ad_mean'"),
        ({"learning": {"explor": 0.1}}, "explore"),
        ({"campaigns": [{"count": 5, "relative_stock": 0.5}]}, "give stock"),
    ],
)
def test_what_cannot_learn_is_told_why(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        make(**changes)


def test_a_learner_is_refused_where_nothing_tells_opportunities_apart() -> None:
    with pytest.raises(ScenarioError, match="has none: use click_world"):
        make().replace({"traffic": {"source": "contextual"}})


def test_a_parameter_of_learning_means_nothing_to_an_oracle() -> None:
    with pytest.raises(adsim.errors.AdsimError, match="oracle does not learn"):
        with_predictor(make(), "oracle:learning.explore=0.1")


def test_thompson_sampling_finds_a_good_new_ad_that_greed_never_shows() -> None:
    scenario = adsim.load_scenario("cold_start")
    shares = {}
    for name in ("oracle", "bayes", "bayes:thompson=1"):
        market = adsim.Market(with_predictor(scenario, name), 1)
        events = market.run(events=True).events
        shares[name] = np.mean(events["winner"][events["opportunity"] >= 30_000] == 4)
    assert shares["oracle"] > 0.3
    assert shares["bayes"] == 0
    assert shares["bayes:thompson=1"] > 0.15


def test_learning_in_the_market_comes_near_what_was_fitted_before() -> None:
    scenario = adsim.load_scenario("cold_start").replace({"traffic.cold": 0.0, "market.opportunities": 60_000})
    excess = {}
    for before in (0, 200_000):
        name = f"ftrl:learning.explore=0.2:learning.before={before}"
        learning = adsim.Market(with_predictor(scenario, name), 0).run().learning
        excess[before] = learning["log_loss"] / learning["least_log_loss"] - 1
    assert excess[0].iloc[-8:].mean() < 0.4 * excess[0].iloc[:2].mean()
    assert excess[0].iloc[0] > 3 * excess[200_000].mean()
    assert excess[200_000].mean() < excess[0].iloc[-8:].mean() < 4 * excess[200_000].mean()


def test_a_whole_period_can_be_sold_again_and_again_to_what_was_learned_before() -> None:
    period = WholePeriod(make({"before": 2000}, traffic={"cold": 0.3}), 1)
    first, again = period.totals(np.ones(5)), period.totals(np.ones(5))
    higher = period.totals(np.array([100.0, 1, 1, 1, 1]))
    assert np.array_equal(first.value, again.value)
    assert higher.wins[0] > first.wins[0]


def test_a_vector_of_environments_learns_as_its_markets_do() -> None:
    scenario = make({"explore": 0.1, "before": 100})
    envs = gymnasium.make_vec("adsim/Bidding-v0", 3, "vector_entry_point", scenario=scenario, threads=2)
    envs.reset(seed=[4, 5, 6])
    totals = [envs.step(np.zeros((3, 1), np.float32))[4]["value"] for _ in range(6)][-1]
    for e, seed in enumerate((4, 5, 6)):
        env = gymnasium.make("adsim/Bidding-v0", scenario=scenario)
        env.reset(seed=seed)
        infos = [env.step(np.zeros(1, np.float32))[4] for _ in range(6)]
        assert infos[-1]["value"] == totals[e] > 0


def test_single_opportunities_of_a_click_world_are_not_offered() -> None:
    with pytest.raises(adsim.errors.AdsimError, match="click world is laid out a tick at a time"):
        gymnasium.make(
            "adsim/Impression-v0",
            scenario=make(
                campaigns=[{"count": 1}], competition={"price": {"distribution": "uniform", "low": 0, "high": 1}}
            ),
        )


def test_a_torch_model_learns_the_same_market_twice() -> None:
    pytest.importorskip("torch")
    changes = {"market.opportunities": 2000, "market.ticks": 4, "learning.before": 2000}
    scenario = with_predictor(adsim.load_scenario("click_market").replace(changes), "din")
    runs = [adsim.Market(scenario, 3).run() for _ in range(2)]
    assert runs[0].history.tobytes() == runs[1].history.tobytes()
    assert runs[0].tallies.tobytes() == runs[1].tallies.tobytes()


def test_expected_outcomes_show_no_clicks() -> None:
    result = adsim.Market(make({"before": 500, "update": False}, market={"outcomes": "expected"}), 1).run()
    assert result.learning["candidates"].sum() == 5 * 3000
    assert result.learning["shown"].sum() == result.learning["clicks"].sum() == 0
