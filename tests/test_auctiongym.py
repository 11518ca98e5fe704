"""AuctionGym's study: its regrets, rates and shading learned from impressions, and the outcomes it is known for."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit
from typer.testing import CliRunner

import adsim
from adsim.cli.app import app
from adsim.errors import AdsimError, ScenarioError, UnknownName
from adsim.experiments.auctiongym import figures as auctiongym_figures
from adsim.experiments.auctiongym.ad_choice import LearnedChoice, OracleChoice
from adsim.experiments.auctiongym.auction_regrets import METRICS, Sale
from adsim.experiments.auctiongym.doubly_robust_shading import DoublyRobust
from adsim.experiments.auctiongym.game import Game
from adsim.experiments.auctiongym.logistic import laplace
from adsim.experiments.auctiongym.policy_based_shading import PolicyBased
from adsim.experiments.auctiongym.shading import Feedback
from adsim.experiments.auctiongym.study import Study, auctiongym
from adsim.experiments.auctiongym.value_based_shading import GRID, ValueBased
from adsim.experiments.auctiongym.win_rate import WinRate

WORLD = adsim.load_scenario("auctiongym")


def last(found: Study, **chosen: Any) -> dict[str, float]:
    """Metrics of the last iteration, means over seeds."""
    rows = found.runs[found.runs["iteration"] == found.iterations - 1]
    for name, value in chosen.items():
        rows = rows[rows[name] == value]
    return {name: float(rows[name].mean()) for name in METRICS}


# regrets


def naive_regrets(sale: Sale) -> dict[str, float]:
    """Auction by auction, from the definitions."""
    sums = dict.fromkeys(METRICS, 0.0)
    for t, (bids, winner, price) in enumerate(zip(sale.bid.tolist(), sale.winner, sale.price, strict=True)):
        for p, bid in enumerate(bids):
            others = [other for q, other in enumerate(bids) if q != p]
            sums["allocation_regret"] += sale.best[t, p] - sale.value[t, p]
            sums["estimation_regret"] += sale.predicted[t, p] - sale.value[t, p]
            if p == winner:
                sums["welfare"] += sale.value[t, p]
                sums["revenue"] += price
                sums["overbid_regret"] += price - max(others, default=0.0)
            elif winner >= 0 and sale.value[t, p] > max(others):
                sums["underbid_regret"] += max(others) - bid
    sums["surplus"] = sums["welfare"] - sums["revenue"]
    return {name: total / len(sale.bid) for name, total in sums.items()}


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 4),
    st.sampled_from(["first_price", "second_price"]),
    st.sampled_from([0, 0.4]),
)
def test_regrets_are_those_of_the_definitions(seed: int, seats: int, mechanism: str, reserve: float) -> None:
    rng = np.random.default_rng(seed)
    best, share, factor = (rng.random((20, seats)) for _ in range(3))
    bid = np.round(best * share * 2 * factor, 1)  # rounded, so that bids tie
    winners, prices = adsim.clear(bid, mechanism, reserve=reserve)
    sale = Sale(best, best * share, 2 * best * share, bid, winners[:, 0].astype(np.int64), prices[:, 0])
    for name, expected in naive_regrets(sale).items():
        assert METRICS[name](sale) == pytest.approx(expected, abs=1e-12), name


def test_a_truthful_oracle_has_no_regret_under_second_price() -> None:
    sale = Game(WORLD, "second_price", "oracle", "truthful", 0).play(2000)
    for name in METRICS:
        assert (METRICS[name](sale) == pytest.approx(0, abs=1e-15)) == name.endswith("regret")


def test_a_loser_who_shaded_below_a_profitable_price_regrets_it_under_second_price_too() -> None:
    one = np.array([[1.0, 1.0]])
    sale = Sale(one, one, one, np.array([[0.6, 0.4]]), np.array([0]), np.array([0.4]))
    assert METRICS["underbid_regret"](sale) == pytest.approx(0.2)
    assert METRICS["overbid_regret"](sale) == 0


# the study and the market


@pytest.mark.parametrize("mechanism", ["first_price", "second_price"])
def test_the_study_sells_what_the_market_sells(mechanism: str) -> None:
    scenario = WORLD.replace({"market.opportunities": 4000, "auction.mechanism": mechanism})
    events = adsim.Market(scenario, seed=5).run(events=True).events
    game = Game(scenario, mechanism, "oracle", "truthful", 5)
    sales = [game.play(1000) for _ in range(4)]
    participants = game.rounds.opportunities(0, 4000).participants
    winner = np.concatenate([sale.winner for sale in sales])
    np.testing.assert_array_equal(participants[np.arange(4000), winner], events["winner"])
    np.testing.assert_allclose(np.concatenate([sale.price for sale in sales]), events["price"], rtol=3e-6)
    rate = expit(
        np.einsum("td,tid->ti", game.rounds.opportunities(0, 4000).context, game.rounds.weights[events["winner"]])
    )
    item = np.argmax(rate * game.rounds.value[events["winner"]], axis=1)
    rate, shown = rate[np.arange(4000), item], events["winner"].to_numpy(np.int64)
    clicks = np.concatenate(
        [game.rounds.clicks(first, shown[first:][:2000], rate[first:][:2000]) for first in (0, 2000)]
    )
    assert (clicks != (events["clicks"] > 0)).sum() <= 1  # rates are float32 in the market


def test_competition_raises_welfare_and_revenue_and_lowers_surplus() -> None:
    found = auctiongym(WORLD, participants=[2, 4, 6], iterations=1, rounds=20_000, seeds=2)
    rows = found.table.pivot(index="participants", columns="metric", values="mean")
    for name, published in (("welfare", [0.719, 0.863, 0.936]), ("surplus", [0.306, 0.232, 0.207])):
        np.testing.assert_allclose(rows[name], published, atol=0.01)


# learned rates


def test_laplace_is_the_mode_and_the_curvature_there() -> None:
    rng = np.random.default_rng(0)
    x, mean, precision = rng.standard_normal((80, 3)), rng.standard_normal(3), rng.random(3) + 0.1
    y = rng.random(80) < expit(x @ [3.0, -1.0, 0.5])

    def loss(m: Any) -> float:
        return float(np.logaddexp(0, np.where(y, -1, 1) * (x @ m)).sum() + (precision * (m - mean) ** 2).sum() / 2)

    mode, after = laplace(x, y, mean, precision)
    np.testing.assert_allclose(mode, minimize(loss, mean, tol=1e-12).x, atol=1e-4)
    rate = expit(x @ mode)
    np.testing.assert_allclose(after, precision + (rate * (1 - rate) * x.T**2).sum(axis=1), rtol=1e-12)


def test_an_ad_that_was_never_clicked_has_a_finite_mode() -> None:
    x = np.column_stack([np.random.default_rng(0).standard_normal((500, 2)), np.ones(500)])
    mode, _ = laplace(x, np.zeros(500, np.bool_), np.zeros(3), np.ones(3))
    assert -10 < mode[2] < -2


def test_learned_rates_come_to_the_true_ones_where_all_is_seen() -> None:
    rng = np.random.default_rng(1)
    weights, value = np.array([[1.0, -0.5, -1.0], [0.3, 0.8, -0.5]]), np.array([1.0, 1.2])
    choice = LearnedChoice(value, observed=2, rng=rng)
    for _ in range(4):
        context = np.column_stack([rng.standard_normal((4000, 2)), np.ones(4000)])
        item, _ = choice.choose(context)
        clicks = rng.random(4000) < expit((context * weights[item]).sum(axis=1))
        choice.learn(context, item, clicks)
    assert (np.abs(choice.mean - weights) < 4 / np.sqrt(choice.precision)).all()
    oracle = OracleChoice(weights, value)
    assert (choice.choose(context).item == oracle.choose(context).item).mean() > 0.9


def test_what_is_hidden_stays_hidden() -> None:
    rng = np.random.default_rng(2)
    context = rng.standard_normal((200, 6))
    changed = context.copy()
    changed[:, 3:5] = 9.0
    click = rng.random(200) < 0.5
    found = []
    for seen in (context, changed):
        choice = LearnedChoice(np.ones(4), observed=3, rng=np.random.default_rng(0))
        item, _ = choice.choose(seen)
        choice.learn(seen, item, click)
        found.append(choice.choose(seen))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_learned_rates_are_bad_first_and_come_to_four_fifths_of_the_oracle() -> None:
    found = (
        auctiongym(WORLD, rates=["learned"], iterations=7, seeds=2).runs.groupby("iteration").mean(numeric_only=True)
    )
    assert found["welfare"][0] < 0.25
    assert found["surplus"][0] < -0.4
    assert found["estimation_regret"][0] > 1.3
    assert 0.54 < found["welfare"][6] < 0.59
    assert 0.22 < found["surplus"][6] < 0.27
    assert abs(found["estimation_regret"][6]) < 0.05
    assert found["allocation_regret"][6] < 0.3


# shading


def lone_auctions(bidder: Any, rng: np.random.Generator, count: int = 3000) -> tuple[Any, Any, Any]:
    """A bidder of certain rates against bids uniform on [0, 1]: a shading of a half is best."""
    rate, value = rng.uniform(0.2, 0.9, count), np.ones(count)
    factor = bidder.factor(rate, value)
    to_beat = rng.random(count)
    bid = np.maximum(factor, 0) * rate
    won = bid > to_beat
    return rate, factor, Feedback(rate, value, factor, won, np.where(won, rate - bid, 0.0))


@pytest.mark.parametrize("kind", [PolicyBased, DoublyRobust])
def test_policies_come_to_the_best_shading(kind: type[PolicyBased]) -> None:
    rng = np.random.default_rng(3)
    bidder = kind(rng, sigma=0.1)
    for _ in range(12):
        bidder.learn(lone_auctions(bidder, rng)[2])
    rate, factor, _ = lone_auctions(bidder, rng)
    earned = rate * (np.maximum(factor, 0) * (1 - factor) * rate)
    assert factor.mean() == pytest.approx(0.5, abs=0.1)
    assert earned.mean() > 0.88 * (rate**2 / 4).mean()


def test_value_based_shading_bids_what_its_win_rate_makes_most_of() -> None:
    rng = np.random.default_rng(4)
    bidder = ValueBased(rng)
    first = lone_auctions(bidder, rng)
    assert first[1].max() <= 1
    assert first[1].std() < 0.03
    bidder.learn(first[2])
    assert bidder.win_rate is not None
    rate, value = np.array([0.3, 0.8]), np.ones(2)
    for one, factor in zip(rate, bidder.factor(rate, value), strict=True):
        wins = [float(bidder.win_rate.predict(np.array([one]), np.ones(1), np.array([g]))[0, 0]) for g in GRID]
        assert factor == GRID[np.argmax([win * (one - one * g) for win, g in zip(wins, GRID, strict=True)])]
    bidder.learn(first[2]._replace(won=np.zeros(3000, np.bool_)))
    assert bidder.win_rate is None


def test_a_win_rate_knows_that_a_bid_of_nothing_loses() -> None:
    rng = np.random.default_rng(5)
    seen = lone_auctions(PolicyBased(rng, 0.8, 0.2), rng)[2]
    model = WinRate()
    model.fit(seen)
    chance = model.predict(seen.rate, seen.value, np.array([0.0, 0.4, 0.8]))
    assert chance[:, 0].mean() < 0.05
    assert chance[:, 2].mean() == pytest.approx((0.8 * seen.rate).mean(), abs=0.06)


def test_importance_weights_are_one_for_the_policy_itself_and_one_on_average_for_others() -> None:
    rng = np.random.default_rng(6)
    bidder = PolicyBased(rng, 0.6, 0.2)
    seen = lone_auctions(bidder, rng, 100_000)[2]
    np.testing.assert_array_equal(bidder.weights(bidder.policy, seen), 1)
    shifted = bidder.weights(bidder.policy + np.array([0.1, 0.05, 0.0]), seen)
    assert shifted.mean() == pytest.approx(1, abs=0.02)
    assert (bidder.weights(bidder.policy + np.array([3.0, 0.0, 0.0]), seen) >= 1 / 50).all()


@pytest.mark.parametrize("wrong", [False, True])
def test_a_doubly_robust_estimate_is_right_even_with_a_wrong_win_rate(wrong: bool) -> None:
    rng = np.random.default_rng(7)
    bidder = DoublyRobust(rng, 0.6, 0.2)
    seen = lone_auctions(bidder, rng, 100_000)[2]
    bidder.win_rate = WinRate()
    bidder.win_rate.fit(seen)
    if wrong:
        bidder.win_rate.coefficients = np.array([1.0, -2.0, 0.0, 1.0])
    bidder.residual = seen.earned - bidder.predicted(seen, seen.factor[:, None])[:, 0]
    policy = bidder.policy - np.array([0.1, 0.0, 0.0])
    truth = lone_auctions(PolicyBased(rng, 0.5, 0.2), rng, 100_000)[2].earned.mean()
    assert bidder.objective(policy, seen) == pytest.approx(truth, abs=0.003)


def test_learned_shading_gives_advertisers_what_first_price_took() -> None:
    """AuctionGym: welfare unchanged at .72, surplus from 0 to .24, revenue from .72 to .48; regrets .165 and .02."""
    found = auctiongym(WORLD, mechanisms=["first_price"], bidders=["truthful", "dm"], iterations=8, seeds=2)
    truthful, shaded = last(found, bidder="truthful"), last(found, bidder="dm")
    assert truthful["surplus"] == pytest.approx(0, abs=1e-12)
    assert truthful["overbid_regret"] == pytest.approx(0.306, abs=0.01)
    assert shaded["welfare"] == pytest.approx(truthful["welfare"], abs=0.01)
    assert shaded["surplus"] == pytest.approx(0.24, abs=0.015)
    assert shaded["revenue"] == pytest.approx(0.477, abs=0.015)
    assert shaded["overbid_regret"] == pytest.approx(0.165, abs=0.01)
    assert shaded["underbid_regret"] == pytest.approx(0.02, abs=0.005)


def test_policies_earn_at_least_what_value_based_shading_does() -> None:
    found = auctiongym(
        WORLD, mechanisms=["first_price"], bidders=["dm", "ips", "dr"], iterations=6, rounds=5000, seeds=1
    )
    earned = {bidder: last(found, bidder=bidder)["surplus"] for bidder in ("dm", "ips", "dr")}
    assert min(earned["ips"], earned["dr"]) > earned["dm"] > 0.2


# the function and the command


def test_equal_seeds_give_equal_bits_whatever_the_workers() -> None:
    chosen: Any = {
        "mechanisms": ["first_price"],
        "rates": ["learned"],
        "bidders": ["dr"],
        "rounds": 300,
        "iterations": 2,
    }
    one, two = (auctiongym(WORLD, seeds=2, workers=workers, **chosen) for workers in (1, 2))
    assert one.runs.equals(two.runs)


def test_a_setting_is_a_row_an_iteration() -> None:
    found = auctiongym(WORLD, participants=[2, 3], rates=["oracle", "learned"], rounds=50, iterations=2, seeds=2)
    assert len(found.runs) == 2 * 2 * 2 * 2
    assert found.varied() == ["participants", "rates"]
    figures = auctiongym_figures.of_study(found)
    assert set(figures) == {"competition", "iterations", "regrets"}
    alone = auctiongym(WORLD, rounds=50, iterations=1, seeds=1)
    assert auctiongym_figures.of_study(alone) == {}


def test_the_command_prints_and_saves(tmp_path: Path) -> None:
    arguments = ["auctiongym", "--participants", "2:3", "--rounds", "100", "--iterations", "2", "--seeds", "2"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.stderr
    for words in ("participants", "welfare", "95 % interval", "underbid", "2 seeds", "Saved to"):
        assert words in result.stdout
    stems = {file.stem for file in tmp_path.iterdir()}
    assert stems == {"runs", "table", "run", "competition", "iterations"}
    summary = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert summary["rounds"] == 100
    assert len(summary["table"]) == 2 * 2 * 7


@pytest.mark.parametrize("bidder", ["truthful", "dm", "ips", "dr"])
def test_rounds_in_which_hardly_anybody_takes_part_are_learned_from(bidder: str) -> None:
    """Also where nothing tells auctions apart: a single ad of one feature, none observed."""
    world = WORLD.replace({"traffic.items": 1, "traffic.dimension": 1, "traffic.observed": 0})
    found = auctiongym(world, bidders=[bidder], rates=["learned"], rounds=1, iterations=30, seeds=1).runs
    assert np.isfinite(found[list(METRICS)].to_numpy()).all()


REFUSED = {
    "another mechanism": ({"mechanisms": ["gsp"]}, {}, UnknownName, "unknown mechanism 'gsp'"),
    "another bidder": ({"bidders": ["drr"]}, {}, UnknownName, "Did you mean 'dr'?"),
    "other rates": ({"rates": ["orcle"]}, {}, UnknownName, "Did you mean 'oracle'?"),
    "no rounds": ({"rounds": 0}, {}, AdsimError, "rounds = 0"),
    "too many participants": ({"participants": [7]}, {}, ScenarioError, "there are 6 campaigns"),
    "budgets": (
        {},
        {"campaigns.0.budget": 5.0},
        ScenarioError,
        "campaigns.0.budget: advertisers have no constraints",
    ),
    "charging clicks": ({}, {"auction.charge": "click"}, ScenarioError, "paid on exposure"),
}


@pytest.mark.parametrize("fault", REFUSED.values(), ids=REFUSED.keys())
def test_impossible_studies_are_refused_in_words(fault: tuple[dict[str, Any], dict[str, Any], type, str]) -> None:
    chosen, changes, kind, words = fault
    with pytest.raises(kind, match=re.escape(words)):
        auctiongym(WORLD.replace(changes) if changes else WORLD, **chosen)


def test_other_traffic_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"traffic.source must be catalogue"):
        auctiongym(adsim.load_scenario("pacing_game").replace({"campaigns.0.budget": None}), seeds=1)


@pytest.mark.parametrize("text", ["6:2", "two", "0:3", ""])
def test_participants_that_are_no_numbers_are_refused(text: str) -> None:
    result = CliRunner().invoke(app, ["auctiongym", "--participants", text])
    assert isinstance(result.exception, AdsimError) or "whole numbers from 1" in result.stderr
