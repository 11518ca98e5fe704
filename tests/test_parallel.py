"""PettingZoo's view: the market with all campaigns controlled, Bidding-v0 with one, and who leaves stays away."""

import warnings
from typing import Any

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test
from small_envs import NAMES, TICKS, make, play, random_actions, small

from adsim.envs import parallel_env
from adsim.envs.features import FEATURES
from adsim.envs.parallel import BiddingParallelEnv
from adsim.envs.score import score, violation
from adsim.errors import EnvError, ScenarioError
from adsim.market.market import Market
from adsim.market.scenario import Scenario
from adsim.types import Totals

SHORT = small("quickstart", campaigns__0__stock=2.5, campaigns__0__budget=1e4)
"""Stocks are sold long before the end."""


def play_all(env: BiddingParallelEnv, actions: Any, seed: int | None = 0) -> list[Any]:
    """All that an environment answers, the reset first; ``actions`` (ticks, agents, 1)."""
    answers: list[Any] = [env.reset(seed=seed)]
    for row in actions:
        if env.agents:
            given = dict(zip(env.possible_agents, row, strict=True))
            answers.append(env.step({agent: given[agent] for agent in env.agents}))
    return answers


def of(agent: str, answers: list[Any], part: int) -> list[Any]:
    """One part of what an agent was told, step by step."""
    return [answer[part][agent] for answer in answers if agent in answer[part]]


@pytest.mark.parametrize("scenario", [*map(small, NAMES), SHORT], ids=[*NAMES, "short"])
def test_pettingzoo_has_nothing_to_complain_of(scenario: Scenario) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(parallel_env(scenario), num_cycles=20)
        parallel_seed_test(lambda: parallel_env(scenario), num_cycles=20)


@pytest.mark.parametrize("campaign", [0, 2])
@pytest.mark.parametrize("scenario", [small(), SHORT], ids=["quickstart", "short"])
def test_one_agent_is_bidding_v0(campaign: int, scenario: Scenario) -> None:
    actions = random_actions(TICKS)
    env = parallel_env(scenario, [campaign])
    (agent,) = env.possible_agents
    answers = play_all(env, actions[:, None], seed=4)
    played = play(make(scenario, campaign=campaign), actions, seed=4)
    steps = len(answers)
    np.testing.assert_array_equal(of(agent, answers, 0), played.observations[:steps])
    np.testing.assert_array_equal(of(agent, answers[1:], 1), played.rewards[: steps - 1])
    assert of(agent, answers, -1) == played.infos[:steps]
    assert (played.rewards[steps - 1 :] == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_with_all_campaigns_controlled_it_is_the_market_given_their_multipliers(name: str) -> None:
    scenario = small(name)
    env, bids = parallel_env(scenario), []
    env.reset(seed=6)
    ledgers = np.zeros((TICKS + 1, scenario.size, len(Totals._fields)))
    for tick, row in enumerate(random_actions(TICKS, scenario.size)):
        given = dict(zip(env.possible_agents, row, strict=True))
        infos = env.step({agent: given[agent] for agent in env.agents})[-1]
        bids.append(env.engine.markets.fleet.multiplier[0].copy())
        ledgers[tick + 1] = ledgers[tick]
        for n, agent in enumerate(env.possible_agents):
            if agent in infos:
                ledgers[tick + 1, n] = [infos[agent][field] for field in Totals._fields]
    result = Market(scenario, 6).run(multipliers=np.array(bids))
    np.testing.assert_array_equal(ledgers, result.history)


def test_some_agents_see_what_they_see_among_all() -> None:
    scenario = small(campaigns__0__agent="fixed:multiplier=0.3")
    reference = 1 / Market(scenario, 1).campaigns.constraints.target_roi
    action = np.zeros((TICKS, scenario.size, 1))
    action[0, :, 0] = np.log10(0.3 / reference)
    everybody = play_all(parallel_env(scenario), action, seed=1)
    some = play_all(parallel_env(scenario, ["shop-4", 1]), action[:, [3, 1]], seed=1)
    assert some[0][0].keys() == {"shop-4", "shop-2"}
    for agent in ("shop-4", "shop-2"):
        np.testing.assert_allclose(of(agent, some, 0), of(agent, everybody, 0), atol=1e-4)


def test_agents_leave_with_their_score_and_the_others_play_on() -> None:
    env = parallel_env(SHORT)
    steps = play_all(env, np.zeros((TICKS, 4, 1)), seed=2)[1:]
    own = Market(SHORT, 2).campaigns.constraints
    ends = [len(of(agent, steps, 1)) for agent in env.possible_agents]
    assert min(ends) < max(ends) < TICKS
    for n, agent in enumerate(env.possible_agents):
        assert of(agent, steps, 2) == [False] * (ends[n] - 1) + [True]
        assert not any(of(agent, steps, 3))
        info = of(agent, steps, 4)[-1]
        ledger = info["value"], info["spend"], info["conversions"], own.target_roi[n], own.stock[n]
        assert sum(of(agent, steps, 1)) == pytest.approx(score(*ledger, own.maximizes_value[n]))
        assert sum(told["cost"] for told in of(agent, steps, 4)) == violation(*ledger)
    assert env.agents == []


def test_actions_of_who_has_left_are_ignored() -> None:
    first, second = parallel_env(SHORT), parallel_env(SHORT)
    first.reset(seed=2)
    second.reset(seed=2)
    while first.agents:
        told = first.step({agent: [0.0] for agent in first.agents})
        heard = second.step({agent: [0.0 if agent in second.agents else 1.0] for agent in second.possible_agents})
        assert told[1:] == heard[1:]
        assert first.agents == second.agents


def test_the_last_tick_ends_it_for_all() -> None:
    scenario = small(campaigns__0__budget=1e6)
    env = parallel_env(scenario)
    answers = play_all(env, random_actions(TICKS, 4))
    assert [any(answer[2].values()) for answer in answers[1:]] == [False] * (TICKS - 1) + [True]
    assert all(answers[-1][2].values())
    assert env.agents == []
    with pytest.raises(EnvError, match=r"after the end: all agents have left.*reset\(\)"):
        env.step({})
    env.reset()
    assert env.agents == env.possible_agents


def test_info_is_each_agents_own_ledger() -> None:
    env = parallel_env(small())
    answers = play_all(env, random_actions(TICKS, 4))
    budgets = Market(small(), 0).campaigns.constraints.budget
    for n, agent in enumerate(env.possible_agents):
        infos = of(agent, answers, -1)
        assert all(info.keys() == infos[0].keys() for info in infos)
        assert infos[0]["budget_left"] == budgets[n]
        assert all(isinstance(value, int | float) for info in infos for value in info.values())


def test_the_same_seed_gives_the_same_episodes_and_later_ones_differ() -> None:
    actions = random_actions(TICKS, 4)
    env = parallel_env(small())
    first, second = play_all(env, actions, seed=8), play_all(env, actions, seed=None)
    again = parallel_env(small())
    for answers, seed in ((first, 8), (second, None)):
        found = play_all(again, actions, seed=seed)
        for agent in env.possible_agents:
            np.testing.assert_array_equal(of(agent, found, 0), of(agent, answers, 0))
            assert of(agent, found, -1) == of(agent, answers, -1)
    assert first[0][1] != second[0][1]
    one, other = (parallel_env(small()).reset()[1] for _ in range(2))
    assert one != other


def test_spaces_are_those_of_bidding_v0_and_the_same_object_each_time() -> None:
    env, single = parallel_env(small()), make()
    for agent in env.possible_agents:
        assert env.observation_space(agent) is env.observation_space(agent) == single.observation_space
        assert env.action_space(agent) is env.action_space(agent) == single.action_space
    assert len({id(env.action_space(agent)) for agent in env.possible_agents}) == 4
    observations, _ = env.reset(seed=0)
    assert all(seen.shape == (len(FEATURES),) for seen in observations.values())
    assert list(env.feature_names) == [feature.name for feature in FEATURES]


def test_agents_are_called_as_their_campaigns() -> None:
    assert parallel_env(small()).possible_agents == ["shop-1", "shop-2", "shop-3", "shop-4"]
    assert parallel_env(small(), "shop-2").possible_agents == ["shop-2"]
    assert parallel_env(small(), 1).possible_agents == ["shop-2"]


def test_agents_have_names_of_their_own() -> None:
    table = {"value": 6.0, "target_roi": 2.0}
    twins = [table | {"name": "shop", "count": 2}, table | {"name": "shop-1"}]
    with pytest.raises(EnvError, match="two campaigns have one name"):
        parallel_env(small().replace({"campaigns": twins}))


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (0.5, r"shape \(\) must have shape \(1,\)"),
        ([0.5, 0.5], r"shape \(2,\) must have shape \(1,\)"),
        ([np.nan], "NaN"),
        (["up"], "must be an array of one number"),
        (None, r"shape \(\) must have shape|one number"),
    ],
)
def test_an_impossible_action_names_the_agent(action: Any, words: str) -> None:
    env = parallel_env(small())
    env.reset(seed=0)
    good = {agent: [0.0] for agent in env.agents}
    with pytest.raises(EnvError, match=f"agent 'shop-3': .*({words})"):
        env.step(good | {"shop-3": action})
    assert env.engine.markets.tick == 0


def test_missing_and_unknown_agents_are_named() -> None:
    env = parallel_env(small())
    env.reset(seed=0)
    good = {agent: [0.0] for agent in env.agents}
    with pytest.raises(EnvError, match=r"agent 'shop-4': .*one for each of env\.agents"):
        env.step({agent: good[agent] for agent in env.agents[:3]})
    with pytest.raises(EnvError, match=r"agent 'shop-5': unknown.*shop-1"):
        env.step(good | {"shop-5": [0.0]})


def test_actions_beyond_the_box_are_clipped_and_counted() -> None:
    env = parallel_env(small())
    env.reset(seed=0)
    actions = {"shop-1": [np.inf], "shop-2": [-2.0], "shop-3": [0.0], "shop-4": [1.0]}
    infos = env.step(actions)[-1]
    assert [info["clipped_actions"] for info in infos.values()] == [1, 1, 0, 0]


def test_step_before_reset_says_so() -> None:
    with pytest.raises(EnvError, match=r"before reset.*reset\(\)"):
        parallel_env(small()).step({})


def test_what_it_cannot_do_is_said_when_it_is_made() -> None:
    with pytest.raises(EnvError, match=r"campaign 'shop-9'.*shop-1"):
        parallel_env(small(), ["shop-9"])
    with pytest.raises(EnvError, match="span"):
        parallel_env(small(), span=1)


@pytest.mark.parametrize("seed", [-1, 1.5, 2**63])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(ScenarioError, match="seed"):
        parallel_env(small()).reset(seed=seed)
