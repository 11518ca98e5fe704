"""Collections: what environments would have recorded, whatever the threads; files that come back bit for bit."""

import hashlib
import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_envs import TICKS, make, play, small
from typer.testing import CliRunner

from adsim import registry
from adsim.agents.base import Agent
from adsim.cli.app import app
from adsim.envs.engine import Engine
from adsim.envs.features import FEATURES, NAMES
from adsim.errors import AdsimError, AgentError, OutputError
from adsim.experiments.offline import storage
from adsim.experiments.offline.collect import AGENTS, MEMORY, Collection, collect, deal, wander
from adsim.experiments.offline.collect_figures import collection
from adsim.experiments.offline.minari_dataset import write_dataset
from adsim.experiments.offline.storage import CARD, DATA, load_trajectories, read_card, save_trajectories
from adsim.experiments.offline.trajectories import Trajectories, to_go
from adsim.market.market import Market
from adsim.market.scenario import Scenario
from adsim.types import Floats, Observation

SCENARIO = small("target_cpa")
COUNT = SCENARIO.size
AS_THEY_ARE: Any = {"explore": 0.0, "budgets": (1.0, 1.0)}


def same(first: Trajectories, second: Trajectories) -> None:
    """Bit for bit, and of the same types."""
    for name, one, other in zip(Trajectories._fields, first, second, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=name)
        assert one.dtype.kind == other.dtype.kind == "U" or one.dtype == other.dtype, name


@pytest.fixture(scope="module")
def found() -> Collection:
    return collect(SCENARIO, periods=4, explore=1.0, seed=7)


@pytest.fixture(scope="module")
def saved(found: Collection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    save_trajectories(folder, found.trajectories, SCENARIO, origin=found.origin, minari=True)
    return folder


@pytest.fixture
def copy(found: Collection, tmp_path: Path) -> Path:
    """A folder, to be spoilt."""
    save_trajectories(tmp_path / "copy", found.trajectories, SCENARIO)
    return tmp_path / "copy"


# what is recorded


def test_the_return_is_the_score() -> None:
    for name in ("target_cpa", "quickstart", "display_rtb"):
        done = collect(small(name), periods=3).trajectories
        value, spend = done.value.sum(axis=1), done.spend.sum(axis=1)
        roi = np.divide(value, spend, out=np.full(len(value), np.inf), where=spend > 0)
        kept = np.minimum(np.divide(roi, done.target_roi, out=np.ones(len(value)), where=done.target_roi > 0) ** 2, 1)
        kept[done.target_roi == 0] = 1
        np.testing.assert_allclose(done.reward.sum(axis=1), value * kept, rtol=1e-9, atol=1e-9)
        assert (spend <= done.budget * (1 + 1e-6)).all()


def test_the_environment_shows_and_pays_the_same_for_the_same_actions() -> None:
    done = collect(SCENARIO, periods=3, explore=1.0, budgets=(1.0, 1.0))
    assert done.clipped.any()
    each = (
        done.trajectories._replace(
            **{name: getattr(done.trajectories, name)[p * COUNT : (p + 1) * COUNT] for name in Trajectories._fields}
        )
        for p in range(3)
    )
    for period in each:
        engine = Engine(SCENARIO)
        engine.reset(period.seed[:1])
        np.testing.assert_array_equal(engine.seats.observation[0], period.observation[:, 0])
        for tick in range(TICKS):
            engine.step(period.action[None, :, tick])
            np.testing.assert_array_equal(engine.seats.observation[0], period.observation[:, tick + 1])
            np.testing.assert_array_equal(engine.seats.reward[0], period.reward[:, tick])
        np.testing.assert_allclose(engine.totals().value[0], period.value.sum(axis=1))


def test_a_lone_bidder_is_replayed_by_gymnasium_bit_for_bit() -> None:
    scenario = small("display_rtb")
    done = collect(scenario, ["pid"], periods=2, budgets=(1.0, 1.0), seed=3).trajectories
    for e in range(2):
        played = play(make(scenario), done.action[e, :, None], int(done.seed[e]))
        np.testing.assert_array_equal(played.observations, done.observation[e])
        np.testing.assert_array_equal(played.rewards, done.reward[e])


def test_one_seat_among_target_cpa_bidders_is_replayed_by_gymnasium_bit_for_bit() -> None:
    scenario = small("target_cpa", campaigns__0__agent="ecpc")
    done = collect(scenario, ["ecpc"], periods=1, **AS_THEY_ARE).trajectories
    assert (done.action == 0).all()
    played = play(make(scenario, campaign=2), done.action[2, :, None], int(done.seed[2]))
    np.testing.assert_array_equal(played.observations, done.observation[2])
    np.testing.assert_array_equal(played.rewards, done.reward[2])


def test_agents_bid_as_in_any_market_but_for_the_rounding_of_actions() -> None:
    scenario = small("target_cpa", campaigns__0__agent="feedback:step=0.3")
    done = collect(scenario, ["feedback:step=0.3"], periods=1, **AS_THEY_ARE)
    market = Market(scenario, int(done.trajectories.seed[0]))
    levels = np.log10(market.run().multipliers * market.campaigns.constraints.target_roi).T
    np.testing.assert_allclose(done.trajectories.level, levels, atol=1e-5)
    assert not done.clipped.any()


def test_multipliers_are_played_within_the_span() -> None:
    low, high = (collect(SCENARIO, [f"fixed:multiplier={m}"], periods=1, **AS_THEY_ARE) for m in (1e-6, 1e6))
    for done, level in ((low, -1), (high, 1)):
        np.testing.assert_array_equal(done.trajectories.level, np.full((COUNT, TICKS), level, np.float32))
        assert (done.clipped == 1).all()
    assert low.trajectories.spend.sum() < high.trajectories.spend.sum()


def test_half_of_the_campaigns_explore_and_the_others_bid_as_they_are() -> None:
    done = collect(SCENARIO, ["ecpc"], periods=40, explore=0.3).trajectories
    wandering = (done.level != 0).any(axis=1)
    assert 0.4 < wandering.mean() < 0.6
    assert (done.level[wandering] != 0).all()
    assert np.log(10) * done.level[wandering].std() == pytest.approx(0.3, rel=0.15)


def test_wandering_is_a_stationary_autoregression() -> None:
    steps = wander(0.5, (40_000, 5), np.random.default_rng(0))
    steps = steps[steps[:, 0] != 0]
    np.testing.assert_allclose(steps.std(axis=0), 0.5, rtol=0.02)
    expected = MEMORY ** np.abs(np.subtract.outer(range(5), range(5)))
    np.testing.assert_allclose(np.corrcoef(steps.T), expected, atol=0.02)
    assert not wander(0.0, (9, 5), np.random.default_rng(0)).any()


def test_agents_are_dealt_equally_often_but_for_a_rest() -> None:
    dealt = [deal("abc", 10, np.random.default_rng(i)) for i in range(300)]
    counts = np.array([[hand.count(agent) for agent in "abc"] for hand in dealt])
    assert set(counts.ravel()) == {3, 4}
    assert (np.abs(counts.mean(axis=0) - 10 / 3) < 0.15).all()
    assert len({hand[0] for hand in dealt}) == 3


def test_budgets_are_scaled_within_their_range(found: Collection) -> None:
    done = found.trajectories
    drawn = [Market(SCENARIO, int(seed)).campaigns.constraints.budget for seed in done.seed[::COUNT]]
    factors = done.budget / np.concatenate(drawn)
    assert (factors >= 0.5).all()
    assert (factors <= 1.5).all()
    assert factors.std() > 0.2


def test_everyone_is_recorded_in_every_period(found: Collection) -> None:
    done = found.trajectories
    np.testing.assert_array_equal(done.campaign.reshape(4, COUNT), np.tile(range(COUNT), (4, 1)))
    assert len(np.unique(done.seed)) == 4
    assert (done.seed >= 2**40).all()
    assert set(done.agent) <= set(AGENTS) | {"feedback"}
    np.testing.assert_array_equal(found.table["trajectories"].sum(), 4 * COUNT)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_nothing(found: Collection, threads: int) -> None:
    again = collect(SCENARIO, periods=4, explore=1.0, seed=7, threads=threads)
    same(found.trajectories, again.trajectories)
    np.testing.assert_array_equal(found.clipped, again.clipped)


def test_a_period_does_not_depend_on_how_many_there_are(found: Collection) -> None:
    fewer = collect(SCENARIO, periods=2, explore=1.0, seed=7).trajectories
    same(Trajectories(*(column[: 2 * COUNT] for column in found.trajectories)), fewer)
    other = collect(SCENARIO, periods=2, explore=1.0, seed=8).trajectories
    assert not set(other.seed) & set(fewer.seed)


def test_to_go_are_sums_of_what_is_left(found: Collection) -> None:
    rewards = found.trajectories.reward
    expected = [[sum(row[tick:]) for tick in range(TICKS)] for row in rewards.tolist()]
    np.testing.assert_allclose(to_go(rewards), expected, rtol=1e-12, atol=1e-12)


# agents


class Steady(Agent):
    """Bids in Python, a number or none."""

    def __init__(self, bid: float = 0.1) -> None:
        self.bid = bid

    def act(self, observation: Observation) -> Floats:
        return np.full(len(observation.budget_left), self.bid)


def test_agents_in_python_are_recorded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.BUILT_IN["agents"], "steady", f"{__name__}:Steady")
    registry.known.cache_clear()
    try:
        done = collect(SCENARIO, ["steady"], periods=1, **AS_THEY_ARE).trajectories
        np.testing.assert_allclose(
            done.level, np.log10(0.1 * done.target_roi)[:, None].clip(-1) + 0 * done.level, 1e-5
        )
        with pytest.raises(AgentError, match="multiplier nan must be finite"):
            collect(SCENARIO, ["steady:bid=nan"], periods=1)
    finally:
        registry.known.cache_clear()


def test_the_default_agents_are_those_that_fit() -> None:
    assert collect(SCENARIO, periods=1).terms.agents == [*AGENTS]
    own = small("quickstart", campaigns__0__agent="feedback:step=0.3", campaigns__0__budget=None)
    assert collect(own, periods=1).terms.agents == [a for a in AGENTS if "pid" not in a] + ["feedback:step=0.3"]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"agents": ["pdi"]}, "Did you mean 'pid'"),
    "between auctions": ({"agents": ["coupled"]}, "decides between auctions"),
    "privileged": ({"agents": ["oracle"]}, "is shown the truth"),
    "unfit": ({"agents": ["linear:b0=1"]}, "average value is not known"),
    "nobody": ({"agents": []}, "no agents"),
    "periods": ({"periods": 0}, "periods = 0"),
    "threads": ({"threads": 0}, "threads = 0"),
    "seed": ({"seed": -1}, "seed = -1"),
    "budgets": ({"budgets": (1.5, 0.5)}, "the smaller one first"),
    "negative budgets": ({"budgets": (-1.0, 0.5)}, "above 0"),
    "explore": ({"explore": np.nan}, "explore = nan"),
    "span": ({"span": 1.0}, "span = 1.0"),
}


@pytest.mark.parametrize("what", BAD)
def test_impossible_collections_are_refused(what: str) -> None:
    given, complaint = BAD[what]
    with pytest.raises(AdsimError, match=complaint):
        collect(SCENARIO, **{"periods": 1, **given})


def test_stocks_are_refused() -> None:
    with pytest.raises(AdsimError, match="have stocks, which trajectories do not tell"):
        collect(small("quanzhantui"), periods=1)


# files


def test_parquet_comes_back_bit_for_bit(found: Collection, saved: Path) -> None:
    same(found.trajectories, load_trajectories(saved))
    card = read_card(saved)
    assert card.market == SCENARIO
    assert card.origin["agents"] == found.terms.agents
    assert [each.name for each in card.features] == list(NAMES)


def test_the_table_is_for_others_to_read(found: Collection, saved: Path) -> None:
    rows, done = pd.read_parquet(saved / DATA), found.trajectories
    first = rows[rows["trajectory"] == 3]
    assert first["tick"].tolist() == list(range(TICKS + 1))
    assert set(first["agent"]) == {done.agent[3]}
    np.testing.assert_array_equal(first["roi"], done.observation[3, :, NAMES.index("roi")])
    assert first["reward"].isna().tolist() == [False] * TICKS + [True]
    for name in ("reward", "value", "spend"):
        ahead = first[f"{'return' if name == 'reward' else name}_to_go"].to_numpy()
        np.testing.assert_allclose(ahead, first[name].fillna(0)[::-1].cumsum()[::-1], atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_whatever_can_be_recorded_comes_back(count: int, ticks: int, seed: int) -> None:

    rng = np.random.default_rng(seed)
    made = Trajectories(
        observation=rng.uniform(
            [f.low for f in FEATURES], [f.high for f in FEATURES], (count, ticks + 1, len(NAMES))
        ).astype(np.float32),
        action=rng.uniform(-1, 1, (count, ticks)).astype(np.float32),
        reward=rng.normal(size=(count, ticks)),
        value=rng.exponential(size=(count, ticks)),
        spend=rng.exponential(size=(count, ticks)),
        budget=rng.choice([np.inf, 3.0, 1e-3], count),
        target_roi=rng.choice([0.0, 0.1], count),
        value_per_conversion=rng.exponential(size=count),
        campaign=rng.integers(0, 48, count),
        seed=rng.integers(0, 2**63, count, dtype=np.uint64),
        agent=np.array(rng.choice(["pid", "some:other=1", "\N{GREEK SMALL LETTER ALPHA}"], count), np.str_),
    )
    with tempfile.TemporaryDirectory() as folder:
        save_trajectories(folder, made, SCENARIO, span=4.0)
        same(made, load_trajectories(folder))
        assert read_card(folder).span == 4.0


def rewritten(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """The table changed, and its SHA-256 in the card."""

    table = change(pd.read_parquet(folder / DATA))
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), folder / DATA)
    card = json.loads((folder / CARD).read_text())
    card["sha256"] = hashlib.sha256((folder / DATA).read_bytes()).hexdigest()
    (folder / CARD).write_text(json.dumps(card))


def with_value(column: str, value: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[2, column] = value
        return table

    return change


SPOILT: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "no column": (lambda table: table.drop(columns=["roi", "spend"]), "no column roi, spend"),
    "NaN": (with_value("roi", np.nan), "roi of trajectory 0, tick 2, is nan: not a number"),
    "NaN reward": (with_value("reward", np.nan), "reward of trajectory 0, tick 2, is nan"),
    "feature": (with_value("roi", 9.0), r"roi of trajectory 0, tick 2, is 9: must be within \[-2, 2\]"),
    "action": (with_value("action", 1.5), r"action of trajectory 0 is 1.5: must be within \[-1, 1\]"),
    "spend": (with_value("spend", -2.0), "spend of trajectory 0 is -2: must be 0 or more"),
    "budget": (lambda table: table.assign(budget=-5.0), "budget of trajectory 0 is -5: must be above 0"),
    "target": (lambda table: table.assign(target_roi=-1.0), "target_roi of trajectory 0 is -1"),
    "length": (lambda table: table.drop(index=9), r"trajectory 1 has 6 rows, and the others 7"),
    "more": (lambda table: pd.concat([table, table.assign(trajectory=99)]), "trajectory 20 has 0 rows"),
    "order": (lambda table: table[::-1], "not in the order of trajectory and tick"),
    "number": (lambda table: table.assign(roi="much"), "column roi holds (large_)?string: must hold numbers"),
    "constant": (with_value("budget", 3.0), "budget changes within trajectory 0"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_spoilt_tables_are_refused(copy: Path, what: str) -> None:
    change, complaint = SPOILT[what]
    rewritten(copy, change)
    with pytest.raises(AdsimError, match=complaint):
        load_trajectories(copy)


def test_truncated_files_are_refused(copy: Path) -> None:
    content = (copy / DATA).read_bytes()
    for size in (0, 3, len(content) // 2, len(content) - 1):
        (copy / DATA).write_bytes(content[:size])
        with pytest.raises(AdsimError, match="truncated, or no Parquet file"):
            load_trajectories(copy)


def test_changed_files_are_refused(copy: Path) -> None:
    pd.read_parquet(copy / DATA).to_parquet(copy / DATA, index=False)
    with pytest.raises(AdsimError, match="changed since it was written"):
        load_trajectories(copy)


CARDS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "unknown": (lambda card: card["features"][0].update(name="mood"), "unknown here: mood; missing there: time_left"),
    "range": (lambda card: card["features"][0].update(high=7.0), "of another range: time_left"),
    "order": (lambda card: card["features"].reverse(), "in another order"),
    "format": (lambda card: card.update(format="other"), "no 'adsim trajectories'"),
    "version": (lambda card: card.update(version=2), "version 2 of the format"),
    "key": (lambda card: card.update(mood=1), "mood: Extra inputs"),
}


@pytest.mark.parametrize("what", CARDS)
def test_other_cards_are_refused(copy: Path, what: str) -> None:
    change, complaint = CARDS[what]
    card = json.loads((copy / CARD).read_text())
    change(card)
    (copy / CARD).write_text(json.dumps(card))
    with pytest.raises(AdsimError, match=complaint):
        load_trajectories(copy)


def test_missing_files_are_named(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(AdsimError, match=r"no such file\. Name a folder that adsim collect wrote"):
        load_trajectories(tmp_path / "nowhere")
    (copy / CARD).write_text("no JSON")
    with pytest.raises(AdsimError, match="not JSON"):
        load_trajectories(copy)
    (copy / CARD).unlink()
    with pytest.raises(AdsimError, match="belong together"):
        load_trajectories(copy)


def test_impossible_trajectories_are_not_written(found: Collection, tmp_path: Path) -> None:
    done = found.trajectories
    for change, complaint in (
        ({"budget": -done.budget}, "budget of trajectory 0"),
        ({"spend": done.spend[:, 1:]}, "spend of shape"),
        ({"reward": np.full_like(done.reward, np.inf)}, "not a number"),
        ({"action": done.action[:0]}, "one of each at least"),
    ):
        with pytest.raises(AdsimError, match=complaint):
            save_trajectories(tmp_path / "new", done._replace(**change), SCENARIO)
    assert not (tmp_path / "new").exists()


def test_nothing_is_half_written(found: Collection, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "write_dataset", fail)
    before = {file: file.read_bytes() for file in copy.iterdir()}
    for folder in (copy, copy.parent / "new" / "deep"):
        with pytest.raises(OutputError, match="No space left"):
            save_trajectories(folder, found.trajectories, SCENARIO, minari=True)
    assert {file: file.read_bytes() for file in copy.iterdir()} == before
    assert not (copy.parent / "new").exists()


# Minari


@pytest.fixture
def dataset(saved: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    minari = pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(saved / "minari"))
    return minari.load_dataset("bidding-v0")


def test_minari_gives_back_every_bit(found: Collection, dataset: Any) -> None:
    done = found.trajectories
    assert dataset.total_episodes == len(done.seed)
    for e, episode in enumerate(dataset.iterate_episodes()):
        np.testing.assert_array_equal(episode.observations, done.observation[e])
        np.testing.assert_array_equal(episode.actions[:, 0], done.action[e])
        np.testing.assert_array_equal(episode.rewards, done.reward[e])
        assert episode.observations.dtype == episode.actions.dtype == np.float32
        spent = np.concatenate([[0], done.spend[e].cumsum()])
        np.testing.assert_array_equal(episode.infos["spend"], spent)
        np.testing.assert_array_equal(episode.infos["budget_left"], done.budget[e] - spent)
        np.testing.assert_array_equal(episode.infos["return_to_go"], [*to_go(done.reward)[e], 0])
        np.testing.assert_array_equal(episode.infos["value_to_go"], [*to_go(done.value)[e], 0])
        np.testing.assert_array_equal(episode.infos["target_roi"], np.full(TICKS + 1, done.target_roi[e]))
        shortfall = 1 - done.value[e].sum() / done.spend[e].sum() / done.target_roi[e] if done.spend[e].any() else 0
        assert episode.infos["cost"].tolist()[:-1] == [0] * TICKS
        assert episode.infos["cost"][-1] == pytest.approx(max(0, shortfall))


def test_minari_finds_its_dataset_whole(dataset: Any) -> None:
    """What `check_data_integrity` of Minari's tests asks."""
    data = dataset.storage
    episodes = list(data.get_episodes(range(data.total_episodes)))
    assert len(episodes) == data.total_episodes == dataset.total_episodes
    assert sum(len(episode["rewards"]) for episode in episodes) == data.total_steps == dataset.total_steps
    for number, episode in enumerate(episodes):
        steps = len(episode["rewards"])
        assert episode["id"] == number
        assert all(observation in data.observation_space for observation in episode["observations"])
        assert all(action in data.action_space for action in episode["actions"])
        assert len(episode["observations"]) == steps + 1
        lengths = {len(episode[name]) for name in ("actions", "terminations", "truncations")}
        assert lengths == {steps}
        assert {len(info) for info in episode["infos"].values()} == {steps + 1}
        assert episode["terminations"].tolist() == [False] * (steps - 1) + [True]
        assert not episode["truncations"].any()


def test_the_market_is_made_again_from_the_dataset(found: Collection, dataset: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = dataset.recover_environment(campaign=2)
    (facts,) = dataset.storage.get_episode_metadata([2])
    assert (facts["campaign"], facts["agent"]) == (2, found.trajectories.agent[2])
    assert facts["seed"] == found.trajectories.seed[2]
    assert env.unwrapped.engine.scenario == SCENARIO
    assert env.observation_space == dataset.observation_space
    assert dataset.recover_environment(eval_env=True).action_space == dataset.action_space


def test_minari_samples_filters_and_combines(dataset: Any) -> None:
    dataset.set_seed(0)
    assert len(list(dataset.sample_episodes(3))) == 3
    rich = dataset.filter_episodes(lambda episode: bool(episode.infos["budget"][0] > 50))
    assert 0 < len(rich) < len(dataset)


def test_minari_keeps_its_folder_setting(found: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "mine"))
    write_dataset(tmp_path / "theirs", found.trajectories, SCENARIO)
    assert [place.name for place in (tmp_path / "theirs").iterdir()] == ["bidding-v0"]
    assert not (tmp_path / "mine").exists()


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, found: Collection, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "minari", None)
    with pytest.raises(AdsimError, match=r"pip install 'adsim\[offline\]'"):
        save_trajectories(tmp_path / "new", found.trajectories, SCENARIO, minari=True)
    assert not (tmp_path / "new").exists()
    save_trajectories(tmp_path / "new", found.trajectories, SCENARIO)


def test_reading_needs_no_minari() -> None:
    code = "import sys; import adsim.experiments.offline.storage; assert not {'minari', 'torch'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


# the command


def test_the_command_writes_all_and_says_what(tmp_path: Path) -> None:
    (tmp_path / "market.toml").write_text(as_toml())
    arguments = ["collect", str(tmp_path / "market.toml"), "--periods", "2", "--agents", "ecpc,pid:proportional=0.2"]
    arguments += ["--budgets", "0.8,1.2", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    summary = json.loads(result.output)
    assert set(summary["agents"]) == {"ecpc", "pid:proportional=0.2"}
    assert summary["trajectories"] == 10
    assert set(summary["agents"]["ecpc"]) == {
        "trajectories",
        "score",
        "value",
        "spend",
        "violation",
        "budget_use",
        "clipped",
    }
    names = {"collection.png", "collection.svg", "minari", "run.json", "table.csv", "table.parquet", CARD, DATA}
    assert {place.name for place in (tmp_path / "out").iterdir()} == names
    done = load_trajectories(tmp_path / "out")
    assert summary["agents"]["ecpc"]["score"] == pytest.approx(done.reward[done.agent == "ecpc"].sum(axis=1).mean())
    shown = CliRunner().invoke(app, [*arguments, "--no-minari"], catch_exceptions=False)
    assert "pid:proportional=0.2" in shown.output
    assert "Saved to" in shown.output


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [("--budgets", "1,2,3", "one factor, or the least and the largest"), ("--agents", "ros", "between auctions")],
)
def test_the_command_refuses(option: str, value: str, complaint: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["collect", "target_cpa", "--out", str(tmp_path / "out"), option, value])
    assert isinstance(result.exception, AdsimError | SystemExit)
    assert complaint in f"{result.exception} {result.output}"
    assert not (tmp_path / "out").exists()


def as_toml() -> str:
    lines = ["[market]", "opportunities = 300", "ticks = 6", "[[campaigns]]", "count = 5", "budget = 20.0"]
    return "\n".join([*lines, "target_cpa = { distribution = 'uniform', low = 0.5, high = 2.0 }"])


@pytest.mark.parametrize("scenario", [SCENARIO, small("display_rtb")], ids=["targets", "none"])
def test_the_figure_draws_every_agent(scenario: Scenario) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = collect(scenario, periods=6)
        figure = collection(done)
        figure.draw_without_rendering()
    titles = [axis.get_title("left").replace("\n", ":") for axis in figure.axes if axis.get_title("left")]
    assert titles == done.table["agent"].tolist()
