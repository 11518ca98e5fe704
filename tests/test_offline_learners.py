"""Offline learners: losses by hand, problems whose answer is known, models as files, the command line."""

import hashlib
import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import brentq
from scipy.stats import norm
from typer.testing import CliRunner, Result

import adsim
from adsim.cli.app import app
from adsim.envs.engine import Engine
from adsim.envs.features import HIGH, LOW, NAMES
from adsim.errors import AdsimError, UnknownName
from adsim.experiments.offline import behaviour_cloning, cql, iql, td3_bc
from adsim.experiments.offline.batches import Batch, Transitions, split, worth
from adsim.experiments.offline.bidder import OfflineBidder
from adsim.experiments.offline.collect import collect
from adsim.experiments.offline.figures import learning
from adsim.experiments.offline.learning import fit
from adsim.experiments.offline.models import LEARNERS, load_bidder, method
from adsim.experiments.offline.networks import Normaliser, Policy
from adsim.experiments.offline.storage import save_trajectories
from adsim.experiments.offline.train import OfflineTraining, train
from adsim.experiments.offline.trajectories import LEVEL, Trajectories
from adsim.experiments.training.evaluate import agent_runs, evaluate
from adsim.types import Totals

TINY = adsim.load_scenario("quickstart").replace({"market.opportunities": 2000, "market.ticks": 8})
ROI = NAMES.index("roi")
SPREAD = 0.35
"""Of the levels in the data, around 0."""
BEST = 0.5
"""The level of most reward."""
ON_TRANSITIONS = sorted({*LEARNERS} - {"dt", "probid"})
"""Those on sequences have tests of their own."""
SMALL: dict[str, Any] = {"hidden": (24, 24), "learning_rate": 3e-3, "batch": 128}
NO_TOTALS = Totals(*np.zeros((8, 1)))


def recorded(level: np.ndarray, reward: np.ndarray, seed: int = 0) -> Trajectories:
    """Periods of these levels and rewards (E, T), each in a market of its own; ROI alone varies beside."""
    episodes, ticks = level.shape
    rng = np.random.default_rng(seed)
    observation = np.tile((LOW + HIGH) / 2, (episodes, ticks + 1, 1))
    observation[:, :, ROI] = rng.uniform(LOW[ROI], HIGH[ROI], (episodes, ticks + 1))
    observation[:, 0, LEVEL], observation[:, 1:, LEVEL] = 0, level
    return Trajectories(
        observation=observation,
        action=np.zeros((episodes, ticks), np.float32),
        reward=reward.astype(np.float64),
        value=np.ones((episodes, ticks)),
        spend=np.zeros((episodes, ticks)),
        budget=np.ones(episodes),
        target_roi=np.ones(episodes),
        value_per_conversion=np.ones(episodes),
        campaign=np.zeros(episodes, np.int64),
        seed=np.arange(episodes, dtype=np.uint64),
        agent=np.full(episodes, "noise"),
    )


def one_step(episodes: int = 4000) -> Trajectories:
    """A tick, of reward 1 - (level - BEST)**2."""
    level = np.clip(np.random.default_rng(1).normal(0, SPREAD, (episodes, 1)), -1, 1).astype(np.float32)
    return recorded(level, 1 - (level - BEST) ** 2)


def two_step(episodes: int = 4000) -> Trajectories:
    """The first tick costs 0.3 * level, and the second brings 1 + the first one's level, whatever its own."""
    level = np.clip(np.random.default_rng(2).normal(0, SPREAD, (episodes, 2)), -1, 1).astype(np.float32)
    return recorded(level, np.stack([-0.3 * level[:, 0], 1 + level[:, 0]], 1))


def levels(bidder: Any, data: Trajectories, tick: int = 0) -> np.ndarray:
    return np.asarray(bidder.act(data.observation[:, tick], NO_TOTALS), np.float64)


def fitted(module: Any, data: Trajectories, steps: int, **settings: Any) -> Policy:
    policy: Policy = module.train(data, module.Settings(**{**SMALL, **settings}), seed=0, steps=steps)
    return policy


# Batches


def test_rewards_are_shares_of_what_the_budget_buys_at_the_target() -> None:
    data = recorded(np.zeros((3, 2), np.float32), np.ones((3, 2)))
    data = data._replace(budget=np.array([200.0, 50.0, np.inf]), target_roi=np.array([0.1, 0.0, 0.5]))
    np.testing.assert_array_equal(worth(data), [20, 50, 2])
    batch = Transitions(data, Normaliser()).at(torch.arange(6))
    np.testing.assert_allclose(batch.reward, [0.05, 0.05, 0.02, 0.02, 0.5, 0.5])


def test_transitions_are_the_periods_ticks() -> None:
    data = two_step(5)
    batch = Transitions(data, Normaliser()).at(torch.tensor([0, 3, 9]))
    np.testing.assert_array_equal(batch.observation, data.observation[[0, 1, 4], [0, 1, 1]].clip(-5, 5))
    np.testing.assert_array_equal(batch.following, data.observation[[0, 1, 4], [1, 2, 2]].clip(-5, 5))
    np.testing.assert_array_equal(batch.level, data.level[[0, 1, 4], [0, 1, 1]])
    assert batch.discount.tolist() == [1, 0, 0]


def test_transitions_may_span_several_ticks() -> None:
    data = recorded(np.zeros((2, 4), np.float32), np.array([[1.0, 2, 4, 8], [0, 0, 0, 1]]))
    batch = Transitions(data, Normaliser(), ahead=2, discount=0.5).at(torch.arange(8))
    np.testing.assert_allclose(batch.reward, [2, 4, 8, 8, 0, 0, 0.5, 1])
    np.testing.assert_allclose(batch.discount, [0.25, 0.25, 0, 0] * 2)
    np.testing.assert_array_equal(batch.following[:3], data.observation[0, [2, 3, 4]].clip(-5, 5))


def test_whole_markets_are_held_out() -> None:
    data = recorded(np.zeros((40, 2), np.float32), np.zeros((40, 2)))
    data = data._replace(seed=np.repeat(np.arange(10, dtype=np.uint64), 4))
    ours, held = split(data, seed=3, share=0.2)
    assert (len(ours.seed), len(held.seed)) == (32, 8)
    assert not set(ours.seed) & set(held.seed)
    with pytest.raises(AdsimError, match="1 markets: too few"):
        split(data._replace(seed=np.zeros(40, np.uint64)), seed=0)


def test_features_are_normalised_by_the_data() -> None:
    observation = np.random.default_rng(4).uniform(LOW, HIGH, (500, 3, len(NAMES))).astype(np.float32)
    observation[:, :, 1] = 0.7
    normalise = Normaliser()
    normalise.fit(observation)
    rows = normalise(torch.from_numpy(observation)).reshape(-1, len(NAMES))
    np.testing.assert_allclose(rows.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(rows.std(0, correction=0), np.arange(len(NAMES)) != 1, atol=1e-4)


# Losses by hand


def constant(module: torch.nn.Module, *outputs: float) -> None:
    """Let a perceptron, or several in turn, give these numbers for any input."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        last = [each for each in module.modules() if isinstance(each, torch.nn.Linear)]
        ends = last if len(outputs) == 1 else [each for each in last if each.out_features == 1]
        for layer, output in zip(ends[-len(outputs) :], outputs, strict=True):
            layer.bias[0] = output


def tiny_batch() -> Batch:
    rows = torch.zeros(2, len(NAMES))
    return Batch(rows, torch.tensor([0.5, -0.5]), torch.tensor([0.2, 1.0]), rows, torch.tensor([0.9, 0.0]))


def test_the_losses_of_iql() -> None:
    settings = iql.Settings(hidden=(4,), expectile=0.7, beta=2, most_weight=1.5)
    learner = iql.ImplicitQ(settings, Normaliser())
    constant(learner.critics, 0.6, 0.8)
    constant(learner.targets, 1.3, 1.0)
    constant(learner.value, 0.7)
    constant(learner.policy.body, 0.0)
    losses = learner.judge(tiny_batch())
    assert losses["value"].item() == pytest.approx(0.7 * 0.3**2)
    goals = np.array([0.2 + 0.9 * 0.7, 1.0])
    assert losses["critics"].item() == pytest.approx(np.mean([(0.6 - goals) ** 2, (0.8 - goals) ** 2]))
    assert losses["policy"].item() == pytest.approx(1.5 * 0.25)
    mild = iql.ImplicitQ(settings.model_copy(update={"most_weight": 100.0}), Normaliser())
    mild.__dict__["_modules"] = {}
    for name in ("critics", "targets", "value", "policy"):
        setattr(mild, name, getattr(learner, name))
    assert mild.judge(tiny_batch())["policy"].item() == pytest.approx(np.exp(2 * 0.3) * 0.25)


def test_errors_below_zero_weigh_less_in_an_expectile() -> None:
    error = torch.tensor([1.0, -2.0])
    assert iql.expectile_loss(error, 0.8).item() == pytest.approx((0.8 + 0.2 * 4) / 2)
    values = torch.linspace(0, 1, 1001)
    found = brentq(lambda v: float((torch.where(values < v, 0.1, 0.9) * (values - v)).sum()), 0, 1)
    losses = [iql.expectile_loss(values - v, 0.9).item() for v in (found - 0.02, found, found + 0.02)]
    assert losses[1] == min(losses)


def test_the_losses_of_td3_bc() -> None:
    learner = td3_bc.TD3BC(td3_bc.Settings(hidden=(4,), alpha=3), Normaliser())
    constant(learner.critics, 0.6, 0.8)
    constant(learner.targets, 1.3, 1.0)
    constant(learner.policy.body, 0.0)
    losses = learner.judge(tiny_batch())
    goals = np.array([0.2 + 0.9 * 1.0, 1.0])
    assert losses["critics"].item() == pytest.approx(np.mean([(0.6 - goals) ** 2, (0.8 - goals) ** 2]))
    assert losses["policy"].item() == pytest.approx(0.25 - 3 / 0.6 * 0.6)


def test_the_losses_of_cql() -> None:
    learner = cql.ConservativeQ(cql.Settings(hidden=(4,)), Normaliser())
    constant(learner.critics, 0.6, 0.8)
    constant(learner.targets, 1.3, 1.0)
    losses = learner.judge(tiny_batch())
    goals = np.array([0.2 + 0.9 * 1.0, 1.0])
    assert losses["critics"].item() == pytest.approx(np.mean([(0.6 - goals) ** 2, (0.8 - goals) ** 2]))
    assert losses["push"].item() == pytest.approx(np.log(2), rel=1e-6)


def test_drawn_levels_come_with_their_density() -> None:
    torch.manual_seed(0)
    learner = cql.ConservativeQ(cql.Settings(hidden=(4,)), Normaliser())
    rows = torch.randn(64, len(NAMES))
    with torch.no_grad():
        level, likelihood = (part.double().numpy() for part in learner.draw(rows))
        middle, log_spread = learner.policy.body(rows).double().numpy().T
    inside = np.abs(level) < 0.99  # nearer to 1, float32 loses what the tangent was taken of
    assert inside.sum() > 40
    expected = norm.logpdf(np.arctanh(level), middle, np.exp(log_spread)) - np.log1p(-(level**2))
    np.testing.assert_allclose(likelihood[inside], expected[inside], atol=1e-3)


# Problems whose answer is known


def test_bc_does_as_the_data_did() -> None:
    data = one_step()
    wanted = 0.2 * data.observation[:, 0, ROI]
    level = np.clip(wanted + np.random.default_rng(3).normal(0, 0.1, wanted.size), -1, 1).astype(np.float32)
    policy = fitted(behaviour_cloning, recorded(level[:, None], np.zeros((level.size, 1))), 600)
    assert np.abs(levels(policy, data) - wanted).mean() < 0.03


def test_iql_bids_the_mean_that_its_weights_imply() -> None:
    beta = 20.0
    policy = fitted(iql, one_step(), 800, beta=beta, most_weight=1e6)
    expected = 2 * beta * BEST / (1 / SPREAD**2 + 2 * beta)  # a Gaussian times exp(-beta * (level - BEST)**2)
    found = levels(policy, one_step())
    assert found.mean() == pytest.approx(expected, abs=0.05)
    assert np.abs(found - expected).mean() < 0.12


def test_td3_bc_balances_its_critic_and_the_data() -> None:
    alpha = 2.5
    policy = fitted(td3_bc, one_step(), 800, alpha=alpha, hidden=(64, 64))
    expected = brentq(lambda x: x - BEST * alpha / (1 - (x - BEST) ** 2 + alpha), 0, 1)
    assert levels(policy, one_step()).mean() == pytest.approx(expected, abs=0.08)


def test_values_of_cql_are_those_of_its_fixed_point_and_too_low_off_the_data() -> None:
    push, data = 0.3, one_step()
    learners: list[cql.ConservativeQ] = []
    settings = cql.Settings(**SMALL, push=push)

    def make(normalise: Normaliser) -> cql.ConservativeQ:
        learners.append(cql.ConservativeQ(settings, normalise))
        return learners[0]

    policy = fit(make, data, settings=settings, seed=0, steps=800)
    grid = np.linspace(-0.995, 0.995, 200)
    true, density = 1 - (grid - BEST) ** 2, norm.pdf(grid, 0, SPREAD)
    value = true
    for _ in range(300):
        soft = np.exp(value) / (np.exp(value).mean() * 2)
        value = 0.5 * value + 0.5 * (true - push / 2 * (soft / density - 1))
    rows = learners[0].policy.normalise(torch.from_numpy(data.observation[:500, 0]))
    for level in (-0.6, -0.3, 0.0, 0.3, 0.6):
        with torch.no_grad():
            found = learners[0].critics(rows, torch.full((500,), level)).mean().item()
        assert found == pytest.approx(np.interp(level, grid, value), abs=0.1), level
    with torch.no_grad():
        found = learners[0].critics(rows, torch.full((500,), 0.8)).mean().item()
    assert found < 1 - (0.8 - BEST) ** 2 - 0.4
    assert 0.25 < levels(policy, data).mean() < BEST + 0.1


@pytest.mark.parametrize(
    ("module", "ahead", "settings"),
    [
        (iql, 1, {"beta": 10.0}),
        (td3_bc, 1, {"alpha": 5.0}),
        (cql, 1, {"push": 0.05, "grid": 5}),
        (iql, 2, {"beta": 10.0}),
    ],
)
def test_what_pays_later_is_found_where_cloning_stays(module: Any, ahead: int, settings: dict[str, Any]) -> None:
    data = two_step()
    assert abs(levels(fitted(behaviour_cloning, data, 200), data).mean()) < 0.08
    assert levels(fitted(module, data, 600, discount=1.0, ahead=ahead, **settings), data).mean() > 0.25
    assert levels(fitted(module, data, 300, discount=0.01, ahead=ahead, **settings), data).mean() < 0.05


@pytest.mark.parametrize("name", ON_TRANSITIONS)
def test_what_is_seen_after_the_last_tick_does_not_matter(name: str) -> None:
    data, module = two_step(50), method(name)
    spoilt = data.observation.copy()
    spoilt[:, -1, :LEVEL] = 1e6
    settings = module.Settings(hidden=(8,), batch=32)
    ours, theirs = (
        module.train(each, settings, seed=0, steps=20) for each in (data, data._replace(observation=spoilt))
    )
    assert equal(ours, theirs)
    assert not equal(ours, module.train(data, settings, seed=1, steps=20))


def equal(ours: torch.nn.Module, theirs: torch.nn.Module) -> bool:
    pairs = zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


# Models as files


@pytest.fixture(scope="module", params=ON_TRANSITIONS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> OfflineTraining:
    folder = tmp_path_factory.mktemp(request.param)
    return train(two_step(60), TINY, request.param, folder=folder, steps=10, settings={"hidden": [8], "batch": 16})


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with a trained model, to be spoilt."""
    train(two_step(20), TINY, "bc", folder=tmp_path / "model", steps=2, settings={"hidden": [8]})
    return tmp_path / "model"


def test_a_model_read_back_bids_the_same_bits(trained: OfflineTraining) -> None:
    found = load_bidder(trained.folder)
    observation = two_step(9).observation[:, 0]
    np.testing.assert_array_equal(
        found.bidder.act(observation, NO_TOTALS), trained.bidder.act(observation, NO_TOTALS)
    )
    assert found.card == trained.card
    assert isinstance(found.bidder, OfflineBidder)
    assert found.card.data["trajectories"] == 60
    names = {file.name for file in trained.folder.iterdir()}
    assert names == {
        "model.pt",
        "model.json",
        "run.json",
        *(f"learning.{end}" for end in ("csv", "parquet", "png", "svg")),
    }


def test_one_seed_writes_one_file(trained: OfflineTraining, tmp_path: Path) -> None:
    settings = {"hidden": [8], "batch": 16}
    train(two_step(60), TINY, trained.card.algorithm, folder=tmp_path / "again", steps=10, settings=settings)
    assert (tmp_path / "again" / "model.pt").read_bytes() == (trained.folder / "model.pt").read_bytes()


def test_the_learning_curve_has_losses_of_both_parts(trained: OfflineTraining) -> None:
    curve = trained.curve
    assert curve["steps"].tolist() == list(range(1, 11))
    losses = [name for name in curve if name.startswith("held_out_")]
    assert "held_out_policy" in losses
    assert np.isfinite(curve[losses].to_numpy()).all()
    assert len(learning(curve, trained.card).axes) == len(losses)


def refusal(path: Path) -> str:
    with pytest.raises(AdsimError) as caught:
        load_bidder(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": []}, "trained on other features"),
        ({"algorithm": "dqn"}, "unknown algorithm 'dqn'"),
        ({"settings": {"hidden": [9]}}, "its parameters are not those"),
        ({"settings": {"hiden": [8]}}, "settings.hiden"),
        ({"version": 2}, "version 2 of the format"),
        ({"format": "x"}, "no 'adsim model'"),
        ({"sha256": "0"}, "changed since it was saved"),
    ],
)
def test_a_card_that_says_something_else_is_refused(change: dict[str, Any], message: str, copy: Path) -> None:
    facts = json.loads((copy / "model.json").read_text())
    (copy / "model.json").write_text(json.dumps({**facts, **change}))
    assert message in refusal(copy)


def test_a_file_that_holds_no_tensors_is_refused(copy: Path) -> None:
    for content in (b"", b"PK no tensors", pickle.dumps(print, 2), (copy / "model.pt").read_bytes()[:500]):
        (copy / "model.pt").write_bytes(content)
        facts = json.loads((copy / "model.json").read_text())
        facts["sha256"] = hashlib.sha256(content).hexdigest()
        (copy / "model.json").write_text(json.dumps(facts))
        assert "not a file of tensors" in refusal(copy / "model.pt")
    shutil.rmtree(copy)
    assert "no such file" in refusal(copy / "model.pt")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"algorithm": "dqn"}, "unknown algorithm"),
        ({"settings": {"discont": 1}}, "Did you mean 'discount'"),
        ({"settings": {"discount": 2}}, "iql: discount: Input should be less than or equal to 1"),
        ({"steps": 0}, "steps = 0"),
        ({"seed": -1}, "seed = -1"),
    ],
)
def test_mistakes_are_named_and_leave_nothing(arguments: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(AdsimError, match=message):
        train(two_step(5), TINY, **{"algorithm": "iql", "folder": tmp_path / "out", "steps": 1, **arguments})
    assert not (tmp_path / "out").exists()


def test_an_interruption_leaves_nothing_and_a_model_is_not_overwritten(tmp_path: Path, copy: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(two_step(5), TINY, "bc", folder=tmp_path / "out", steps=5, progress=interrupt)
    assert not (tmp_path / "out").exists()
    with pytest.raises(AdsimError, match="holds a model already"):
        train(two_step(5), TINY, "bc", folder=copy, steps=5)


def test_settings_know_no_others() -> None:
    with pytest.raises(UnknownName):
        method("sarsa")


# In markets


class Constant:
    """Bids one level, and checks what it is told."""

    def __init__(self, level: float) -> None:
        self.level, self.begun = level, 0

    def begin(self, own: Any) -> None:
        self.begun += 1
        self.budget, self.spend = own.budget, np.zeros(own.budget.shape)

    def act(self, observation: np.ndarray, totals: Totals) -> np.ndarray:
        assert (totals.spend >= self.spend).all()
        assert totals.spend.shape == self.budget.shape == (len(observation),)
        self.spend = totals.spend.copy()
        return np.full(len(observation), self.level, np.float32)


def test_a_bidder_bids_the_levels_it_names() -> None:
    bidder = Constant(-0.25)
    found = evaluate(bidder, TINY, campaign=1, seeds=3, agents=[])
    engine = Engine(TINY, [1], markets=3)
    engine.reset(np.arange(3, dtype=np.uint64))
    engine.step(np.full((3, 1), -0.25))
    while not engine.over:
        engine.step(np.zeros((3, 1)))
    np.testing.assert_allclose(found.runs["spend"], engine.totals().spend[:, 0])
    assert bidder.begun == 1
    assert found.runs["spend"].sum() > 0


def test_a_saved_bidder_brings_its_scenario_and_meets_agents(copy: Path) -> None:
    found = evaluate(copy, seeds=2, agents=["pid"])
    assert (found.scenario, found.model, found.bidders) == (TINY, "bc", ["bc", "pid"])
    pd.testing.assert_frame_equal(
        found.runs[found.runs["bidder"] == "pid"].reset_index(drop=True),
        agent_runs("pid", TINY, 0, np.arange(2)),
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    found = collect(TINY, ["pid", "feedback"], periods=3)
    save_trajectories(folder, found.trajectories, TINY, origin=found.origin)
    return folder


def adsim_(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_train_and_evaluate_on_the_command_line(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "iql"
    common = ("train", "iql", "--data", str(data), "--out", str(out), "--hyper", "hidden=[8]", "--seeds", "2")
    result = adsim_(*common, "--steps", "4", "--agents", "pid", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert (found["folder"], found["steps"], found["model"], found["seeds"]) == (str(out), 4, "iql", [0, 1])
    assert list(found["bidders"]) == ["iql", "pid"]
    facts = json.loads((out / "run.json").read_text())
    assert facts["data"]["origin"]["agents"] == ["pid", "feedback"]
    assert (out / "evaluation.png").exists()
    judged = adsim_("evaluate", str(out), "--seeds", "2", "--campaign", "3", "--agents", "pid")
    assert "shop-4 of quickstart" in judged.stdout
    assert "iql better by" in judged.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere"], "no such file"),
        (["--data", "{data}", "--hyper", "bta=1"], "Did you mean 'beta'"),
        (["--data", "{data}", "--hyper", "beta"], "expected KEY=VALUE, such as batch=512"),
        (["--data", "{data}", "--seeds", "0"], "--seeds 0"),
    ],
)
def test_mistakes_are_one_clear_line(arguments: list[str], message: str, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = adsim_("train", "iql", *(each.format(data=data) for each in arguments), "--out", str(out))
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not out.exists()


def test_without_the_extra_the_remedy_is_named(copy: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from adsim.cli import main; main()"
    for command, name in ((["train", "iql", "--data", "x"], "train iql"), (["evaluate", str(copy)], "evaluate")):
        found = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True)
        assert found.returncode == 2
        assert found.stderr == f"error: adsim {name} needs the extra offline: pip install 'adsim[offline]'.\n"
