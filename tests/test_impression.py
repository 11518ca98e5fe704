"""`adsim/Impression-v0`: Gymnasium's rules, the market's and the replay's numbers, and what may not be seen."""

import warnings
from functools import cache
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from data_path import shared_data
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

import adsim
import adsim.envs
from adsim import registry
from adsim.envs.impression import ImpressionEnv, ImpressionVectorEnv
from adsim.envs.score import score
from adsim.errors import AdsimError, EnvError, LogError, UnknownName
from adsim.experiments.replay.record import record
from adsim.experiments.replay.replay import replay
from adsim.logs import open_log
from adsim.market.scenario import Scenario
from adsim.predictors.distortion import Distortion, ErrorModel

COUNT = 150
"""Opportunities of a short period: more than twice what is drawn ahead."""


def short(name: str = "display_rtb", opportunities: int = COUNT, **changes: Any) -> Scenario:
    """A scenario's first opportunities, an agent's tick each, its budget to match."""
    fitting = {"market.opportunities": opportunities, "market.ticks": opportunities, "traffic.curve": "flat"}
    if name == "display_rtb":
        fitting |= {"campaigns.0.budget": 800.0 * opportunities / 100_000, "traffic.ctr": 0.1}
    return adsim.load_scenario(name).replace({**fitting, **changes})


SCORED: dict[str, Any] = {
    "budget": {"campaigns.0.value": 0.5},
    "expected": {"market.outcomes": "expected", "campaigns.0.target_roi": 2.0},
    "first_price": {"auction.mechanism": "first_price"},
    "gsp, half seen": {"auction.mechanism": "gsp", "auction.exposure": [0.5], "auction.reserve": 0.05},
    "vcg, expected": {"auction.mechanism": "vcg", "auction.exposure": [0.5], "market.outcomes": "expected"},
    "per click": {"auction.charge": "click", "traffic.cvr": 0.5},
    "per conversion": {"auction.charge": "conversion", "traffic.cvr": 0.5, "traffic.basket": 0.5},
    "stock": {"campaigns.0.stock": 2.0, "campaigns.0.budget": 1e6},
    "stock_value": {"campaigns.0.stock_value": 30.0, "campaigns.0.budget": 1e6, "traffic.basket": 0.5},
    "utility": {"campaigns.0.objective": "utility", "campaigns.0.target_cpa": 0.2},
    "experience": {"traffic.experience": {"mean": 0.5}},
}


SPLIT = short(**{"auction.mechanism": "split", "traffic.experience": {"mean": 1.0}})


def scenarios() -> dict[str, Scenario]:
    made = {name: short(**changes) for name, changes in SCORED.items()}
    return {**made, "return_on_spend": short("return_on_spend")}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("logs") / "log.txt.gz"
    changes = {"market.opportunities": 2345, "traffic.ctr": 0.05}
    record(adsim.load_scenario("display_rtb").replace(changes), path, seed=1)
    return path


# Gymnasium's rules


def check(**settings: Any) -> None:
    """Gymnasium's checks and Stable-Baselines3's, a warning being an error; only the latter advise against [0, 1]."""
    from stable_baselines3.common.env_checker import check_env as check_for_baselines

    env = gymnasium.make("adsim/Impression-v0", **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)
        warnings.filterwarnings("ignore", "We recommend you to use a symmetric and normalized Box action space")
        check_for_baselines(env)


@pytest.mark.parametrize("name", ["display_rtb", "return_on_spend"])
def test_scenarios_pass_the_checks(name: str) -> None:
    check(scenario=name)


def test_a_log_passes_the_checks(log: Path) -> None:
    check(log=log)


def test_log_2997_passes_the_checks() -> None:
    check(log=shared_data("ipinyou-2997/test.theta.txt.gz"), info=shared_data("ipinyou-2997/info.json"))


@pytest.mark.parametrize("name", ["budget", "stock", "utility", "return_on_spend"])
def test_observations_are_in_their_space_and_named(name: str) -> None:
    env = ImpressionEnv(scenarios()[name])
    rng = np.random.default_rng(0)
    observation, _ = env.reset(seed=0)
    over = False
    while not over:
        assert env.observation_space.contains(observation)
        assert observation.shape == (len(env.feature_names),)
        observation, _, over, _, _ = env.step(rng.uniform(-1, 3, 1))
    assert env.observation_space.contains(observation)
    assert dict(zip(env.feature_names, observation, strict=True))["time_left"] == 0


def rollout(env: ImpressionEnv, seed: int, actions: np.ndarray) -> list[tuple[Any, ...]]:
    """Steps with resets where an episode ends, as NextStep has them."""
    observation, info = env.reset(seed=seed)
    found: list[tuple[Any, ...]] = [(observation, 0.0, False, info)]
    over = False
    for action in actions:
        if over:
            observation, info = env.reset()
            reward, over = 0.0, False
        else:
            observation, reward, over, _, info = env.step(action)
        found.append((observation, reward, over, info))
    return found


@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("source", ["budget", "per conversion", "log"])
def test_vectors_are_singles_bit_for_bit(size: int, source: str, log: Path) -> None:
    options: dict[str, Any] = {"log": log, "episode": 100} if source == "log" else {"scenario": scenarios()[source]}
    envs = ImpressionVectorEnv(size, **options)
    rng = np.random.default_rng(size)
    actions = rng.uniform(0, 0.5, (340, size, 1)).astype(np.float32)
    singles = [rollout(ImpressionEnv(**options), 5 + e, actions[:, e]) for e in sorted({0, size // 2, size - 1})]
    found = [(*envs.reset(seed=5), None)]
    for action in actions:
        observation, reward, over, _, info = envs.step(action)
        found.append((observation, info, (reward, over)))
    for e, single in zip(sorted({0, size // 2, size - 1}), singles, strict=True):
        for (observation, info, outcome), expected in zip(found, single, strict=True):
            np.testing.assert_array_equal(observation[e], expected[0])
            assert {name: info[name][e] for name in expected[3]} == expected[3]
            assert outcome is None or (outcome[0][e], outcome[1][e]) == expected[1:3]


def test_groups_of_lanes_agree() -> None:
    scenario = scenarios()["budget"]
    large, small = ImpressionVectorEnv(133, scenario), ImpressionVectorEnv(9, scenario)
    actions = np.random.default_rng(0).uniform(0, 0.8, (70, 133, 1))
    many, few = large.reset(seed=0)[0], small.reset(seed=124)[0]
    for action in actions:
        np.testing.assert_array_equal(many[124:], few)
        many, few = large.step(action)[0], small.step(action[124:])[0]


def test_autoreset_modes(log: Path) -> None:
    options: dict[str, Any] = {"log": log, "episode": 20}
    same, following, disabled = (
        ImpressionVectorEnv(3, autoreset_mode=mode, **options) for mode in ("SameStep", "NextStep", "Disabled")
    )
    action = np.full((3, 1), 0.2)
    for envs in (same, following, disabled):
        envs.reset(seed=1)
        for _ in range(19):
            assert not envs.step(action)[2].any()
    last = [envs.step(action) for envs in (same, following, disabled)]
    assert all(step[2].all() and not step[3].any() for step in last)
    assert last[0][4]["final_obs"].shape == (3,)
    np.testing.assert_array_equal(np.stack(last[0][4]["final_obs"]), last[1][0])
    np.testing.assert_array_equal(last[0][4]["final_info"]["score"], last[1][4]["score"])
    assert last[0][4]["score"].tolist() == [0, 0, 0]
    observation, reward, over, _, _ = following.step(action)
    np.testing.assert_array_equal(observation, last[0][0])
    assert not reward.any()
    assert not over.any()
    with pytest.raises(EnvError, match="step after the end"):
        disabled.step(action)
    np.testing.assert_array_equal(disabled.reset()[0], observation)


def test_seeds_alone_decide() -> None:
    scenario = scenarios()["budget"]
    env = ImpressionEnv(scenario)
    first, again, other = env.reset(seed=3)[0], env.reset(seed=3)[0], env.reset(seed=4)[0]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    env.reset(seed=3)
    followed = env.reset()[0]
    assert not np.array_equal(first, followed)
    env.reset(seed=3)
    np.testing.assert_array_equal(followed, env.reset()[0])
    several = ImpressionVectorEnv(2, scenario)
    np.testing.assert_array_equal(several.reset(seed=[4, 3])[0], [other, first])
    assert several.reset(seed=[4, None])[0].shape == (2, len(env.feature_names))


# The market's numbers


@pytest.mark.parametrize("name", scenarios())
@pytest.mark.parametrize("seed", [0, 1])
def test_numbers_are_those_of_the_market(name: str, seed: int) -> None:
    scenario = scenarios()[name]
    multipliers = np.random.default_rng(seed).uniform(0, 3, (COUNT, 1)).astype(np.float32)
    market = adsim.Market(scenario, seed).run(multipliers=multipliers.astype(float))
    env = ImpressionEnv(scenario, max_price=2.0**20)  # a power of 2, so that prices are scaled without rounding
    _, info = env.reset(seed=seed)
    total = 0.0
    for tick in range(COUNT):
        price = multipliers[tick] * np.float32(info["offered_value"])
        assert price.dtype == np.float32
        _, reward, over, _, info = env.step(price / np.float32(env.max_price))
        assert info["price"] == price
        total += reward
        ledger = [info[field] for field in adsim.types.Totals._fields]
        assert ledger == market.history[tick + 1, 0].tolist()
    assert over
    campaign = scenario.campaigns[0]
    constraints = adsim.Market(scenario, seed).campaigns.constraints
    expected = score(
        info["value"],
        info["spend"],
        info["value"] / unit if (unit := constraints.stock_unit[0]) else info["conversions"],
        constraints.target_roi[0],
        constraints.stock[0],
        campaign.objective == "value",
    )
    assert info["score"] == expected
    assert total == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert market.history[-1, 0, 0] > 0


def test_constraints_bind_in_the_scenarios_compared() -> None:
    for name in ("budget", "stock"):
        env = ImpressionEnv(scenarios()[name])
        env.reset(seed=0)
        for _ in range(COUNT):
            *_, info = env.step([1.0])
        assert info["wins"] < COUNT / 2
        assert 0 <= info["budget_left"] < 1e-3 or info["stock_left"] == 0


def test_ties_go_to_the_campaign() -> None:
    price = {"distribution": "constant", "value": 0.1}
    env = ImpressionEnv(scenarios()["return_on_spend"].replace({"competition.price": price}))
    env.reset(seed=0)
    assert env.max_price == np.float32(0.1)
    assert env.step(np.array([1.0]))[4]["wins"] == 1
    info = env.step(np.array([np.nextafter(np.float32(1), np.float32(0))]))[4]
    assert (info["price"], info["wins"]) == (np.nextafter(np.float32(0.1), np.float32(0)), 1)


def test_actions_are_prices_in_units_of_the_highest() -> None:
    env = ImpressionEnv(short(), max_price=0.3)
    assert env.reset(seed=0)[1]["price"] == 0
    assert env.max_price == np.float32(0.3)
    for price in (0.0, 0.01, 0.123, 0.3):
        assert env.step(np.array([price / env.max_price]))[4]["price"] == pytest.approx(price, rel=1e-7)
    assert env.step(np.array([7.0]))[4]["price"] == env.max_price
    assert env.step(np.array([-7.0]))[4]["price"] == 0
    assert env.reset()[1]["price"] == 0


@cache
def budgeted() -> ImpressionEnv:
    return ImpressionEnv(short(opportunities=40), max_price=5.0)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**62), st.lists(st.floats(-0.2, 1.2), min_size=40, max_size=40))
def test_budgets_are_never_overspent(seed: int, actions: list[float]) -> None:
    env = budgeted()
    _, info = env.reset(seed=seed)
    budget, total = info["budget_left"], 0.0
    for action in actions:
        *_, info = step = env.step(np.array([action]))
        total += step[1]
        assert info["spend"] <= budget
        assert info["budget_left"] == pytest.approx(budget - info["spend"], abs=1e-9)
        assert info["budget_left"] >= 0
    assert info["clipped_actions"] == sum(not 0 <= action <= 1 for action in actions)
    assert total == pytest.approx(info["score"], abs=1e-9)


def test_plain_twin() -> None:
    scenario = short(opportunities=100)
    truth = adsim.Market(scenario.replace({"market.outcomes": "sampled"}), 2).hindsight()
    won_by_all = {"campaigns.0.agent": "fixed:multiplier=1e6", "campaigns.0.budget": 1e12}
    events = adsim.Market(scenario.replace(won_by_all), 2).run(events=True).events
    clicked = dict(zip(events["opportunity"], events["clicks"], strict=True))
    budget = 800.0 * 100 / 100_000
    env = ImpressionEnv(scenario)
    observation, _ = env.reset(seed=2)
    left, wins, spend = budget, 0, 0.0
    for t in range(100):
        seen = dict(zip(env.feature_names, observation.astype(float), strict=True))
        value = truth.predicted_value[t]
        offered = truth.predicted_value[: t + 1].mean()
        expected = {
            "time_left": 1 - t / 100,
            "budget_left": left / budget,
            "budget_pace": np.log(max(left / budget, 1e-9) / (1 - t / 100)).clip(-4, 4),
            "stock_left": 1,
            "roi": 0,
            "win_rate": wins / max(t, 1),
            "price_paid": spend / max(wins, 1) / env.max_price,
            "pctr": np.log10(value / 14),
            "value": np.log(value / env.max_price),
            "value_relative": np.log(value / offered),
        }
        assert {name: seen[name] for name in expected} == pytest.approx(expected, abs=2e-5)
        observation, reward, *_, info = env.step(np.array([0.3 * value / env.max_price]))
        assert info["price"] == pytest.approx(min(0.3 * value, env.max_price))
        if min(info["price"], left * (1 - 1e-6)) >= truth.price[t] and left >= 1e-6 * budget:
            left, wins, spend = left - truth.price[t], wins + 1, spend + truth.price[t]
            assert reward == 14 * clicked[t]
        else:
            assert reward == 0


class Misled(Distortion):
    """Predicts half the conversion rate."""

    def errors(self, normals):
        return ErrorModel(np.ones(normals.shape[1]), np.full(normals.shape[1], 0.5), 0.0, 0.0)


def test_truth_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: Misled if name == "misled" else load(kind, name))
    fair = short(**{"traffic.cvr": 0.25, "predictor": {"kind": "oracle"}})
    misled = short(**{"traffic.cvr": 0.5, "predictor": {"kind": "misled"}})
    envs = [ImpressionEnv(scenario) for scenario in (fair, misled)]
    seen = [[env.reset(seed=s)[0] for s in range(20)] for env in envs]
    np.testing.assert_array_equal(*seen)
    assert envs[0].action_space == envs[1].action_space
    for env in envs:
        env.reset(seed=0)
    won = [0.0, 0.0]
    for _ in range(COUNT):
        steps = [env.step(np.array([0.0])) for env in envs]
        np.testing.assert_array_equal(steps[0][0], steps[1][0])
        hidden = [{**step[4]} for step in steps]
        assert hidden[0] == hidden[1]
    for k, env in enumerate(envs):
        for _ in range(20):
            env.reset()
            for _ in range(COUNT):
                won[k] += env.step(np.array([0.05 / env.max_price]))[1]
    assert won[1] > won[0] > 0


# The replay's numbers


def played(env: ImpressionEnv, episode: int, b0: float, average: float) -> list[int]:
    """Impressions, clicks and cost of linear bids."""
    _, info = env.reset(options={"episode": episode})
    assert info["episode"] == episode
    over, total = False, 0.0
    while not over:
        bid = int(info["offered_pctr"] * b0 / average)
        _, reward, over, _, info = env.step(np.array([bid / env.max_price], np.float32))
        assert info["price"] == min(bid, env.max_price)
        total += reward
    assert total == info["clicks"] == info["score"]
    return [int(info[name]) for name in ("wins", "clicks", "spend")]


@pytest.mark.parametrize("max_bid", [1, 7, 300, 1023, 2**20 + 1])
def test_whole_bids_survive_single_precision(log: Path, max_bid: int) -> None:
    bids = np.unique(np.linspace(0, max_bid, 2000).astype(int))
    envs = ImpressionVectorEnv(len(bids), log=log, max_bid=max_bid)
    envs.reset(seed=0)
    for actions in (bids / max_bid, (bids / max_bid).astype(np.float32)):
        assert envs.step(actions[:, None])[4]["price"].tolist() == bids.tolist()
    below = bids - 1e-3 * (bids > 0) if max_bid < 2000 else bids
    assert envs.step((below / max_bid).astype(np.float32)[:, None])[4]["price"].tolist() == np.floor(below).tolist()


@pytest.mark.parametrize("c0", [1 / 8, 1 / 2])
def test_log_numbers_are_those_of_the_replay(log: Path, c0: float) -> None:
    table = replay(log, ["linear:b0=60"], c0=[c0], episode=400).episodes
    env = ImpressionEnv(log=log, c0=c0, episode=400)
    assert env.episodes == len(table) == 6
    average = env.engine.tape.history.average_value
    found = [played(env, k, 60, average) for k in range(6)]
    assert found == table[["impressions", "clicks", "cost"]].to_numpy().tolist()


def test_log_2997_has_the_published_digits() -> None:
    path, info = shared_data("ipinyou-2997/test.theta.txt.gz"), shared_data("ipinyou-2997/info.json")
    env = ImpressionEnv(log=path, info=info)
    average = env.engine.tape.history.average_value
    table = replay(path, ["linear:b0=10"], info=info).episodes
    rows = table[["impressions", "clicks", "cost"]].to_numpy().tolist()
    assert np.sum(rows, axis=0).tolist() == [32208, 71, 203610]
    for k in (0, 1, 80, 156):
        assert played(env, k, 10, average) == rows[k]
    envs = ImpressionVectorEnv(156, log=path, info=info, autoreset_mode="Disabled")
    _, found = envs.reset(seed=0, options={"episode": np.arange(156)})
    for _ in range(1000):
        *_, over, _, found = envs.step(found["offered_pctr"][:, None] * 10 / average / envs.max_price)
    assert over.all()
    whole = np.stack([found[name] for name in ("wins", "clicks", "spend")], axis=1)
    assert whole.tolist() == rows[:156]


def test_seeds_choose_whole_episodes(log: Path) -> None:
    envs = ImpressionVectorEnv(400, log=open_log(log).read(), episode=500)
    _, info = envs.reset(seed=0)
    assert sorted(set(info["episode"])) == [0, 1, 2, 3]
    assert np.bincount(info["episode"]).min() > 60
    single = ImpressionEnv(log=log, episode=500)
    assert single.reset(seed=7)[1]["episode"] == info["episode"][7]
    only = ImpressionEnv(log=log, episode=10_000)
    assert only.reset(seed=0)[1]["episode"] == 0
    assert only.episodes == 1


# Mistakes


def test_steps_at_the_wrong_time() -> None:
    for env, action in ((budgeted(), [0.1]), (ImpressionVectorEnv(2, short()), [[0.1]] * 2)):
        env.engine.time = -1
        with pytest.raises(EnvError, match="step before reset"):
            env.step(np.array(action))
    env = budgeted()
    env.reset(seed=0)
    for _ in range(40):
        env.step(np.array([0.1]))
    with pytest.raises(EnvError, match="step after the end: the episode's 40 opportunities"):
        env.step(np.array([0.1]))


def test_actions_that_are_no_prices() -> None:
    env, envs = budgeted(), ImpressionVectorEnv(2, short())
    env.reset(seed=0)
    envs.reset(seed=0)
    for action, message in (
        (np.array([np.nan]), "action is NaN"),
        (np.array([0.1, 0.2]), r"shape \(2,\): must have shape \(1,\)"),
        (0.1, r"shape \(\)"),
        (["dear"], "must be numbers from 0 to 1"),
    ):
        with pytest.raises(EnvError, match=message):
            env.step(action)
    with pytest.raises(EnvError, match="NaN"):
        envs.step(np.array([[0.1], [np.nan]]))
    with pytest.raises(EnvError, match=r"shape \(2,\): must have shape \(2, 1\)"):
        envs.step(np.array([0.1, 0.1]))
    assert env.step(np.array([np.inf]))[4]["clipped_actions"] == 1
    assert env.step(np.array([-np.inf]))[4]["clipped_actions"] == 2
    assert envs.step(np.array([[-1.0], [0.1]]))[4]["clipped_actions"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"scenario": "quickstart"}, EnvError, "Use adsim/Bidding-v0, or give the scenario one campaign"),
        ({"scenario": "target_cpa"}, EnvError, "one slot and [competition]"),
        ({"scenario": short(**{"campaigns.0.quality": 2.0})}, EnvError, "without quality and beta"),
        ({"scenario": short(**{"auction.mechanism": "lpa", "campaigns.0.target_roi": 2})}, EnvError, "highest bid"),
        ({"scenario": SPLIT}, EnvError, "or first_price without quality"),
        ({"max_prise": 1.0}, UnknownName, "Did you mean 'max_price'"),
        ({"max_price": 0.0}, EnvError, "max_price = 0.0"),
        ({"max_price": float("nan")}, EnvError, "max_price = nan"),
        ({"max_price": float("inf")}, EnvError, "max_price = inf"),
        ({"scenario": "display_rbt"}, AdsimError, "Did you mean 'display_rtb'"),
        ({"c0": 0.5}, EnvError, "c0: for the replay of a log"),
        ({"log": "absent", "scenario": "display_rtb"}, EnvError, "give log or scenario"),
        ({"log": "absent"}, LogError, "absent"),
        ({"log": "absent", "episode": 0}, AdsimError, "episode = 0"),
        ({"log": "absent", "max_bid": 0.5}, AdsimError, "max_bid = 0.5"),
        ({"log": "absent", "info": "a", "train": "b"}, AdsimError, "one of them"),
        ({"render_mode": "human"}, EnvError, "render_mode"),
    ],
)
def test_impossible_settings(settings: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error) as caught:
        ImpressionEnv(**settings)
    assert message in str(caught.value)


def test_impossible_settings_of_a_log(log: Path) -> None:
    for rules, message in (
        ({"c0": 0}, "must be a positive"),
        ({"c0": 1e-9}, "Raise c0"),
        ({"c0": 1e300}, "Lower c0"),
    ):
        with pytest.raises(AdsimError, match=message):
            ImpressionEnv(log=log, **rules)
    with pytest.raises(EnvError, match="num_envs = 0"):
        ImpressionVectorEnv(0, log=log)
    env, envs = ImpressionEnv(log=log), ImpressionVectorEnv(2, log=log)
    for episode in (3, -1, 0.5, [0, 1]):
        with pytest.raises(EnvError, match="the log has 3, numbered from 0"):
            env.reset(options={"episode": episode})
    with pytest.raises(EnvError, match="known is 'episode'"):
        env.reset(options={"episodes": 1})
    with pytest.raises(EnvError, match="shorter than the others"):
        envs.reset(options={"episode": [0, 2]})
    with pytest.raises(EnvError, match="reset_mask"):
        envs.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(EnvError, match="3 seeds for 2"):
        envs.reset(seed=[1, 2, 3])
    with pytest.raises(EnvError, match="step before reset"):
        env.step(np.array([1.0]))
    with pytest.raises(EnvError, match="seed alone"):
        budgeted().reset(options={"episode": 1})
