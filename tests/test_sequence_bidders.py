"""Decision Transformer and PRO-Bid: what they condition on, what they compare, and what they learn."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adsim.envs.engine import Engine
from adsim.envs.features import FEATURES, NAMES
from adsim.envs.score import score
from adsim.errors import AdsimError
from adsim.experiments.offline import decision_transformer, probid
from adsim.experiments.offline.bidder import OfflineBidder
from adsim.experiments.offline.counterfactual import improve
from adsim.experiments.offline.expected_score import expected_score
from adsim.experiments.offline.like_campaigns import NEAREST, nearest, terms_of
from adsim.experiments.offline.models import load_bidder
from adsim.experiments.offline.outcome_model import Outcome, OutcomeModel, Situations, learn_outcomes
from adsim.experiments.offline.pareto import gaps
from adsim.experiments.offline.sequence_model import SequenceModel
from adsim.experiments.offline.shares import predicted_value, shares_of
from adsim.experiments.offline.train import train
from adsim.experiments.offline.trajectories import LEVEL, Trajectories
from adsim.market.scenario import load_scenario
from adsim.predictors.deep.training import settled
from adsim.types import Constraints, Totals

TICKS = 6
SMALL = {"width": 16, "layers": 1, "heads": 1, "ticks": TICKS, "learning_rate": 3e-3}


def periods(levels, value, spend, budget=20.0, target=1.0):
    """Trajectories in which nothing is observed but the last level, and predictions are right."""
    count, ticks = levels.shape
    observation = np.zeros((count, ticks + 1, len(FEATURES)), np.float32)
    observation[:, 1:, LEVEL] = levels
    observation[..., NAMES.index("traffic_left")] = 1 - np.arange(ticks + 1) / ticks
    observation[..., NAMES.index("budget_left")] = 1
    won, paid = value.sum(1), spend.sum(1)
    reward = value.astype(float).copy()
    reward[:, -1] += [score(v, c, v, target, np.inf, True) - v for v, c in zip(won, paid, strict=True)]
    return Trajectories(
        observation=observation,
        action=np.diff(levels, axis=1, prepend=0).astype(np.float32),
        reward=reward,
        value=value.astype(float),
        spend=spend.astype(float),
        budget=np.full(count, budget),
        target_roi=np.full(count, target),
        value_per_conversion=np.full(count, 0.1),
        campaign=np.zeros(count, np.int64),
        seed=np.arange(count, dtype=np.uint64),
        agent=np.full(count, "toy"),
    )


def campaigns(count=1, budget=20.0, target=1.0, maximizes=True):
    full = np.full(count, np.inf)
    return Constraints(
        value_per_conversion=np.full(count, 0.1),
        maximizes_value=np.full(count, maximizes),
        budget=np.full(count, budget),
        target_roi=np.full(count, target),
        stock=full,
        stock_unit=np.zeros(count),
    )


def ledger(value, spend):
    zeros = np.zeros(len(value))
    found = Totals(*[zeros] * len(Totals._fields))
    return found._replace(value=np.array(value, float), spend=np.array(spend, float))


def observed(level, tick):
    found = np.zeros((1, len(FEATURES)), np.float32)
    found[:, LEVEL] = level
    found[:, NAMES.index("traffic_left")] = 1 - tick / TICKS
    found[:, NAMES.index("budget_left")] = 1
    return found


# The network


def network(window=20):
    torch.manual_seed(0)
    return SequenceModel(2, 3, 8, width=16, layers=2, heads=2, window=window).eval()


@torch.no_grad()
def test_later_ticks_do_not_change_earlier_levels():
    model, contexts, states = network(), torch.randn(4, 8, 2), torch.randn(4, 8, 3)
    before = model(contexts, states)
    for tick in range(8):
        other, seen = contexts.clone(), states.clone()
        other[:, tick:] += 1
        seen[:, tick:] -= 1
        after = model(other, seen)
        assert torch.equal(after[:, :tick], before[:, :tick])
        assert (after[:, tick:] != before[:, tick:]).all()


@torch.no_grad()
def test_a_short_sequence_gives_the_beginning_of_a_long_one():
    model, contexts, states = network(), torch.randn(4, 8, 2), torch.randn(4, 8, 3)
    whole = model(contexts, states)
    for ticks in range(1, 9):
        part = model(contexts[:, :ticks], states[:, :ticks])
        torch.testing.assert_close(part, whole[:, :ticks], rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_a_layer_sees_no_further_back_than_its_window():
    model, contexts, states = network(window=2), torch.randn(4, 8, 2), torch.randn(4, 8, 3)
    before = model(contexts, states)
    contexts[:, 0] += 1
    changed = (model(contexts, states) != before).all(0)
    assert changed.tolist() == [True] * 3 + [False] * 5  # two layers of a tick back each


# What is asked for


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_frontier_distance_is_that_of_comparing_all_pairs(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, NEAREST))  # all are alike, so all are compared
    cost, value = rng.integers(0, 6, (2, count)) / 5
    found = gaps(cost, value, np.zeros((count, 2)))
    for e in range(count):
        cheaper = [value[i] for i in range(count) if cost[i] <= cost[e]]
        assert found[e] == max(cheaper) - value[e] >= 0


def test_campaigns_are_compared_with_those_of_like_terms_only():
    rng = np.random.default_rng(0)
    rich = np.repeat([False, True], 2 * NEAREST)
    budget, target = np.where(rich, 1000.0, 10.0), np.full(rich.size, 2.0)
    value = rng.random(rich.size) + rich
    cost = np.ones(rich.size)
    far = gaps(cost, value, terms_of(budget, target))
    assert far[~rich].max() < 1  # those of the rich are worth 1 more
    near = nearest(terms_of(budget, target), terms_of(np.array([9.0]), np.array([2.0])))
    assert near.shape == (1, NEAREST)
    assert not rich[near].any()


def test_expected_score_is_the_mean_over_poisson_conversions():
    rng = np.random.default_rng(0)
    won, coming, unit = np.array([0.0, 0.3, 0.6]), np.array([0.8, 0.5, 0.1]), np.array([0.025, 0.02, 0.04])
    cost = np.array([0.75, 0.9, 0.6])
    value = won + rng.poisson(coming / unit, (20_000, 3)) * unit
    each = np.vectorize(lambda v, c: score(v, c, v, 1.0, np.inf, True))
    sampled = each(value, cost).mean(0)
    np.testing.assert_allclose(expected_score(won, coming, cost, unit), sampled, rtol=0.015)


def test_without_luck_the_expected_score_is_the_score():
    value, cost = np.array([0.5, 0.5, 0.9]), np.array([0.4, 0.8, 0.9])
    found = expected_score(value * 0.25, value * 0.75, cost, np.zeros(3))
    np.testing.assert_allclose(found, [score(v, c, v, 1.0, np.inf, True) for v, c in zip(value, cost, strict=True)])


def test_predictions_come_back_from_the_calibration_that_is_observed():
    scenario = load_scenario("target_cpa").replace({"market.opportunities": 2000, "market.ticks": 5})
    engine = Engine(scenario, [0, 1])
    engine.reset(np.array([3], np.uint64))
    seen, sums = [engine.seats.observation[0].copy()], [np.zeros((3, 2))]
    while not engine.over:
        engine.step([[0.1, 0.05]])
        totals = engine.totals()
        seen.append(engine.seats.observation[0].copy())
        sums.append(np.stack([totals.value[0], totals.spend[0], totals.predicted_value[0]]))
    value, spend, predicted = np.diff(np.stack(sums, axis=2), axis=2)
    data = periods(np.zeros((2, 5)), value, spend)
    data = data._replace(observation=np.stack(seen, axis=1), value_per_conversion=np.ones(2))
    np.testing.assert_allclose(predicted_value(data), predicted, rtol=1e-4, atol=1e-5)


def test_shares_are_those_of_sums_in_plain_python():
    rng = np.random.default_rng(0)
    data = periods(rng.uniform(-0.5, 0.5, (3, 4)), rng.random((3, 4)), rng.random((3, 4)), budget=5.0, target=2.0)
    data.observation[:, 3:, NAMES.index("budget_left")] = 0.005  # spent in the third tick
    found = shares_of(data)
    for e in range(3):
        for t in range(4):
            assert found.won[e, t] == pytest.approx(sum(data.value[e, :t]) / 10)
            assert found.paid[e, t] == pytest.approx(sum(data.spend[e, :t]) / 5)
            assert found.coming[e, t, 0] == pytest.approx(sum(data.value[e, t:]) / 10, rel=1e-6)
            assert found.coming[e, t, 1] == pytest.approx(sum(data.spend[e, t:]) / 5)
            assert found.left[e, t] == pytest.approx(1 - t / 4)
            assert found.rates[e, t, 0] == pytest.approx(data.value[e, t] / 10 * 4, rel=1e-5)
            assert found.rates[e, t, 1] == pytest.approx(data.spend[e, t] / 5 * 4, rel=1e-5)
    assert found.free.tolist() == [[True, True, False, False]] * 3
    np.testing.assert_allclose(found.unit, 0.01)


def test_return_to_go_decreases_by_what_was_won():
    for maximizes in (True, False):
        bidder = decision_transformer.build(decision_transformer.Settings(**SMALL, quantile=1.0))
        bidder.like.keep(terms_of(np.array([10.0]), np.array([2.0])), np.array([[0.9]]), seed=0)
        bidder.begin(campaigns(2, 10.0, 2.0, maximizes))
        for value, spend in (([0, 0], [0, 0]), ([4, 1], [3, 0]), ([9, 1], [5, 1])):
            asked = bidder.context(np.zeros((2, len(FEATURES)), np.float32), ledger(value, spend))
            won = np.array(value) - (0 if maximizes else np.array(spend))
            np.testing.assert_allclose(asked[:, 0], 0.9 - won / 20)


def test_required_value_and_allowed_cost_decrease_by_what_was_won_and_paid(monkeypatch):
    bidder = probid.build(probid.Settings(**SMALL, revision=0))
    wanted = iter([(0.9, 0.8), (0.7, 0.6)])

    def plan(at):
        value, cost = next(wanted, (0.1, 0.1))
        return Outcome(np.zeros(2), np.full(2, value), np.full(2, cost), np.zeros(2))

    monkeypatch.setattr(bidder.outcomes, "plan", plan)
    bidder.begin(campaigns(2, 10.0, 2.0))
    states = np.zeros((2, len(FEATURES)), np.float32)
    np.testing.assert_allclose(bidder.context(states, ledger([0, 0], [0, 0])), [[0.9, 0.8]] * 2)
    np.testing.assert_allclose(bidder.context(states, ledger([2, 0], [1, 0])), [[0.7, 0.6]] * 2)  # a market seen
    aim = bidder._aim.copy()
    bidder.revision = 0
    bidder._tick = 10**12  # from here on the aim stands
    for value, spend in (([4, 1], [3, 0]), ([9, 1], [5, 1])):
        left = bidder.context(states, ledger(value, spend))
        np.testing.assert_allclose(left, aim - np.stack([np.array(value) / 20, np.array(spend) / 10], axis=1))


# What is learned


@pytest.fixture(scope="module")
def learned_outcomes():
    """Value z (0.6 + 0.4 level) and cost z (0.6 + level) per unit of traffic: on target up to level 0."""
    rng = np.random.default_rng(0)
    known, level = rng.uniform(0.5, 1, 4000), rng.uniform(-0.4, 0.4, 4000)
    rates = np.stack([known * (0.6 + 0.4 * level), known * (0.6 + level)], axis=1)
    with settled(0):
        model = OutcomeModel(1, power=4.0)
        learn_outcomes(
            model, *(torch.from_numpy(x).float() for x in (known[:, None], level, rates)), seed=0, steps=600
        )
    return model


def situations(known):
    """In the middle of a period, on target so far."""
    so_far, half = np.full(known.size, 0.3), np.full(known.size, 0.5)
    return Situations(torch.from_numpy(known[:, None]).float(), so_far, so_far, half, np.full(known.size, 1e-6))


def test_outcomes_and_better_levels_of_a_known_function_are_found(learned_outcomes):
    known = np.linspace(0.5, 1, 6)
    at = situations(known)
    for level in (-0.3, 0.0, 0.3):
        found = learned_outcomes.judge(at, torch.full((6,), level))
        np.testing.assert_allclose(found.value, 0.5 * known * (0.6 + 0.4 * level), atol=0.01)
        np.testing.assert_allclose(found.cost, 0.5 * known * (0.6 + level), atol=0.01)
    np.testing.assert_allclose(learned_outcomes.plan(at).level, 0, atol=0.05)
    for played, step in ((0.2, -0.04), (0.1, -0.04), (-0.2, 0.04)):
        level = torch.full((6,), played)
        better = improve(learned_outcomes, at, level, gain=1e-6)
        torch.testing.assert_close(better, level + step, atol=1e-4, rtol=0)
        reluctant = improve(learned_outcomes, at, level, gain=1e6)
        torch.testing.assert_close(reluctant, level + step / 2, atol=1e-4, rtol=0)


def test_what_is_left_of_the_budget_limits_cost_and_value_alike(learned_outcomes):
    at, level = situations(np.array([1.0])), torch.tensor([0.3])
    free, short = learned_outcomes.judge(at, level), learned_outcomes.judge(at._replace(paid=np.array([0.9])), level)
    np.testing.assert_allclose(short.cost, 0.1)
    np.testing.assert_allclose(short.value, free.value * 0.1 / free.cost)


def drawn_levels(count=400):
    rng = np.random.default_rng(0)
    halves = rng.uniform(-0.5, 0.5, (count, 2))
    halves = halves[halves.sum(1) < 0.7]
    return np.repeat(halves, TICKS // 2, axis=1)


def play(bidder, budget, cost):
    """Value of a period in which a tick brings 0.5 + level."""
    bidder.begin(campaigns(1, budget))
    value, spend, last = 0.0, 0.0, 0.0
    levels = []
    for tick in range(TICKS):
        last = float(bidder.act(observed(last, tick), ledger([value], [spend]))[0])
        value, spend = value + 0.5 + last, spend + cost(last)
        levels.append(last)
    return value, levels


def test_decision_transformer_reaches_the_return_it_is_asked_for():
    levels = drawn_levels()
    data = periods(levels, 0.5 + levels, np.full(levels.shape, 0.01), budget=6.0)
    returns = data.reward.sum(1)
    values = []
    for quantile in (0.5, 1.0):
        chosen = decision_transformer.Settings(**SMALL, quantile=quantile)
        bidder = decision_transformer.train(data, chosen, seed=1, steps=500)
        assert isinstance(bidder, OfflineBidder)
        values.append(play(bidder, 6.0, lambda level: 0.01)[0])
    nearest_quantiles = [np.quantile(returns[:NEAREST], 0.5), returns.max()]
    np.testing.assert_allclose(values, nearest_quantiles, rtol=0.06)


def test_probid_finds_the_level_at_which_the_target_is_just_met():
    rng = np.random.default_rng(0)
    levels = np.clip(rng.uniform(-0.45, 0.45, (400, 1)) + rng.normal(0, 0.03, (400, TICKS)), -0.5, 0.5)
    dear = np.exp(rng.normal(0, 0.1, (400, 1)))
    cost = (0.1 + (0.5 + levels) ** 2) * dear  # on target up to level 0.387, where money is neither dear nor cheap
    data = periods(levels, 0.5 + levels, cost, budget=6.0)._replace(value_per_conversion=np.full(400, 1e-4))
    bidder = probid.train(data, probid.Settings(**SMALL, outcome_steps=500), seed=1, steps=300)
    _, played = play(bidder, 6.0, lambda level: 0.1 + (0.5 + level) ** 2)
    assert np.mean(played) == pytest.approx(0.387, abs=0.1)


@pytest.mark.parametrize("module", [decision_transformer, probid])
def test_a_seed_trains_the_same_model_and_a_file_brings_it_back(module, tmp_path):
    levels = drawn_levels(60)
    data = periods(levels, 0.5 + levels, 0.1 + (0.5 + levels) ** 2, budget=6.0)
    name = {decision_transformer: "dt", probid: "probid"}[module]
    given = {**SMALL, **({"outcome_steps": 5} if module is probid else {})}
    scenario = load_scenario("target_cpa")
    once = train(data, scenario, name, folder=tmp_path / "a", steps=5, settings=given)
    again = module.train(data, module.Settings(**given), seed=0, steps=5)
    back = load_bidder(tmp_path / "a").bidder
    cost = np.square
    assert play(once.bidder, 6.0, cost) == play(again, 6.0, cost) == play(back, 6.0, cost)
    other = module.train(data, module.Settings(**given), seed=1, steps=5)
    assert play(other, 6.0, cost) != play(again, 6.0, cost)


@pytest.mark.parametrize("module", [decision_transformer, probid])
def test_periods_that_do_not_fit_are_refused(module):
    levels = drawn_levels(20)
    data = periods(levels, 0.5 + levels, 0.5 + levels)
    for change in ({"budget": np.full(len(levels), np.inf)}, {"target_roi": np.zeros(len(levels))}):
        with pytest.raises(AdsimError, match="finite budget and a target"):
            module.train(data._replace(**change), module.Settings(**SMALL), steps=1)
    with pytest.raises(AdsimError, match="set ticks=6"):
        module.train(data, module.Settings(**{**SMALL, "ticks": 5}), steps=1)
    bidder = module.build(module.Settings(**SMALL))
    with pytest.raises(AdsimError, match="finite budget and a target"):
        bidder.begin(campaigns(budget=np.inf))
