"""Channels and their levers: linear programs, brute force, the paper's example, markets one at a time."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import adsim
from adsim.errors import AdsimError
from adsim.experiments.channels.channels import Bought, KnapsackChannel, MarketChannel
from adsim.experiments.channels.figures import counter_example
from adsim.experiments.channels.levers import best_arms, global_optimum, lever_optimum

NONE = np.zeros(1, np.uint64)


def random_channels(seed: int, realisations: int, count: int = 2, auctions: int = 3) -> list[KnapsackChannel]:
    """Some auctions are free and some worthless."""
    rng = np.random.default_rng(seed)
    shape = realisations, auctions
    return [
        KnapsackChannel(rng.random(shape) * (rng.random(shape) < 0.9), rng.random(shape) * (rng.random(shape) < 0.8))
        for _ in range(count)
    ]


def buy(channel: KnapsackChannel, budget: float, target: float, seed: int = 0) -> tuple[float, float]:
    bought = channel.buy(np.array([budget]), np.array([target]), np.array([seed], np.uint64))
    return bought.value[0], bought.spend[0]


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6), budget=st.floats(0, 4), target=st.floats(0, 4))
def test_a_knapsack_channel_buys_what_a_linear_program_would(seed: int, budget: float, target: float) -> None:
    channel = random_channels(seed, realisations=2, auctions=5)[0]
    for r in range(2):
        v, d = channel.values[r], channel.costs[r]
        found = linprog(-v, A_ub=np.stack([d, target * d - v]), b_ub=[budget, 0], bounds=(0, 1))
        value, spend = buy(channel, budget, target, seed=r)
        assert value == pytest.approx(-found.fun, abs=1e-7)
        assert spend <= budget
        assert value >= target * spend - 1e-9


def test_means_of_a_knapsack_channel_are_those_over_its_realisations() -> None:
    channel = random_channels(0, realisations=4)[0]
    budgets = np.array([0.0, 0.3, 1.1, 9.0])
    singles = [channel.buy(budgets, np.zeros(4), np.full(4, r, np.uint64)) for r in range(4)]
    for found, each in zip(channel.means(budgets), zip(*singles, strict=True), strict=True):
        np.testing.assert_allclose(found, np.mean(each, axis=0), rtol=1e-12)


@pytest.mark.parametrize("x", [0.5, 1.0, 3.0, 10.0, 1e3])
def test_target_roi_levers_reach_1_of_1_plus_x_in_the_papers_example_and_budgets_all(x: float) -> None:
    channels = [KnapsackChannel([1.0], [0.0]), KnapsackChannel([x, 2 * x], [1 + x, 2 * (1 + x)])]
    assert global_optimum(channels, target_roi=1.0) == pytest.approx((1 + x, 1 + x), rel=1e-9)
    assert lever_optimum(channels, "budget", target_roi=1.0) == pytest.approx((1 + x, 1 + x), rel=1e-9)
    assert lever_optimum(channels, "roi", target_roi=1.0) == pytest.approx((1.0, 0.0), rel=1e-9)
    row = counter_example(np.array([x])).iloc[0]
    assert (row["budget"], row["roi"]) == pytest.approx((1, 1 / (1 + x)), rel=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_budgets_reach_the_global_optimum_where_nothing_is_random(seed: int) -> None:
    channels = random_channels(seed, realisations=1, count=3)
    for budget, target in ((0.4, 0.0), (np.inf, 2.0), (0.7, 1.5)):
        best = global_optimum(channels, budget, target)[0]
        assert lever_optimum(channels, "budget", budget, target)[0] == pytest.approx(best, rel=1e-9)
        assert lever_optimum(channels, "roi", budget, target)[0] <= best * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("levers", "realisations"), [("budget", 1), ("budget", 3), ("roi", 1)])
def test_no_levers_of_a_fine_grid_beat_the_optimum_and_some_come_close(levers, realisations: int, seed: int) -> None:
    channels, budget, target = random_channels(seed, realisations), 0.8, 1.3
    best = lever_optimum(channels, levers, budget, target)[0]
    settings_of = np.linspace(0, 1.5, 301) if levers == "budget" else np.geomspace(0.02, 300, 601)
    table = []
    for channel in channels:
        size = settings_of.size
        money, roi = (settings_of, np.zeros(size)) if levers == "budget" else (np.full(size, np.inf), settings_of)
        each = [channel.buy(money, roi, np.full(size, r, np.uint64)) for r in range(realisations)]
        table.append(np.mean(each, axis=0))
    value = table[0][0][:, None] + table[1][0]
    spend = table[0][1][:, None] + table[1][1]
    kept = (spend <= budget + 1e-9) & (value >= target * spend - 1e-9)
    assert value[kept].max() <= best * (1 + 1e-9)
    assert value[kept].max() >= 0.97 * best


def test_a_target_roi_adds_nothing_to_a_budget() -> None:
    channels, budget, target = random_channels(3, realisations=1), 0.6, 1.2
    best = lever_optimum(channels, "budget", budget, target)[0]
    grid = list(product(np.linspace(0, 0.6, 13), np.linspace(0, 6, 13)))
    for one, two in product([buy(channels[0], *each) for each in grid], [buy(channels[1], *each) for each in grid]):
        value, spend = one[0] + two[0], one[1] + two[1]
        if spend <= budget and value >= target * spend:
            assert value <= best * (1 + 1e-9)


def test_constant_budgets_cannot_follow_what_is_drawn() -> None:
    """The channel sells value 3 or value 1 for 1: who sees which buys the better one only."""
    channel = KnapsackChannel([[3.0], [1.0]], [[1.0], [1.0]])
    assert global_optimum([channel], budget=0.5)[0] == pytest.approx(1.5)
    assert lever_optimum([channel], "budget", budget=0.5)[0] == pytest.approx(1.0)


def test_best_arms_are_those_of_brute_force_and_a_mixture_is_no_worse() -> None:
    rng = np.random.default_rng(1)
    means = [Bought(np.append(0, np.sort(rng.random(6))), np.linspace(0, 1, 7)) for _ in range(3)]
    fixed = best_arms(means, 1.1, 0.8, mixed=False)
    found = 0.0
    for picks in product(range(7), repeat=3):
        value = sum(each.value[a] for each, a in zip(means, picks, strict=True))
        spend = sum(each.spend[a] for each, a in zip(means, picks, strict=True))
        if spend <= 1.1 and value >= 0.8 * spend:
            found = max(found, value)
    assert fixed.value == pytest.approx(found)
    mixed = best_arms(means, 1.1, 0.8)
    assert mixed.value >= fixed.value - 1e-9
    assert all(weights.sum() == pytest.approx(1) for weights in mixed.weights)
    assert mixed.spend <= 1.1 + 1e-9


@pytest.mark.parametrize("name", ["channel_search", "channel_display"])
def test_a_market_channel_plays_the_markets_of_its_seeds_with_its_levers(name: str) -> None:
    scenario = adsim.load_scenario(name)
    budgets, targets, seeds = np.array([0.3, 1.0, 2.5]), np.array([0.0, 2.0, 4.0]), np.array([5, 6, 5], np.uint64)
    channel = MarketChannel(scenario)
    channel.buy(np.ones(3), np.zeros(3), np.arange(3, dtype=np.uint64))
    found = channel.buy(budgets, targets, seeds)
    for e in range(3):
        changes = {"campaigns.0.budget": budgets[e]} | ({"campaigns.0.target_roi": targets[e]} if targets[e] else {})
        alone = adsim.Market(scenario.replace(changes), int(seeds[e])).run().totals
        assert (found.value[e], found.spend[e]) == (alone.value[0], alone.spend[0])
    assert (found.spend <= budgets).all()


def test_a_market_channel_without_budget_buys_nothing_and_with_more_buys_more() -> None:
    channel = MarketChannel(adsim.load_scenario("channel_search"))
    means = channel.means(np.array([0.0, 0.5, 1.0, 2.0]), 200)
    assert means.value[0] == means.spend[0] == 0
    assert (np.diff(means.value) > 0).all()
    assert (np.diff(means.spend) > 0).all()
    assert (np.diff(means.value[1:]) / np.diff(means.spend[1:]))[-1] < means.value[1] / means.spend[1]


def test_levers_may_be_those_of_another_campaign() -> None:
    scenario = adsim.load_scenario("quickstart").replace({"market.opportunities": 400, "market.ticks": 4})
    assert scenario.size > 1
    poor, rich = (MarketChannel(scenario, 1).buy(np.array([b]), np.zeros(1), NONE) for b in (0.01, 1e3))
    assert poor.spend[0] <= 0.01 < rich.spend[0]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: KnapsackChannel([1.0], [1.0, 2.0]), "must both be"),
        (lambda: KnapsackChannel([-1.0], [1.0]), "at least 0"),
        (lambda: KnapsackChannel([np.inf], [1.0]), "finite"),
        (lambda: MarketChannel(adsim.load_scenario("channel_search"), 1), "no campaign 1 among 1"),
        (lambda: lever_optimum(random_channels(0, 2), "roi"), "2 realisations"),
        (lambda: global_optimum([]), "no channel"),
        (lambda: lever_optimum([], "budget"), "no channel"),
    ],
)
def test_a_wrong_channel_is_refused_in_words(make, words: str) -> None:
    with pytest.raises(AdsimError, match=words):
        make()


def test_a_channel_whose_agent_sees_the_truth_is_refused() -> None:
    changes = {"market.opportunities": 100, "campaigns.0.agent": "oracle"}
    scenario = adsim.load_scenario("display_rtb").replace(changes)
    with pytest.raises(AdsimError, match="shown the truth"):
        MarketChannel(scenario).buy(np.ones(1), np.zeros(1), NONE)
