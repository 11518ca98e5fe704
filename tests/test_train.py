"""Training: models as files, checkpoints, resumption, the environments as Stable-Baselines3 sees them."""

import base64
import hashlib
import json
import pickle
import shutil
import subprocess
import sys
import zipfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pandas as pd
import pytest
import torch
from stable_baselines3 import PPO
from typer.testing import CliRunner

import adsim
from adsim.cli.app import app
from adsim.envs import engine
from adsim.envs.stable_baselines import SCALING, BiddingVecEnv, worth
from adsim.errors import AdsimError, EnvError, UnknownName
from adsim.experiments.training import cards
from adsim.experiments.training import figures as train_figures
from adsim.experiments.training.models import load_model, read_card, save_model
from adsim.experiments.training.settings import resolve
from adsim.experiments.training.train import Training, TrainingInterrupted, first_market, train
from adsim.market.markets import Markets
from adsim.types import Constraints

TINY = adsim.load_scenario("quickstart").replace({"market.opportunities": 2000, "market.ticks": 8})
SMALL: dict[str, Any] = {"envs": 8, "settings": {"net_arch": [8]}}
ROLLOUT = 64


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Training:
    folder = tmp_path_factory.mktemp("trained")
    return train(TINY, "ppo", folder=folder, steps=5 * ROLLOUT, checkpoint_every=ROLLOUT, **SMALL)


@pytest.fixture
def copy(trained: Training, tmp_path: Path) -> Path:
    """The trained folder, to be spoilt."""
    shutil.copytree(trained.folder, tmp_path / "copy")
    return tmp_path / "copy"


def parameters(model: Any) -> dict[str, np.ndarray]:
    return {name: tensor.numpy().copy() for name, tensor in model.policy.state_dict().items()}


def moments(model: Any) -> list[np.ndarray]:
    states = model.policy.optimizer.state_dict()["state"].values()
    return [state["exp_avg_sq"].numpy().copy() for state in states]


def equal(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> bool:
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_the_vec_env_is_the_vector_env() -> None:
    ours = BiddingVecEnv(3, TINY, 1, reward="plain")
    theirs = gymnasium.make_vec(
        "adsim/Bidding-v0",
        3,
        vectorization_mode="vector_entry_point",
        scenario=TINY,
        campaign=1,
        autoreset_mode="SameStep",
    )
    ours.seed(5)
    assert np.array_equal(ours.reset(), theirs.reset(seed=5)[0])
    rng = np.random.default_rng(0)
    for step in range(20):
        actions = rng.uniform(-1, 1, (3, 1)).astype(np.float32)
        observation, reward, done, infos = ours.step(actions)
        expected, expected_reward, ended, _, info = theirs.step(actions)
        assert np.array_equal(observation, expected)
        assert np.array_equal(done, ended)
        assert done.all() == (step % 8 == 7)
        np.testing.assert_allclose(reward, expected_reward, rtol=1e-6)
        for i in range(3 if done.all() else 0):
            assert np.array_equal(infos[i]["terminal_observation"], info["final_obs"][i])
            assert infos[i]["episode"]["r"] == info["final_info"]["score"][i]
            assert (infos[i]["episode"]["l"], infos[i]["TimeLimit.truncated"]) == (8, False)
    assert all(info == {} for info in infos)


def test_normalised_rewards_are_shares_of_what_a_budget_buys_on_average() -> None:
    envs = {reward: BiddingVecEnv(4, TINY, reward=reward) for reward in ("plain", "normalised")}
    rewards = {}
    for name, env in envs.items():
        env.seed(0)
        env.reset()
        rewards[name] = env.step(np.zeros((4, 1)))[1]
    limits = Markets(TINY, SCALING).campaigns.of(slice(0, 1))
    mean = (limits.budget * limits.target_roi).mean()
    assert rewards["plain"].any()
    np.testing.assert_allclose(rewards["normalised"] * mean, rewards["plain"], rtol=1e-5)


def test_peers_play_one_market_and_rewards_are_relative_to_their_mean() -> None:
    alone, peers = (BiddingVecEnv(6, TINY, reward="plain", peers=count) for count in (1, 3))
    actions = np.linspace(-1, 1, 6)[:, None]
    for env in (alone, peers):
        env.seed(0)
        env.reset()
    assert peers.engine.markets.seeds.tolist() == [0, 0, 0, 3, 3, 3]
    alone.engine.reset(peers.engine.markets.seeds)
    for _ in range(TINY.market.ticks):
        plain, relative = (env.step(actions)[1] for env in (alone, peers))
        if alone.engine.markets.tick:
            means = np.repeat(plain.reshape(2, 3).mean(axis=1), 3)
            np.testing.assert_allclose(relative, plain - means, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("peers", [0, 4, 2.0])
def test_peers_divide_the_environments(peers: Any) -> None:
    with pytest.raises(EnvError, match="peers = "):
        BiddingVecEnv(6, TINY, peers=peers)


def test_worth_without_budget_or_target() -> None:
    found = worth(
        Constraints(
            value_per_conversion=np.array([2.0, 2.0, 2.0]),
            maximizes_value=np.ones(3, np.bool_),
            budget=np.array([10.0, np.inf, np.inf]),
            target_roi=np.array([0.0, 3.0, 0.0]),
            stock=np.array([np.inf, np.inf, 4.0]),
            stock_unit=np.zeros(3),
        )
    )
    assert found.tolist() == [10, 2, 8]


def test_the_vec_env_refuses_what_it_has_not() -> None:
    with pytest.raises(EnvError, match="must be one of normalised, plain"):
        BiddingVecEnv(2, TINY, reward="raw")
    env = BiddingVecEnv(2, TINY)
    assert env.get_attr("render_mode") == [None, None]
    with pytest.raises(NotImplementedError):
        env.env_method("reset")


def test_training_begins_far_from_small_seeds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[np.ndarray] = []
    reset = engine.Engine.reset
    monkeypatch.setattr(engine.Engine, "reset", lambda self, seeds: (seen.append(seeds), reset(self, seeds))[1])
    train(TINY, "ppo", folder=tmp_path, steps=ROLLOUT, **SMALL)
    used = np.concatenate(seen)
    assert used.min() >= 2**32
    assert np.unique(seen[0]).size == 2, "of 8 environments, 4 each are peers"
    assert len({first_market(seed, done) for seed in range(4) for done in (0, 64)}) == 8


def test_a_training_leaves_a_model_checkpoints_and_a_curve(trained: Training) -> None:
    card = trained.card
    assert (card.steps, card.algorithm, card.campaign_name) == (5 * ROLLOUT, "ppo", "shop-1")
    assert (card.settings["n_steps"], card.settings["batch_size"], card.settings["gamma"]) == (8, 8, 1.0)
    assert card.market == TINY
    assert read_card(trained.folder / "model.zip") == card
    kept = sorted(file.name for file in (trained.folder / "checkpoints").iterdir())
    assert kept == [f"step-{steps}.{end}" for steps in (128, 192, 256) for end in ("json", "zip")]
    assert trained.curve["steps"].tolist() == [0, 320]
    assert (trained.curve["low"] < trained.curve["score"]).all()
    between = {"adaptive_pacing", "coupled", "mirror_descent", "online_lp", "rlb", "ros", "ss_mdp", "throttling"}
    ticked = {"ecpc", "feedback", "fixed", "forecast", "pid", "stock_dual", "truthful"}
    assert set(trained.scripted["bidder"]) == ticked | between
    pd.testing.assert_frame_equal(pd.read_parquet(trained.folder / "learning.parquet"), trained.curve)
    facts = json.loads((trained.folder / "run.json").read_text())
    assert (facts["steps"], facts["scenario"]["market"]["ticks"]) == (320, 8)
    figures = {"learning.png", "learning.svg"}
    assert figures <= {file.name for file in trained.folder.iterdir()}


def test_a_seed_gives_the_same_model(trained: Training, tmp_path: Path) -> None:
    again = train(TINY, "ppo", folder=tmp_path / "a", steps=5 * ROLLOUT, threads=2, **SMALL)
    other = train(TINY, "ppo", folder=tmp_path / "b", steps=ROLLOUT, seed=1, **SMALL)
    assert equal(parameters(again.model), parameters(trained.model))
    assert not equal(parameters(other.model), parameters(trained.model))


def test_loading_gives_the_same_bits(trained: Training) -> None:
    found = load_model(trained.folder)
    assert equal(parameters(found.model), parameters(trained.model))
    assert all(np.array_equal(*pair) for pair in zip(moments(found.model), moments(trained.model), strict=True))
    observations = np.random.default_rng(0).uniform(0, 1, (5, len(found.card.features))).astype(np.float32)
    ours, theirs = (each.predict(observations, deterministic=True)[0] for each in (found.model, trained.model))
    assert np.array_equal(ours, theirs)
    assert equal(parameters(PPO.load(trained.folder / "model.zip")), parameters(trained.model))


@pytest.mark.parametrize("algorithm", ["ppo", "sac", "td3"])
def test_resuming_goes_on_from_what_was_saved(
    algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"folder": tmp_path, **SMALL}
    if algorithm != "ppo":
        options["settings"] = {"net_arch": [8], "learning_starts": 64, "batch_size": 16, "gradient_steps": 1}
    first = train(TINY, algorithm, steps=200, **options)
    assert first.card.steps in (200, 256)
    loaded: list[dict[str, np.ndarray]] = []

    def spy(*args: Any, **kwargs: Any) -> Any:
        found = load_model(*args, **kwargs)
        loaded.append(parameters(found.model))
        assert found.model.num_timesteps == first.card.steps
        return found

    monkeypatch.setattr("adsim.experiments.training.train.load_model", spy)
    before = parameters(first.model)
    second = train(TINY, algorithm, steps=400, resume=True, **options)
    assert equal(loaded[0], before)
    assert not equal(parameters(second.model), before)
    assert second.card.steps in (400, 448)
    assert second.card.updates > first.card.updates > 0
    assert second.curve["steps"].tolist() == [0, first.card.steps, second.card.steps]
    assert second.card.seconds > first.card.seconds
    if algorithm == "sac":
        assert second.model.log_ent_coef != first.model.log_ent_coef  # type: ignore[attr-defined]
        assert load_model(tmp_path).model.log_ent_coef == second.model.log_ent_coef  # type: ignore[attr-defined]


def test_a_resumed_replay_buffer_is_filled_before_it_is_learned_from(tmp_path: Path) -> None:
    options: dict[str, Any] = {"folder": tmp_path, "envs": 8}
    options["settings"] = {"net_arch": [8], "learning_starts": 128, "batch_size": 16, "gradient_steps": 1}
    first = train(TINY, "sac", steps=256, **options)
    second = train(TINY, "sac", steps=256 + 128, resume=True, **options)
    assert second.card.updates == first.card.updates
    assert equal(parameters(first.model), parameters(second.model))
    third = train(TINY, "sac", steps=256 + 128 + 256, resume=True, **options)
    assert third.card.updates == first.card.updates + 256 // 8 - 128 // 8


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"algorithm": "sac"}, "algorithm: 'ppo' then, 'sac' now"),
        ({"scenario": TINY.replace({"market.ticks": 9})}, "scenario.market.ticks: 8 then, 9 now"),
        ({"campaign": 2}, "campaign: 0 then, 2 now"),
        ({"span": 5.0}, "span: 10.0 then, 5.0 now"),
        ({"seed": 3}, "seed: 0 then, 3 now"),
        ({"settings": {"gamma": 0.9}}, "settings.gamma: 1.0 then, 0.9 now"),
        ({"resume": False}, "holds a model already"),
        ({"steps": 320}, "has 320 steps already"),
        ({"folder": "elsewhere"}, "nothing to resume"),
    ],
)
def test_resuming_another_training_is_refused(changed: dict[str, Any], message: str, copy: Path) -> None:
    options: dict[str, Any] = {"scenario": TINY, "algorithm": "ppo", "steps": 640, "folder": copy, "resume": True}
    if "settings" in changed:
        changed = {"settings": {**SMALL["settings"], **changed["settings"]}}
    if "folder" in changed:
        changed = {"folder": copy / "elsewhere"}
    with pytest.raises(AdsimError, match=message):
        train(**{**options, **SMALL, **changed})


def test_resuming_on_other_features_is_refused(copy: Path) -> None:
    facts = json.loads((copy / "model.json").read_text())
    facts["features"][3]["name"] = "weather"
    (copy / "model.json").write_text(json.dumps(facts))
    with pytest.raises(AdsimError, match="unknown here: weather; missing there: budget_left"):
        train(TINY, "ppo", folder=copy, steps=640, resume=True, **SMALL)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"algorithm": "pppo"}, "Did you mean 'ppo'"),
        ({"settings": {"gama": 1}}, "Did you mean 'gamma'"),
        ({"settings": {"activation": "tanhh"}}, "Did you mean 'tanh'"),
        ({"settings": {"ent_coef": "much"}, "algorithm": "sac"}, "much"),
        ({"settings": {"n_steps": 1}, "envs": 1}, "greater than 1"),
        ({"steps": 0}, "steps = 0"),
        ({"envs": 0}, "envs = 0"),
        ({"seed": -1}, "seed = -1"),
        ({"campaign": 99}, "campaign 99"),
        ({"span": 0.5}, "span = 0.5"),
        ({"reward": "raw"}, "reward"),
    ],
)
def test_mistakes_are_named_and_leave_nothing(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(AdsimError, match=message):
        train(TINY, **{"folder": tmp_path / "new", "steps": 64, "envs": 2, **options})
    assert not (tmp_path / "new").exists()


def test_settings_are_resolved_for_the_scenario() -> None:
    assert resolve("ppo", {}, 48, 64)["batch_size"] == 384
    assert resolve("ppo", {}, 7, 3)["batch_size"] == 3
    assert resolve("ppo", {"target_kl": 0.02}, 48, 64)["target_kl"] == 0.02
    assert resolve("sac", {}, 48, 2)["learning_starts"] == 96
    with pytest.raises(UnknownName):
        resolve("td3", {"replay_buffer_class": "x"}, 48, 64)


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def rewrite(file: Path, members: dict[str, bytes]) -> None:
    """Replace members of a zip, and state the new digest beside it."""
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in {**content, **members}.items():
            archive.writestr(name, data)
    state_digest(file)


def state_digest(file: Path) -> None:
    facts = json.loads(file.with_suffix(".json").read_text())
    facts["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    file.with_suffix(".json").write_text(json.dumps(facts))


def refusal(path: Path) -> str:
    with pytest.raises(AdsimError) as caught:
        load_model(path)
    return str(caught.value)


def test_nothing_is_unpickled(copy: Path, tmp_path: Path, trained: Training) -> None:
    mark = tmp_path / "executed"
    bomb = pickle.dumps(Bomb(mark), 2)
    data = json.dumps({"policy_class": {":type:": "x", ":serialized:": base64.b64encode(bomb).decode()}}).encode()
    rewrite(copy / "model.zip", {"data": data})
    assert equal(parameters(load_model(copy).model), parameters(trained.model))
    assert not mark.exists()
    rewrite(copy / "model.zip", {"policy.pth": bomb})
    assert "not a zip of tensors" in refusal(copy)
    torch.save(Bomb(mark), tmp_path / "bomb.pth")
    rewrite(copy / "model.zip", {"policy.pth": (tmp_path / "bomb.pth").read_bytes()})
    assert "not a zip of tensors" in refusal(copy)
    assert not mark.exists()
    pickle.loads(bomb)  # noqa: S301 - the bomb would have gone off
    assert mark.exists()


def test_a_changed_zip_is_refused(copy: Path) -> None:
    with (copy / "model.zip").open("ab") as stream:
        stream.write(b"x")
    assert "changed since it was saved" in refusal(copy)


def test_a_file_that_is_no_zip_is_refused(copy: Path) -> None:
    (copy / "model.zip").write_bytes(b"PK not a zip")
    state_digest(copy / "model.zip")
    assert "not a zip of tensors" in refusal(copy)


def test_parameters_of_another_shape_are_refused(copy: Path) -> None:
    facts = json.loads((copy / "model.json").read_text())
    facts["settings"]["net_arch"] = [16]
    (copy / "model.json").write_text(json.dumps(facts))
    assert "its parameters are not those" in refusal(copy)


def test_a_foreign_model_is_refused(copy: Path, tmp_path: Path) -> None:
    PPO("MlpPolicy", BiddingVecEnv(2, TINY), n_steps=2, batch_size=2).save(tmp_path / "foreign.zip")
    assert "foreign.json: missing" in refusal(tmp_path / "foreign.zip")
    (tmp_path / "foreign.json").write_text('{"sha256": "0"}')
    assert "no 'adsim model'" in refusal(tmp_path / "foreign.zip")
    (copy / "model.json").write_text("{")
    assert "not JSON" in refusal(copy)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", "other", "no 'adsim model'"),
        ("version", 2, "version 2 of the format"),
        ("algorithm", "dqn", "algorithm: Input should be 'ppo', 'sac' or 'td3'"),
        ("steps", "many", "steps: "),
        ("extra", 1, "extra: "),
        ("features", [], "trained on other features"),
        ("scenario", {"campaigns": []}, "campaigns"),
    ],
)
def test_a_json_that_says_something_else_is_refused(key: str, value: Any, message: str, copy: Path) -> None:
    facts = json.loads((copy / "model.json").read_text())
    (copy / "model.json").write_text(json.dumps({**facts, key: value}))
    with pytest.raises(AdsimError, match=message):
        _ = load_model(copy).card.market


def test_other_ranges_and_orders_of_features_are_refused(copy: Path) -> None:
    facts = json.loads((copy / "model.json").read_text())
    wide = [{**each, "high": 99.0} if each["name"] == "roi" else each for each in facts["features"]]
    (copy / "model.json").write_text(json.dumps({**facts, "features": wide}))
    assert "of another range: roi" in refusal(copy)
    (copy / "model.json").write_text(json.dumps({**facts, "features": facts["features"][::-1]}))
    assert "in another order" in refusal(copy)


def test_what_is_not_there_is_named(copy: Path, tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "none.zip")
    (copy / "model.zip").unlink()
    assert "step-256.zip" in refusal(copy)
    shutil.rmtree(copy / "checkpoints")
    assert "no model.zip in this folder" in refusal(copy)


def test_a_model_appears_whole_or_not_at_all(
    trained: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards.json, "dumps", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(AdsimError, match="No space left"):
        save_model(trained.model, trained.card, tmp_path / "model.zip")
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_saves_a_checkpoint(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done >= 100:
            raise KeyboardInterrupt

    with pytest.raises(TrainingInterrupted, match=r"after 104 steps, saved in .* --resume goes on"):
        train(TINY, "ppo", folder=tmp_path, steps=640, progress=interrupt, **SMALL)
    assert {file.name for file in tmp_path.iterdir()} == {"checkpoints"}
    found = train(TINY, "ppo", folder=tmp_path, steps=256, resume=True, **SMALL)
    assert found.card.steps == 104 + 3 * ROLLOUT
    assert found.curve["steps"].tolist() == [0, 168, 296]


def test_the_learning_curve_is_drawn_without_agents(trained: Training) -> None:
    alone = Training(trained.card, trained.model, trained.folder, pd.DataFrame(columns=["bidder", "score"]))
    assert len(train_figures.learning(alone).axes) == 1
    assert len(train_figures.learning(trained).axes) == 2


def test_ctrl_c_is_one_line_and_130(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(done: int, total: int) -> None:
        if done >= 72:
            raise KeyboardInterrupt

    monkeypatch.setattr("adsim.cli.console.progress", lambda what: nullcontext(interrupt))
    small = [
        "--set",
        "market.opportunities=2000",
        "--set",
        "market.ticks=8",
        "--envs",
        "8",
        "--hyper",
        "net_arch=[8]",
    ]
    out = str(tmp_path / "out")
    result = CliRunner().invoke(app, ["train", "ppo", "--scenario", "quickstart", *small, "--out", out])
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr == f"interrupted after 72 steps, saved in {out}. The same command with --resume goes on.\n"
    assert load_model(tmp_path / "out" / "checkpoints" / "step-72.zip").card.steps == 72


def test_without_the_extra_the_remedy_is_named() -> None:
    code = "import sys; sys.modules['stable_baselines3'] = None; from adsim.cli import main; main()"
    for command in (["train", "ppo"], ["evaluate", "x"]):
        found = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True)
        assert found.returncode == 2
        if command[0] == "train":
            assert found.stderr == "error: adsim train needs the extra rl: pip install 'adsim[rl]'.\n"


def test_the_example_runs() -> None:
    file = Path(__file__).parent.parent / "examples" / "train_bidder.py"
    lines = file.read_text().splitlines()
    assert len(lines) < 40
    found = subprocess.run([sys.executable, str(file), "2"], capture_output=True, text=True, check=True)
    assert found.stdout.count("score") == 2
