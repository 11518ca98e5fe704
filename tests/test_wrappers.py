"""Wrappers: the same arithmetic for one environment and for many, and Gymnasium's own ones work on ours."""

import pickle
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from small_envs import TICKS, make, make_many, random_actions, small
from test_envs import play_many, same

from adsim.envs import vector_wrappers, wrappers
from adsim.envs.features import FEATURES
from adsim.errors import EnvError
from adsim.market.market import Market

STEPS = 2 * TICKS + 4
MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP]
MISSED = small("target_cpa", campaigns__0__budget={"distribution": "uniform", "low": 20.0, "high": 400.0})
"""Targets are missed with high bids; budgets differ from episode to episode."""


def levels(count: int, *shape: int) -> Any:
    return np.random.default_rng(1).integers(0, 21, (count, *shape))


def multipliers(count: int, *shape: int) -> Any:
    return np.random.default_rng(1).uniform(0, 150, (count, *shape, 1)).astype(np.float32)


KINDS: dict[str, tuple[dict[str, Any], Callable[..., Any]]] = {
    "PenaltyReward": ({"weight": 3.0}, random_actions),
    "BudgetNormalizedReward": ({}, random_actions),
    "DiscreteActions": ({"levels": 21}, levels),
    "AbsoluteMultiplier": ({"high": 150.0}, multipliers),
}
"""Each wrapper's arguments, and actions for it."""


def wrapped(kind: str, env: Any, **changes: Any) -> Any:
    module = vector_wrappers if isinstance(env, gymnasium.vector.VectorEnv) else wrappers
    return getattr(module, kind)(env, **KINDS[kind][0] | changes)


def play(env: Any, actions: Any, seed: int = 0) -> tuple[Any, list[dict[str, Any]]]:
    """Rewards and infos of an episode."""
    env.reset(seed=seed)
    steps = [env.step(action) for action in actions]
    return np.array([step[1] for step in steps]), [step[-1] for step in steps]


# one and many


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MODES)
def test_many_wrapped_at_once_are_as_many_wrapped_ones(kind: str, mode: AutoresetMode) -> None:
    """Over several episodes: rewards are measured by the terms of the episode that they belong to."""
    actions = KINDS[kind][1](STEPS, 3)
    native = wrapped(kind, make_many(3, MISSED, autoreset_mode=mode))
    single = {"wrappers": [lambda env: wrapped(kind, env)], "vectorization_mode": "sync"}
    sync = make_many(3, MISSED, vector_kwargs={"autoreset_mode": mode}, **single)
    assert native.action_space == sync.action_space
    assert native.single_action_space == sync.single_action_space
    same(play_many(native, actions), play_many(sync, actions))


@pytest.mark.parametrize("mode", MODES)
def test_gymnasiums_vector_environments_can_be_penalised_too(mode: AutoresetMode) -> None:
    native, sync = (
        wrapped("PenaltyReward", envs)
        for envs in (
            make_many(3, MISSED, autoreset_mode=mode),
            make_many(3, MISSED, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}),
        )
    )
    actions = np.ones((STEPS, 3, 1), np.float32)
    first = play_many(native, actions)
    same(first, play_many(sync, actions))
    plain = play_many(make_many(3, MISSED, autoreset_mode=mode), actions)
    assert sum((one[1] < other[1]).any() for one, other in zip(first[1:], plain[1:], strict=True)) >= 2


@pytest.mark.parametrize("kind", KINDS)
def test_gymnasium_has_nothing_to_complain_of(kind: str) -> None:
    """But that multipliers are not normalised, which is what `AbsoluteMultiplier` is for."""
    env = wrapped(kind, make(MISSED).unwrapped)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*different from the unwrapped version")
        warnings.filterwarnings(
            "ignore", message=".*symmetric and normalized" if kind == "AbsoluteMultiplier" else "-"
        )
        check_env(env, skip_render_check=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrapped_environment_can_be_made_again_from_its_spec(kind: str) -> None:
    env = wrapped(kind, make(MISSED))
    again = gymnasium.make(env.spec)
    assert type(again) is type(env)
    actions = KINDS[kind][1](TICKS)
    same(list(play(env, actions)), list(play(again, actions)))


# what they compute


def test_a_penalty_is_the_weight_times_the_cost() -> None:
    actions = np.ones((TICKS, 1), np.float32)
    plain, infos = play(make(MISSED), actions)
    env = wrapped("PenaltyReward", make(MISSED), weight=2.5)
    rewards, _ = play(env, actions)
    costs = np.array([info["cost"] for info in infos])
    assert costs.sum() > 0
    np.testing.assert_allclose(rewards, plain - 2.5 * costs)


def test_a_penalty_can_be_raised_while_training() -> None:
    actions = np.ones((TICKS, 1), np.float32)
    env, envs = wrapped("PenaltyReward", make(MISSED)), wrapped("PenaltyReward", make_many(2, MISSED))
    before = play(env, actions)[0].sum(), play(envs, actions[:, None].repeat(2, 1))[0].sum(axis=0)
    env.weight = 4.0
    envs.weight = np.array([4.0, 3.0])
    after, cost = play(env, actions)[0].sum(), play(env, actions)[1]
    violation = sum(info["cost"] for info in cost)
    assert before[0] - after == pytest.approx(violation)
    lower = before[1] - play(envs, actions[:, None].repeat(2, 1))[0].sum(axis=0)
    np.testing.assert_allclose(lower, [violation, 0], atol=1e-12)
    assert env.set_wrapper_attr("weight", 0.0, force=False)
    np.testing.assert_array_equal(play(env, actions)[0], play(make(MISSED), actions)[0])


@pytest.mark.parametrize("scenario", [MISSED, small("display_rtb")], ids=["target", "no target"])
def test_rewards_are_measured_by_what_the_budget_buys_at_target(scenario: Any) -> None:
    actions = random_actions(TICKS)
    for seed in (0, 1):
        own = Market(scenario, seed).campaigns.constraints
        worth = own.budget[0] * (own.target_roi[0] if own.target_roi[0] > 0 else 1)
        plain, scaled = (
            play(env, actions, seed)[0] for env in (make(scenario), wrapped("BudgetNormalizedReward", make(scenario)))
        )
        assert plain.any()
        np.testing.assert_allclose(scaled, plain / worth)


@pytest.mark.parametrize("many", [False, True])
def test_a_campaign_without_a_budget_is_told_the_remedy(many: bool) -> None:
    scenario = small("return_on_spend")
    with pytest.raises(EnvError, match=r"'bidder' has no budget.*campaigns\.0\.budget.*NormalizeReward"):
        wrapped("BudgetNormalizedReward", make_many(2, scenario) if many else make(scenario))


def test_levels_are_equally_spaced_actions() -> None:
    discrete = wrapped("DiscreteActions", make(), levels=5)
    assert discrete.action_space == gymnasium.spaces.Discrete(5)
    rewards, infos = play(discrete, [0, 1, 2, 3, 4, 2])
    expected, others = play(make(), np.array([[-1], [-0.5], [0], [0.5], [1], [0]], np.float32))
    np.testing.assert_array_equal(rewards, expected)
    assert infos == others


def test_levels_of_many_are_a_multidiscrete_space() -> None:
    envs = wrapped("DiscreteActions", make_many(3))
    assert envs.action_space == gymnasium.spaces.MultiDiscrete([21, 21, 21])
    envs.reset(seed=0)
    envs.step(np.array([0, 10, 20]))
    assert envs.unwrapped.engine.seats.action[:, 0].tolist() == [-1, 0, 1]


@pytest.mark.parametrize("level", [-1, 21, 0.5, [1], None])
def test_a_level_that_is_not_there_is_told_which_are(level: Any) -> None:
    env, envs = wrapped("DiscreteActions", make()), wrapped("DiscreteActions", make_many(2))
    env.reset(seed=0)
    envs.reset(seed=0)
    with pytest.raises(EnvError, match="whole numbers from 0 to 20"):
        env.step(level)
    with pytest.raises(EnvError, match="whole numbers from 0 to 20"):
        envs.step(level)


@pytest.mark.parametrize("count", [1, 0, 2.5, "many"])
def test_there_are_two_levels_at_least(count: Any) -> None:
    with pytest.raises(EnvError, match=r"levels = .*2 or more"):
        wrapped("DiscreteActions", make(), levels=count)
    with pytest.raises(EnvError, match=r"levels = .*2 or more"):
        wrapped("DiscreteActions", make_many(2), levels=count)


def test_an_absolute_multiplier_is_what_is_bid() -> None:
    scenario = small("target_cpa", campaigns__0__target_cpa=8.0)
    env = wrapped("AbsoluteMultiplier", make(scenario))
    assert env.action_space == gymnasium.spaces.Box(0, 150, (1,), np.float32)
    wanted = [8.0, 80.0, 9.0, 3.7, 30.0, 11.1]
    _, infos = play(env, np.array(wanted, np.float32)[:, None])
    np.testing.assert_allclose([info["multiplier"] for info in infos], wanted, rtol=1e-6)
    assert infos[-1]["clipped_actions"] == 0


def test_a_multiplier_out_of_range_becomes_its_end_and_a_large_change_takes_two_ticks() -> None:
    scenario = small("target_cpa", campaigns__0__target_cpa=8.0)
    wanted = np.array([0.0, 0.7, 70.0, 70.0, np.inf, 8.0])[:, None]
    _, infos = play(wrapped("AbsoluteMultiplier", make(scenario)), wanted)
    np.testing.assert_allclose([info["multiplier"] for info in infos], [0.8, 0.8, 8, 70, 80, 8])
    assert [info["clipped_actions"] for info in infos] == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("action", [0.5, [0.5, 0.5], [np.nan]])
def test_an_impossible_multiplier_is_refused(action: Any) -> None:
    env, envs = wrapped("AbsoluteMultiplier", make()), wrapped("AbsoluteMultiplier", make_many(2))
    env.reset(seed=0)
    envs.reset(seed=0)
    with pytest.raises(EnvError, match=r"multiplier of shape|NaN"):
        env.step(action)
    with pytest.raises(EnvError, match=r"multiplier of shape|NaN"):
        envs.step([action, action] if np.shape(action) == (1,) else action)


@pytest.mark.parametrize("high", [0, -1, np.inf, np.nan])
def test_the_largest_multiplier_is_positive(high: float) -> None:
    with pytest.raises(EnvError, match=r"high = .*positive"):
        wrapped("AbsoluteMultiplier", make(), high=high)


def test_multipliers_before_reset_are_refused() -> None:
    with pytest.raises(EnvError, match="before reset"):
        wrapped("AbsoluteMultiplier", make().unwrapped).step([1.0])


@pytest.mark.parametrize("kind", ["BudgetNormalizedReward", "AbsoluteMultiplier"])
def test_other_environments_are_told_where_they_are_wrapped(kind: str) -> None:
    with pytest.raises(EnvError, match=r"adsim\.envs\.wrappers.*adsim\.envs\.vector_wrappers"):
        wrapped(kind, make_many(2, vectorization_mode="sync"))


def test_wrappers_can_be_stacked() -> None:
    def stacked(env: Any) -> Any:
        return wrapped("PenaltyReward", wrapped("BudgetNormalizedReward", wrapped("DiscreteActions", env)))

    rewards, _ = play(stacked(make(MISSED)), [20] * TICKS)
    many, _ = play(stacked(make_many(2, MISSED)), np.full((TICKS, 2), 20))
    np.testing.assert_array_equal(many[:, 0], rewards)


# gymnasium's own


def test_gymnasiums_frame_stack_gives_the_history() -> None:
    env = gymnasium.wrappers.FrameStackObservation(make(), 3)
    plain = make()
    frames, _ = env.reset(seed=0)
    seen = [plain.reset(seed=0)[0]]
    assert frames.shape == (3, len(FEATURES))
    for action in random_actions(TICKS):
        frames = env.step(action)[0]
        seen.append(plain.step(action)[0])
        assert frames in env.observation_space
    np.testing.assert_array_equal(frames, seen[-3:])


@pytest.mark.parametrize(
    "wrap",
    [
        gymnasium.wrappers.NormalizeReward,
        gymnasium.wrappers.NormalizeObservation,
        gymnasium.wrappers.RecordEpisodeStatistics,
        gymnasium.wrappers.FlattenObservation,
        gymnasium.wrappers.ClipAction,
        gymnasium.wrappers.Autoreset,
        lambda env: gymnasium.wrappers.TimeLimit(env, 3),
    ],
)
def test_gymnasiums_wrappers_work(wrap: Any) -> None:
    env = wrap(make())
    env.reset(seed=0)
    for action in random_actions(TICKS - 1):
        observation, reward, *_ = env.step(np.clip(action, -1, 1))
        assert np.isfinite(reward)
    assert np.isfinite(observation).all()


@pytest.mark.parametrize("name", ["NormalizeReward", "NormalizeObservation", "RecordEpisodeStatistics", "ClipReward"])
def test_gymnasiums_vector_wrappers_work(name: str) -> None:
    kwargs = {"min_reward": -1.0} if name == "ClipReward" else {}
    envs = getattr(gymnasium.wrappers.vector, name)(make_many(3), **kwargs)
    steps = play_many(envs, random_actions(STEPS, 3))
    assert all(np.isfinite(step[1]).all() for step in steps[1:])
    if name == "RecordEpisodeStatistics":
        assert steps[TICKS][-1]["episode"]["l"].tolist() == [TICKS] * 3


def test_environments_can_be_pickled_before_they_are_played() -> None:
    env = pickle.loads(pickle.dumps(make()))  # noqa: S301 - our own
    same(list(play(env, random_actions(TICKS))), list(play(make(), random_actions(TICKS))))
