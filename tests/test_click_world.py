"""The click world gives the rates that its parameters say, to whoever may see them."""

from typing import Any

import numpy as np
import pytest
from naive_click_world import belief, context, rates
from scipy import sparse
from scipy.special import logit

import adsim
from adsim.errors import AdsimError
from adsim.market import click_world
from adsim.market.click_log import draw_log
from adsim.market.click_traffic import ClickTraffic
from adsim.market.click_world import ClickWorld
from adsim.predictors.metrics import auc

EVERYTHING = {
    "crosses": 1.0,
    "triple": 0.6,
    "history": 2.0,
    "satiation": 0.5,
    "hidden": 0.3,
    "intent": 0.4,
    "content_size": 4,
    "content": 0.3,
    "affinity": 0.3,
    "cvr_crosses": 0.5,
    "delay_spread": 1.0,
    "drift": 0.5,
    "cold": 0.3,
}


def world(ads: int = 30, opportunities: int = 50_000, seed: int = 1, **changes: Any) -> ClickWorld:
    return ClickWorld(ClickTraffic(source="click_world", **changes), seed, ads, opportunities)


def grid(of: ClickWorld, first: int, count: int) -> np.ndarray[Any, Any]:
    found = np.empty((2, len(of.ads), count), np.float32)
    of.true_rates(first, count, found[0], found[1])
    return found


@pytest.mark.parametrize("changes", [EVERYTHING, {"evolving": 4.5, "length": 5}, {}])
def test_the_grid_the_pairs_and_a_plain_twin_agree(changes: dict[str, Any]) -> None:
    made, count = world(**changes), 40
    for first in (-20, 25_000, 49_980):
        found, contexts = grid(made, first, count), made.contexts(first, count)
        ads, times = np.repeat(np.arange(30), count), np.tile(np.arange(count), 30)
        pairs = made.true_rates_of(first + times, ads)
        assert np.array_equal(np.stack(pairs).reshape(found.shape), found)
        for t in range(count):
            fields, categories, ages = context(made._tables, first + t)
            assert contexts.ids[t].tolist() == fields
            assert contexts.history[t, : len(categories)].tolist() == categories
            assert (contexts.history[t, len(categories) :] == -1).all()
            assert contexts.age[t, : len(ages)] == pytest.approx(ages, rel=1e-4)
            for ad in (0, 13, 29):
                assert found[:, ad, t] == pytest.approx(rates(made._tables, first + t, ad), rel=2e-4)


def test_blocks_do_not_change_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    made = world(**EVERYTHING)
    whole, contexts = grid(made, -100, 1000), made.contexts(-100, 1000)
    monkeypatch.setattr(click_world, "BLOCK", 7)
    parts = [(made.contexts(-100 + start, 250), grid(made, -100 + start, 250)) for start in (750, 0, 500, 250)]
    order = (1, 3, 2, 0)
    assert np.array_equal(np.concatenate([parts[i][1] for i in order], axis=2), whole)
    for name in ("ids", "history", "age"):
        assert np.array_equal(np.concatenate([getattr(parts[i][0], name) for i in order]), getattr(contexts, name))


def test_some_of_the_ads_have_the_rates_that_they_have_among_all() -> None:
    made, few = world(**EVERYTHING), np.empty((2, 5, 300), np.float32)
    made.true_rates(0, 300, few[0], few[1])
    assert np.array_equal(few, grid(made, 0, 300)[:, :5])


@pytest.mark.parametrize("changes", [EVERYTHING, {"evolving": 4.5}])
def test_clicks_and_conversions_happen_as_often_as_the_true_rates_say(changes: dict[str, Any]) -> None:
    log, truth = draw_log(world(**changes), 50_000)
    for happened, rate, chosen in (
        (log.clicks, truth.ctr, np.ones(50_000, bool)),
        (log.conversions, truth.cvr, log.clicks > 0),
    ):
        rate = rate[chosen].astype(np.float64)
        assert abs(happened[chosen].sum() - rate.sum()) < 3 * np.sqrt((rate * (1 - rate)).sum())
    assert not log.conversions[log.clicks == 0].any()
    assert np.array_equal(np.isnan(log.delay), log.conversions == 0)


def test_rates_have_the_means_that_they_are_asked_for() -> None:
    clicks, conversions = grid(world(ctr=0.2, cvr=0.03, **EVERYTHING), 0, 50_000).mean(axis=(1, 2))
    assert clicks == pytest.approx(0.2, rel=0.03)
    assert conversions == pytest.approx(0.03, rel=0.03)


def additive(log: Any, target: Any) -> np.ndarray[Any, Any]:
    """Least-squares fit of a sum of main effects."""
    sizes = [field.size for field in log.rows.schema.fields]
    columns = (log.rows.ids + np.cumsum([0, *sizes[:-1]])).ravel()
    places = np.repeat(np.arange(len(log)), len(sizes))
    design = sparse.csr_array((np.ones(columns.size), (places, columns)), shape=(len(log), sum(sizes)))
    return np.asarray(design @ sparse.linalg.lsqr(design, target, iter_lim=60)[0])


def test_crosses_hold_no_main_effects() -> None:
    """The best sum of main effects ranks as those of the same world without crosses do."""
    count = 60_000
    made, plain = (world(400, count, crosses=a, triple=b) for a, b in ((1.0, 0.6), (0.0, 0.0)))
    log, truth = draw_log(made, count)
    mains, _ = plain.true_rates_of(log.opportunity, log.ad)
    fit = additive(log, logit(truth.ctr.astype(np.float64)))
    best, known, oracle = (auc(log.clicks, p) for p in (1 / (1 + np.exp(-fit)), mains, truth.ctr))
    assert best == pytest.approx(known, abs=0.01)
    assert oracle > known + 0.1


def test_strengths_are_standard_deviations_of_the_logit() -> None:
    for changes, parts in (
        ({"main": 0.9}, [0.9]),
        ({"crosses": 1.1}, [0.55, 1.1]),
        ({"crosses": 0.7, "triple": 0.8}, [0.55, 0.7, 0.8]),
    ):
        made = world(400, 60_000, **changes)
        _, truth = draw_log(made, 60_000, recent=0.0)
        assert logit(truth.ctr.astype(np.float64)).std() == pytest.approx(np.linalg.norm(parts), rel=0.05)


@pytest.mark.parametrize("correlation", [-0.5, 0.8])
def test_conversions_share_as_much_with_clicks_as_they_should(correlation: float) -> None:
    made = world(400, 60_000, correlation=correlation, main=1.0, cvr_main=1.0, users=20, segments=200, pages=200)
    clicks, conversions = (logit(p.astype(np.float64)) for p in grid(made, 0, 2000))
    assert np.corrcoef(clicks.ravel(), conversions.ravel())[0, 1] == pytest.approx(correlation, abs=0.2)


def test_the_filter_gives_the_share_of_paths_that_end_in_each_interest() -> None:
    """Against a simulation of the chain: among histories alike, the present interest is distributed as it says."""
    rng, count = np.random.default_rng(0), 400_000
    states, seen = rng.integers(3, size=count), []
    for _ in range(3):
        shows = rng.random(count) < 0.5
        seen.append(np.where(shows, states, rng.integers(3, size=count)))
        states = np.where(rng.random(count) < 0.2, rng.integers(3, size=count), states)
    alike = (seen[0] == 2) & (seen[1] == 0) & (seen[2] == 0)
    tables = world(categories=3, evolving=1.0, switch=0.2, fidelity=0.5)._tables
    assert belief(tables, [0, 0, 2]) == pytest.approx(np.bincount(states[alike]) / alike.sum(), abs=0.01)


def test_delays_are_exponential_with_the_mean_of_the_category() -> None:
    made = world(delay=5.0, delay_spread=0.8)
    for ad in (0, 7):
        hours = made.delays(np.arange(40_000), np.full(40_000, ad))
        mean = made._tables.delay[made.category[ad]]
        assert hours.mean() == pytest.approx(mean, rel=0.03)
        assert np.median(hours) == pytest.approx(mean * np.log(2), rel=0.03)


def test_propensities_are_the_probabilities_with_which_ads_are_shown() -> None:
    """Weighted by their inverse, what was shown stands for all ads that could have been."""
    made = world(ads=12, cold=0.5, history=2.0)
    log, truth = draw_log(made, 20_000)
    available = made.entry[:, None] <= log.opportunity
    every = np.where(available, grid(made, 0, 20_000)[0], 0).sum(axis=0, dtype=np.float64)
    estimates = truth.ctr / log.propensity
    error = estimates - every
    assert abs(error.mean()) < 3 * error.std() / np.sqrt(error.size)
    weights = 1 / log.propensity - available.sum(axis=0)
    assert abs(weights.mean()) < 3 * weights.std() / np.sqrt(weights.size)


def test_a_uniform_log_shows_all_ads_equally_often() -> None:
    log, _ = draw_log(world(ads=10), 20_000, recent=0.0, uniform=True)
    assert np.bincount(log.ad, minlength=10) == pytest.approx(2000, abs=4 * np.sqrt(1800))
    assert log.propensity == pytest.approx(0.1)


def test_ads_are_shown_once_they_have_entered() -> None:
    made = world(cold=0.8)
    log, _ = draw_log(made, 50_000)
    assert (made.entry[log.ad] <= log.opportunity).all()
    assert 0.5 < (made.entry > 0).mean() <= 1
    before, _ = draw_log(made, 1000, first=-1000)
    assert (made.entry[before.ad] <= 0).all()
    assert before.time[0] < before.time[-1] < 0


def test_effects_drift_over_the_period_and_not_before() -> None:
    made, still = world(ads=400, drift=0.5, crosses=0.0, main=0.3), world(ads=400, main=0.3)
    at = {t: logit(grid(made, t, 1)[0, :, 0]) - logit(grid(still, t, 1)[0, :, 0]) for t in (-9000, 0, 49_999)}
    assert at[-9000] - at[-9000].mean() == pytest.approx(at[0] - at[0].mean(), abs=1e-4)
    assert (at[49_999] - at[0]).std() == pytest.approx(0.5, rel=0.15)


def test_predictors_see_the_same_whatever_the_true_rates() -> None:
    weak, strong = world(**EVERYTHING), world(**{**EVERYTHING, "crosses": 3.0, "hidden": 2.0, "history": 1.0})
    assert not np.allclose(grid(weak, 0, 50), grid(strong, 0, 50))
    for name in ("ids", "history", "age", "numbers"):
        assert np.array_equal(getattr(weak.contexts(0, 50), name), getattr(strong.contexts(0, 50), name))
    assert np.array_equal(weak.ads.ids, strong.ads.ids)
    assert np.array_equal(weak.ads.numbers, strong.ads.numbers)
    assert weak.schema == strong.schema


ORACLES = {
    "click_crosses": (0.78, 0.83),
    "click_semantic": (0.73, 0.78),
    "click_temporal": (0.78, 0.83),
    "click_evolving": (0.80, 0.88),
    "click_linear": (0.77, 0.83),
}
"""AUC of the true rates."""


@pytest.mark.parametrize("name", ORACLES)
def test_a_shipped_world_can_be_predicted_as_well_as_it_should(name: str) -> None:
    traffic = adsim.load_scenario(name).traffic
    assert isinstance(traffic, ClickTraffic)
    log, truth = draw_log(ClickWorld(traffic, 2, traffic.ads, 40_000), 40_000)
    low, high = ORACLES[name]
    assert low < auc(log.clicks, truth.ctr) < high
    assert 0.04 < log.clicks.mean() < 0.12


def test_faults_are_named() -> None:
    with pytest.raises(AdsimError, match="impressions = 0"):
        draw_log(world(), 0)
    with pytest.raises(AdsimError, match="recent = 2"):
        draw_log(world(), 10, recent=2.0)
    linear = adsim.load_scenario("click_linear")
    with pytest.raises(AdsimError, match=r"traffic.ads = 10: fewer than the 20"):
        linear.replace({"traffic.ads": 10})
    with pytest.raises(AdsimError, match="set content_size"):
        linear.replace({"traffic.content": 1.0})
