"""Bidding-v0 and its vector environment: the market itself, the same bits everywhere, discreet, exact in rewards."""

import time
import warnings
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import gymnasium
import naive_features
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st
from small_envs import NAMES, TICKS, make, make_many, play, random_actions, small

from adsim import registry
from adsim.agents.base import Agent
from adsim.envs.bidding import BiddingEnv
from adsim.envs.engine import Engine
from adsim.envs.features import FEATURES
from adsim.envs.score import score, violation
from adsim.envs.seeding import episode_seeds
from adsim.envs.vector import BiddingVectorEnv
from adsim.errors import AgentError, EnvError, ScenarioError
from adsim.market.market import Market
from adsim.market.scenario import Scenario
from adsim.types import Constraints, Floats, Observation, PublicFacts, Totals

SCENARIOS = {name: small(name) for name in NAMES} | {
    "stock": small("quanzhantui", campaigns__0__relative_stock=0.05),
    "sampled_stock": small("quickstart", campaigns__0__stock=2.5),
    "stock_value": small("quickstart", campaigns__0__stock_value=20.0, traffic__basket=0.5),
    "utility": small("quickstart", campaigns__0__objective="utility"),
    "lpa": small("quanzhantui", auction__mechanism="lpa"),
    "click": small("target_cpa", auction__charge="click", traffic__curve="flat"),
    "tiny": small("quickstart", market__opportunities=4),
}


def same(first: Any, second: Any) -> None:
    """Bit for bit, whatever is nested in it."""
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            same(first[key], second[key])
    elif isinstance(first, np.ndarray) and first.dtype != object:
        assert first.dtype == second.dtype
        np.testing.assert_array_equal(first, second)
    elif isinstance(first, np.ndarray | list | tuple):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            same(one, other)
    else:
        assert type(first) is type(second)
        assert first == second


# the environment is the market


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_episode_is_the_market_of_its_seed_bit_for_bit(name: str) -> None:
    played = play(make(SCENARIOS[name], campaign=0), random_actions(TICKS), seed=3)
    result = Market(SCENARIOS[name], 3).run(multipliers=played.multipliers)
    for tick, info in enumerate(played.infos):
        assert [info[field] for field in Totals._fields] == result.history[tick, 0].tolist()
    np.testing.assert_array_equal([info["multiplier"] for info in played.infos[1:]], played.multipliers[:, 0])


def test_the_others_play_their_agents() -> None:
    scenario = small("quickstart", campaigns__0__agent="feedback:step=0.3")
    bids = Market(scenario, 5).run().multipliers
    target = Market(scenario, 5).campaigns.constraints.target_roi[2]
    actions = np.diff(np.log10(bids[:, 2] * target), prepend=0).astype(np.float32)
    played = play(make(scenario, campaign=2), actions[:, None], seed=5)
    np.testing.assert_allclose(played.multipliers, bids, rtol=1e-4)


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("seed", [0, 1])
def test_observations_and_rewards_are_their_plain_twins(name: str, seed: int) -> None:
    scenario, actions = SCENARIOS[name], random_actions(TICKS, seed=seed)
    played = play(make(scenario, campaign=0), actions, seed)
    result = Market(scenario, seed).run(multipliers=played.multipliers)
    view = naive_features.look(result, seed, 0, actions[:, 0].tolist())
    for tick, found in enumerate(played.observations):
        expected = naive_features.features(view, tick)
        assert set(expected) == {feature.name for feature in FEATURES}
        np.testing.assert_allclose(found, [expected[feature.name] for feature in FEATURES], rtol=1e-5, atol=3e-6)
    np.testing.assert_allclose(played.rewards, naive_features.rewards(view), rtol=1e-9, atol=1e-9)
    last = range(naive_features.leaves(view) + 1)
    assert sum(info["cost"] for info in played.infos) == pytest.approx(naive_features.violation(view, last))


@pytest.mark.parametrize("campaign", [1, 3])
def test_any_campaign_can_be_controlled(campaign: int) -> None:
    scenario, actions = small(), random_actions(TICKS)
    played = play(make(scenario, campaign=campaign), actions)
    result = Market(scenario, 0).run(multipliers=played.multipliers)
    view = naive_features.look(result, 0, campaign, actions[:, 0].tolist())
    expected = naive_features.features(view, TICKS)
    np.testing.assert_allclose(
        played.observations[-1], [expected[feature.name] for feature in FEATURES], rtol=1e-5, atol=3e-6
    )


def test_a_campaign_is_named_or_numbered() -> None:
    by_name, by_number = (play(make(campaign=each), random_actions(TICKS)) for each in ("shop-3", 2))
    same(by_name, by_number)


def test_action_0_keeps_the_multiplier_and_1_bids_the_span_times_as_much() -> None:
    scenario = small()
    target = Market(scenario, 0).campaigns.constraints.target_roi[0]
    played = play(make(scenario, span=4.0), [[0.0], [1.0], [-0.5], [0.75], [-1.0], [-1.5]])
    np.testing.assert_allclose(played.multipliers[:, 0] * target, [1, 4, 2, 4, 1, 0.25])
    free = play(make(small("display_rtb")), np.zeros((TICKS, 1), np.float32))
    assert (free.multipliers == 1).all()


# checkers


def quietly(check: Any, *args: Any, **kwargs: Any) -> None:
    """Run a checker, its warnings being errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(*args, **kwargs)


@pytest.mark.parametrize("name", NAMES)
def test_gymnasium_has_nothing_to_complain_of(name: str) -> None:
    quietly(check_env, make(small(name)).unwrapped, skip_render_check=True)


@pytest.mark.parametrize("name", ["quickstart", "target_cpa"])
def test_stable_baselines_has_nothing_to_complain_of(name: str) -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    quietly(checker.check_env, make(small(name)).unwrapped)


@pytest.mark.parametrize("mode", ["vector_entry_point", "sync"])
def test_make_vec_makes_both_kinds_of_vector_environments(mode: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        envs = make_many(3, campaign=1, vectorization_mode=mode)
        observations, _ = envs.reset(seed=0)
        assert observations in envs.observation_space
        assert envs.observation_space.shape == (3, len(FEATURES))
        for _ in range(TICKS + 2):
            observations, rewards, terminated, truncated, _ = envs.step(envs.action_space.sample())
            assert observations in envs.observation_space
            assert rewards.shape == terminated.shape == truncated.shape == (3,)
        envs.close()


def test_make_wraps_with_gymnasiums_own_checks() -> None:
    env = make()
    assert isinstance(env, gymnasium.wrappers.OrderEnforcing)
    assert isinstance(env.unwrapped, BiddingEnv)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.zeros(1, np.float32))


def test_features_are_named_in_order() -> None:
    env = make().unwrapped
    assert list(env.feature_names) == [feature.name for feature in FEATURES]
    assert env.observation_space.shape == (len(FEATURES),)
    assert all(feature.meaning for feature in FEATURES)


# the same numbers everywhere


def play_many(envs: Any, actions: Any, seed: Any = 0) -> list[Any]:
    """All that a vector environment answers, the reset first."""
    return [envs.reset(seed=seed), *(envs.step(action) for action in actions)]


STEPS = 2 * TICKS + 4
"""Into the third episode."""


@pytest.mark.parametrize("count", [1, 7, 64])
def test_a_vector_environment_is_as_many_single_ones(count: int) -> None:
    scenario = small("quickstart", market__opportunities=60)
    actions = random_actions(TICKS, count)
    many = play_many(make_many(count, scenario), actions)
    for i in range(0, count, 5):
        played = play(make(scenario), actions[:, i], seed=i)
        np.testing.assert_array_equal([step[0][i] for step in many], played.observations)
        np.testing.assert_array_equal([step[1][i] for step in many[1:]], played.rewards)
        for step, info in zip(many, played.infos, strict=True):
            assert {key: step[-1][key][i].item() for key in info} == info


@pytest.mark.parametrize("count", [1, 7, 64])
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_threads_change_nothing(count: int, mode: AutoresetMode) -> None:
    scenario = small("quickstart", market__opportunities=60)
    actions = random_actions(STEPS, count)
    one, two = (make_many(count, scenario, threads=threads, autoreset_mode=mode) for threads in (1, 2))
    same(play_many(one, actions), play_many(two, actions))
    two.close()
    two.close()


@pytest.mark.parametrize("name", ["quickstart", "stock", "click"])
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_autoreset_and_infos_are_those_of_gymnasiums_sync_vector_environment(name: str, mode: AutoresetMode) -> None:
    actions = random_actions(STEPS, 3)
    native = make_many(3, SCENARIOS[name], autoreset_mode=mode)
    sync = make_many(3, SCENARIOS[name], vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode})
    assert native.metadata["autoreset_mode"] is sync.metadata["autoreset_mode"] is mode
    same(play_many(native, actions, seed=4), play_many(sync, actions, seed=4))
    same(native.reset(), sync.reset())
    same(native.reset(seed=[5, 1, 9]), sync.reset(seed=[5, 1, 9]))


def test_without_autoreset_a_mask_of_all_resets_and_a_step_too_many_complains() -> None:
    actions = random_actions(TICKS, 2)
    mode = AutoresetMode.DISABLED
    native = make_many(2, autoreset_mode=mode)
    sync = make_many(2, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode})
    same(play_many(native, actions), play_many(sync, actions))
    with pytest.raises(EnvError, match=r"after the end.*reset\(\)"):
        native.step(actions[0])
    options = {"reset_mask": np.ones(2, np.bool_)}
    same(native.reset(options=dict(options)), sync.reset(options=dict(options)))
    with pytest.raises(EnvError, match="reset_mask: all episodes end together"):
        native.reset(options={"reset_mask": np.array([True, False])})


def test_the_same_seed_gives_the_same_episodes_and_later_ones_differ() -> None:
    env, actions = make(), random_actions(TICKS)
    first, second = play(env, actions, seed=8), play(env, actions, seed=None)
    same(play(env, actions, seed=8), first)
    same(play(env, actions, seed=None), second)
    assert (first.observations != second.observations).any()
    same(play(make(), actions, seed=8), first)


@pytest.mark.parametrize("seeds", [[None, 3, None], [7, None, 2], [None, None, None]])
def test_each_environment_goes_on_with_its_own_sequence_unless_it_gets_a_seed(seeds: list[int | None]) -> None:
    scenario = small("quickstart", market__opportunities=60)
    native, sync = (make_many(3, scenario, vectorization_mode=mode) for mode in ("vector_entry_point", "sync"))
    for seed in (4, None, seeds, None, seeds):
        same(native.reset(seed=seed), sync.reset(seed=seed))
    same(play_many(native, actions := random_actions(STEPS, 3), seeds), play_many(sync, actions, seeds))


def test_some_seeds_at_first_leave_the_others_to_chance() -> None:
    first, second = (make_many(3) for _ in range(2))
    budgets = [envs.reset(seed=[None, 5, None])[1]["budget_left"] for envs in (first, second)]
    assert (budgets[0] == budgets[1]).tolist() == [False, True, False]
    second.reset(seed=5)
    assert first.reset()[1]["budget_left"][1] == second.reset()[1]["budget_left"][0]


def test_later_episodes_are_markets_that_can_be_named() -> None:
    env, actions = make(), random_actions(TICKS)
    play(env, actions, seed=8)
    second = play(env, actions, seed=None)
    seed = int(episode_seeds(np.array([8], np.uint64), 1)[0])
    assert env.unwrapped.engine.markets.seeds.tolist() == [seed]
    same(play(make(), actions, seed=seed), second)


def test_without_any_seed_episodes_are_random() -> None:
    first, second = (play(make(), random_actions(TICKS), seed=None) for _ in range(2))
    assert (first.observations != second.observations).any()
    first, second = (make_many(2).reset()[1]["budget_left"] for _ in range(2))
    assert len({*first, *second}) == 4


def test_what_is_done_to_answers_changes_nothing_later() -> None:
    actions = random_actions(TICKS, 2)
    expected = play_many(make_many(2), actions)
    envs = make_many(2)
    kept = [envs.reset(seed=0)]
    for i in range(TICKS):
        copy = [np.array(part) if isinstance(part, np.ndarray) else dict(part) for part in kept[-1]]
        same(copy, list(expected[i]))
        for part in kept[-1]:
            for array in part.values() if isinstance(part, dict) else [part]:
                array[...] = 1
        kept.append(envs.step(actions[i]))
    same(kept[-1], expected[-1])


# what may be known


OWN = {"name": "own", "value": 6.0, "budget": 50.0, "target_roi": 2.0, "agent": "fixed:multiplier=0.5"}
OTHERS = {"name": "other", "count": 3, "value": 6.0, "budget": 1000.0, "target_roi": 2.0}


def duel(**others: Any) -> Scenario:
    """One campaign and three others, whose multipliers do not depend on what they want."""
    agent = {"agent": "fixed:multiplier=0.4"}
    return small("quickstart").replace({"campaigns": [OWN, OTHERS | agent | others], "traffic.cvr": 0.4})


@pytest.mark.parametrize(
    "change",
    [
        {"budget": 3.0},
        {"target_roi": 9.0},
        {"stock": 2.0},
        {"value": 2.0},
        {"quality": 1.5},
        {"agent": "feedback"},
        {"objective": "utility"},
    ],
)
def test_the_terms_of_others_are_not_seen_before_the_first_auction(change: dict[str, Any]) -> None:
    first, second = (make(scenario).reset(seed=1) for scenario in (duel(), duel(**change)))
    same(first, second)


@pytest.mark.parametrize("change", [{"budget": 2000.0}, {"target_roi": 9.0}, {"stock": 900.0}])
def test_what_others_want_is_never_seen_but_in_how_they_bid(change: dict[str, Any]) -> None:
    first, second = (play(make(scenario), random_actions(TICKS), seed=1) for scenario in (duel(), duel(**change)))
    same(first, second)
    assert first.infos[-1]["wins"] > 0


def rates(cvr: float, bias: float) -> Scenario:
    """True conversion rates behind predictions that stay the same; exposures are charged."""
    noise = {"kind": "noise", "ctr_error": 0.0, "cvr_error": 0.0, "cvr_bias": bias}
    return duel().replace({"traffic.cvr": cvr, "predictor": noise, "auction.charge": "exposure"})


def test_true_rates_are_not_seen_before_the_first_auction() -> None:
    first, second = (make(scenario).reset(seed=1) for scenario in (rates(0.2, 0.5), rates(0.4, 0.25)))
    same(first, second)


def test_true_rates_are_never_seen_but_in_what_follows_from_them() -> None:
    outcomes = {"roi", "calibration", "conversion_rate", "conversion_rate_recent"}
    told = [i for i, feature in enumerate(FEATURES) if feature.name not in outcomes]
    first, second = (
        play(make(scenario), random_actions(TICKS), seed=1) for scenario in (rates(0.2, 0.5), rates(0.4, 0.25))
    )
    np.testing.assert_allclose(first.observations[:, told], second.observations[:, told], atol=1e-4)
    assert 1.4 * first.infos[-1]["conversions"] < second.infos[-1]["conversions"]


def test_info_is_the_ledger_of_the_controlled_campaign_and_nothing_else() -> None:
    scenario = small()
    played = play(make(scenario, campaign=1), random_actions(TICKS))
    result = Market(scenario, 0).run(multipliers=played.multipliers)
    own = {"cost", "score", "multiplier", "budget_left", "stock_left", "clipped_actions"}
    for tick, info in enumerate(played.infos):
        assert info.keys() == own | set(Totals._fields)
        assert all(type(value) in (int, float) for value in info.values())
        ledger = dict(zip(Totals._fields, result.history[tick, 1].tolist(), strict=True))
        assert {name: info[name] for name in Totals._fields} == ledger
        assert info["budget_left"] == pytest.approx(result.constraints.budget[1] - ledger["spend"])


# rewards


CASES: dict[str, tuple[Scenario, float]] = {
    "target missed": (small("target_cpa", campaigns__0__budget=1e4), 1.0),
    "target kept": (small("return_on_spend"), -0.1),
    "utility": (small("quickstart", campaigns__0__objective="utility"), 0.3),
    "oversold": (small("quickstart", campaigns__0__stock=2.5, campaigns__0__budget=1e4), 0.5),
    "stock held": (small("quickstart", campaigns__0__stock=1e6), 0.0),
    "exhausted": (small("target_cpa", campaigns__0__budget=5.0, auction__mechanism="first_price"), 1.0),
    "nothing bought": (small("quickstart", auction__reserve=1e3), 0.0),
}


@pytest.mark.parametrize("case", CASES)
def test_the_return_is_the_score_and_the_costs_are_the_violation(case: str) -> None:
    scenario, action = CASES[case]
    played = play(make(scenario), np.full((TICKS, 1), action), seed=2)
    own = Constraints(*(field[0].item() for field in Market(scenario, 2).campaigns.constraints))
    last = played.infos[-1]
    ledger = last["value"], last["spend"], last["conversions"], own.target_roi, own.stock
    assert played.rewards.sum() == pytest.approx(score(*ledger, own.maximizes_value), rel=1e-12, abs=1e-12)
    assert last["score"] == score(*ledger, own.maximizes_value)
    costs = [info["cost"] for info in played.infos]
    assert sum(costs) == violation(*ledger)
    assert np.count_nonzero(costs) <= 1


def test_the_cases_of_returns_happen() -> None:
    last = {case: play(make(scenario), np.full((TICKS, 1), a), seed=2) for case, (scenario, a) in CASES.items()}
    info = {case: played.infos[-1] for case, played in last.items()}
    assert 0 < info["target missed"]["score"] < info["target missed"]["value"]
    assert sum(step["cost"] for step in last["target missed"].infos) > 0
    assert info["target kept"]["score"] == info["target kept"]["value"] > 0
    assert info["utility"]["score"] < info["utility"]["value"]
    assert info["oversold"]["stock_left"] == -0.5
    assert info["oversold"]["score"] < info["oversold"]["value"]
    assert info["stock held"]["stock_left"] > 0
    assert info["exhausted"]["budget_left"] < 5e-6
    assert info["nothing bought"]["score"] == info["nothing bought"]["wins"] == 0


@pytest.mark.parametrize("case", ["oversold", "exhausted"])
def test_who_has_left_gets_its_correction_at_once_and_zeros_afterwards(case: str) -> None:
    scenario, action = CASES[case]
    played = play(make(scenario), np.full((TICKS, 1), action), seed=2)
    wins = np.diff([info["wins"] for info in played.infos])
    left = int(np.flatnonzero(wins)[-1])
    assert left < TICKS - 1
    assert played.infos[left + 1]["cost"] > 0
    assert (played.rewards[left + 1 :] == 0).all()
    assert all(info["cost"] == 0 for info in played.infos[left + 2 :])
    assert played.rewards[: left + 1].sum() == pytest.approx(played.infos[-1]["score"])


def test_score_in_info_is_the_return_if_the_period_ended_now() -> None:
    scenario = small("target_cpa")
    played = play(make(scenario), random_actions(TICKS), seed=2)
    own = Market(scenario, 2).campaigns.constraints
    for info in played.infos:
        ledger = info["value"], info["spend"], info["conversions"]
        assert info["score"] == score(*ledger, own.target_roi[0].item(), own.stock[0].item(), True)


@pytest.mark.parametrize(("spend", "expected"), [(40.0, 20.0), (50.0, 20.0), (100.0, 5.0), (0.0, 20.0)])
def test_score_of_a_cpa_target_as_computed_by_hand(spend: float, expected: float) -> None:
    """Ten conversions of value 2 at a target CPA of 5: value * min((5 / CPA)**2, 1)."""
    assert score(20.0, spend, 10.0, 2.0 / 5.0, np.inf, True) == pytest.approx(expected)


def test_score_and_violation_as_computed_by_hand() -> None:
    assert score(20.0, 4.0, 10.0, 0.0, 5.0, True) == 10.0
    assert score(20.0, 4.0, 10.0, 0.0, 5.0, False) == 6.0
    assert score(20.0, 4.0, 10.0, 5.0, 5.0, True) == 2.5
    assert violation(20.0, 4.0, 10.0, 10.0, np.inf) == 0.5
    assert violation(20.0, 4.0, 10.0, 4.0, 8.0) == 0.25
    assert violation(0.0, 0.0, 0.0, 4.0, 8.0) == 0.0


# spaces and mistakes


markets = st.fixed_dictionaries(
    {
        "market.opportunities": st.sampled_from([1, 3, 40, 200]),
        "market.ticks": st.integers(1, 6),
        "market.outcomes": st.sampled_from(["sampled", "expected"]),
        "auction.mechanism": st.sampled_from(["first_price", "gsp", "vcg", "lpa"]),
        "auction.charge": st.sampled_from(["exposure", "click", "conversion"]),
        "auction.reserve": st.sampled_from([0.0, 0.1, 100.0]),
        "traffic.basket": st.sampled_from([0.0, 1.0]),
        "campaigns.0.objective": st.sampled_from(["value", "utility"]),
        "campaigns.0.budget": st.sampled_from([None, 0.01, 5.0, 1e9]),
        "campaigns.0.stock": st.sampled_from([None, 0.5, 1.0, 10.0]),
        "campaigns.0.value": st.sampled_from([0.01, 6.0, 1e4]),
        "campaigns.0.target_roi": st.sampled_from([0.01, 1.0, 50.0]),
    }
)


@settings(deadline=None, max_examples=150)
@given(markets, st.integers(0, 10**6), st.sampled_from([1.5, 10.0, 1000.0]), st.booleans())
def test_observations_stay_in_their_space(changes: dict[str, Any], seed: int, span: float, target: bool) -> None:
    if not target and changes["auction.mechanism"] != "lpa":
        changes = changes | {"campaigns.0.target_roi": None}
    env = BiddingEnv(small("quickstart", campaigns__0__agent="fixed:multiplier=1").replace(changes), 0, span=span)
    rng = np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed)
    assert observation in env.observation_space
    assert not observation[[i for i, feature in enumerate(FEATURES) if "log" in feature.meaning]].any()
    terminated = False
    while not terminated:
        observation, reward, terminated, _, info = env.step(rng.choice([-1.0, 0.0, 1.0, rng.normal()], 1))
        assert observation in env.observation_space
        assert np.isfinite([reward, info["cost"], info["score"]]).all()
        assert info["cost"] >= 0


@pytest.mark.parametrize(
    ("action", "end"), [(1.5, 1.0), (-7.0, -1.0), (np.inf, 1.0), (-np.inf, -1.0), (np.nextafter(1, 2), 1.0)]
)
def test_actions_beyond_the_box_are_clipped_and_counted(action: float, end: float) -> None:
    env = make().unwrapped
    env.reset(seed=0)
    *_, info = env.step(np.array([action]))
    assert info["clipped_actions"] == 1
    *_, info = env.step(np.array([end]))
    assert info["clipped_actions"] == 1
    assert env.engine.seats.action.item() == end
    *_, info = env.step(np.array([action]))
    assert info["clipped_actions"] == 2
    assert env.reset()[1]["clipped_actions"] == 0


def test_clipped_actions_are_counted_for_each_environment() -> None:
    envs = make_many(3)
    envs.reset(seed=0)
    *_, info = envs.step(np.array([[2.0], [0.0], [-2.0]]))
    assert info["clipped_actions"].tolist() == [1, 0, 1]


@pytest.mark.parametrize("action", [0.0, [], [0.0, 0.0], [[0.0]], np.zeros((2, 1))])
def test_an_action_of_another_shape_is_told_its_shape(action: Any) -> None:
    env = make().unwrapped
    env.reset(seed=0)
    with pytest.raises(EnvError, match=r"action of shape .* must have shape \(1,\)"):
        env.step(action)


@pytest.mark.parametrize("actions", [np.zeros(3), np.zeros((3, 2)), np.zeros((2, 1)), 0.0])
def test_actions_of_another_shape_are_told_their_shape(actions: Any) -> None:
    envs = make_many(3)
    envs.reset(seed=0)
    with pytest.raises(EnvError, match=r"actions of shape .* must have shape \(3, 1\)"):
        envs.step(actions)


@pytest.mark.parametrize("action", [[np.nan], ["up"], [None]])
def test_an_action_that_is_no_number_is_named(action: Any) -> None:
    env = make().unwrapped
    env.reset(seed=0)
    with pytest.raises(EnvError, match=r"action .*must be (a number|numbers) from -1 to 1"):
        env.step(action)


def test_a_nan_in_any_environment_is_found_before_anything_is_played() -> None:
    envs = make_many(3)
    envs.reset(seed=0)
    with pytest.raises(EnvError, match="NaN"):
        envs.step(np.array([[0.0], [0.0], [np.nan]]))
    assert envs.unwrapped.engine.markets.tick == 0


@pytest.mark.parametrize("env", [lambda: make().unwrapped, lambda: make_many(1)])
def test_step_before_reset_says_so(env: Any) -> None:
    made = env()
    with pytest.raises(EnvError, match=r"before reset.*reset\(\)"):
        made.step(np.zeros(made.action_space.shape))


def test_step_after_the_end_says_so() -> None:
    env = make()
    play(env, random_actions(TICKS))
    for made in (env, env.unwrapped):
        with pytest.raises(EnvError, match=r"after the end.*6 ticks.*reset\(\)"):
            made.step(np.zeros(1, np.float32))


@pytest.mark.parametrize("campaign", [4, -1, "shop-9", "Shop-1", 1.0, None, True])
def test_a_campaign_that_is_not_there_is_told_which_are(campaign: Any) -> None:
    with pytest.raises(EnvError, match=r"campaign .*'quickstart' has 4, numbered from 0.*shop-1, shop-2"):
        make(campaign=campaign)
    with pytest.raises(EnvError, match="shop-1"):
        make_many(2, campaign=campaign)


@pytest.mark.parametrize("campaigns", [[], [0, 0], [1, "shop-2"]])
def test_campaigns_are_named_once_each(campaigns: list[Any]) -> None:
    with pytest.raises(EnvError, match="at least, and each once"):
        Engine(small(), campaigns)


@pytest.mark.parametrize("span", [1, 0.5, -10, np.inf, np.nan])
def test_a_span_is_above_1(span: float) -> None:
    with pytest.raises(EnvError, match=r"span = .*above 1"):
        make(span=span)


@pytest.mark.parametrize("mode", ["ansi", "rgb", ""])
def test_an_unknown_render_mode_is_told_the_known_ones(mode: str) -> None:
    with pytest.raises(EnvError, match=r"render_mode = .*rgb_array, human"):
        BiddingEnv(small(), render_mode=mode)


@pytest.mark.parametrize("count", [0, -1, 1.5, None])
def test_there_is_at_least_one_environment(count: Any) -> None:
    with pytest.raises(EnvError, match=r"num_envs = .*1 or more"):
        BiddingVectorEnv(count, small())


@pytest.mark.parametrize("threads", [0, 1.5])
def test_there_is_at_least_one_thread(threads: Any) -> None:
    with pytest.raises(EnvError, match=r"threads = .*1 or more"):
        make_many(2, threads=threads)


def test_there_is_a_seed_for_each_environment() -> None:
    with pytest.raises(EnvError, match="2 seeds for 3 environments"):
        make_many(3).reset(seed=[1, 2])


@pytest.mark.parametrize("seed", [2**63, 2**64, 2**70])
def test_a_seed_too_large_is_told_the_largest(seed: int) -> None:
    with pytest.raises(ScenarioError, match=r"seed = .*2\*\*63 - 1"):
        make().reset(seed=seed)
    with pytest.raises(ScenarioError, match=r"seed = .*2\*\*63 - 1"):
        make_many(2).reset(seed=seed)


def test_an_oracle_among_the_others_is_told_what_it_needs() -> None:
    env = make(small("quickstart").replace({"campaigns": [OWN, OWN | {"agent": "oracle"}]})).unwrapped
    env.reset(seed=0)
    with pytest.raises(AgentError, match="oracle was not shown the truth"):
        env.step(np.zeros(1))


# pictures


def test_frames_have_their_shape_and_change_from_tick_to_tick() -> None:
    env = make(render_mode="rgb_array")
    env.reset(seed=0)
    frames = [env.render()]
    for action in random_actions(TICKS):
        env.step(action)
        frames.append(env.render())
    env.close()
    assert all(frame.dtype == np.uint8 and frame.shape == frames[0].shape for frame in frames)
    assert frames[0].ndim == 3
    assert frames[0].shape[2] == 3
    assert all((one != other).any() for one, other in pairwise(frames))


def test_drawing_changes_no_number() -> None:
    plain, drawn = (play(make(render_mode=mode), random_actions(TICKS)) for mode in (None, "rgb_array"))
    same(plain, drawn)


def test_render_without_a_mode_says_so() -> None:
    env = make().unwrapped
    env.reset(seed=0)
    with pytest.warns(UserWarning, match=r"render_mode.*rgb_array"):
        assert env.render() is None


# other people's agents and mechanisms


class Shy(Agent):
    """Bids less with every tick, and less where the others leave a high score."""

    def reset(self, constraints: Constraints, market: PublicFacts) -> None:
        super().reset(constraints, market)
        self._patience = np.ones(constraints.budget.size)

    def act(self, observation: Observation) -> Floats:
        self._patience *= np.where(observation.last.wins > 3, 0.8, 1.1)
        return self._patience / (1 + np.nan_to_num(observation.score_to_beat))


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An agent of this file and the mechanism of test_plugins.py."""
    monkeypatch.setitem(registry.BUILT_IN["agents"], "shy", f"{__name__}:Shy")
    monkeypatch.setitem(registry.BUILT_IN["mechanisms"], "posted_reserve", "test_plugins:PostedReserve")
    registry.known.cache_clear()
    yield
    registry.known.cache_clear()


@pytest.mark.usefixtures("plugins")
def test_agents_from_elsewhere_play_along() -> None:
    scenario = small("quickstart", campaigns__0__agent="shy")
    actions = random_actions(STEPS, 3)
    played = play(make(scenario), actions[:TICKS, 0], seed=0)
    assert len(set(played.multipliers[:, 1])) == TICKS
    result = Market(scenario, 0).run(multipliers=played.multipliers)
    assert [played.infos[-1][name] for name in Totals._fields] == result.history[-1, 0].tolist()
    native, sync = (make_many(3, scenario, vectorization_mode=mode) for mode in ("vector_entry_point", "sync"))
    same(play_many(native, actions), play_many(sync, actions))


@pytest.mark.slow
@pytest.mark.usefixtures("plugins")
def test_mechanisms_from_elsewhere_clear_the_auctions() -> None:
    rule = {"mechanism": "posted_reserve", "reserve": 0.001, "exposure": [1.0, 0.7], "charge": "exposure"}
    scenario = small("quickstart", auction=rule)
    actions = random_actions(STEPS, 3)
    native, sync = (make_many(3, scenario, vectorization_mode=mode) for mode in ("vector_entry_point", "sync"))
    steps = play_many(native, actions)
    same(steps, play_many(sync, actions))
    info = steps[TICKS][-1]
    np.testing.assert_allclose(info["spend"], 0.001 * info["exposures"], rtol=1e-6)
    assert (info["spend"] > 0).all()


# speed


def test_the_vector_environment_is_faster_than_one_after_the_other() -> None:
    scenario = small("quickstart", market__opportunities=60)
    actions = random_actions(TICKS, 64)
    seconds = []
    for mode in ("vector_entry_point", "sync"):
        envs = make_many(64, scenario, vectorization_mode=mode)
        play_many(envs, actions)
        start = time.perf_counter()
        for action in actions:
            envs.step(action)
        seconds.append(time.perf_counter() - start)
    assert 2 * seconds[0] < seconds[1]
