"""SGD-UCB: step for step against a plain statement, and what it learns where the optimum is known."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from adsim.cli.app import app
from adsim.errors import AdsimError
from adsim.experiments.channels.channel_study import EVEN, FIXED, LEARNER, Study, study
from adsim.experiments.channels.channels import KnapsackChannel
from adsim.experiments.channels.figures import learning
from adsim.experiments.channels.levers import global_optimum
from adsim.experiments.channels.sgd_ucb import arms, period_seeds, sgd_ucb
from adsim.experiments.channels.splits import play_mixture, play_split


def noisy_channels() -> list[KnapsackChannel]:
    """The first is far better, but soon sold out."""
    rng = np.random.default_rng(3)
    good = KnapsackChannel(rng.uniform(0, 0.8, (50, 6)), rng.uniform(0.05, 0.2, (50, 6)), "good")
    wide = KnapsackChannel(rng.uniform(0, 0.3, (50, 20)), rng.uniform(0.2, 0.6, (50, 20)), "wide")
    return [good, wide]


def plainly(channels, periods: int, seed: int, budget: float, target: float, c: float, step: float) -> list:
    """Algorithm 1, one run; channel by channel, arm by arm."""
    levels, keys = arms(budget, periods), period_seeds([seed], periods, len(channels))[0]
    seen: list[list[list]] = [[[] for _ in levels] for _ in channels]
    roi, price, unit, record = 0.0, 1.0, 1.0, []

    def score(tries: list) -> float:
        value, spend = np.mean(tries, axis=0)
        bonus = unit * math.sqrt(c * math.log(periods) / len(tries))
        return (1 + roi) * (value + bonus) - (roi * target + price * unit / budget) * spend

    for t in range(periods):
        picks = [t if t < len(levels) else int(np.argmax([score(arm) for arm in own])) for own in seen]
        got = []
        for channel, a, key in zip(channels, picks, keys[t], strict=True):
            bought = channel.buy(levels[[a]], np.zeros(1), np.array([key]))
            got.append((float(bought.value[0]), float(bought.spend[0])))
        for own, a, each in zip(seen, picks, got, strict=True):
            own[a].append(each)
        value, spend = np.sum(got, axis=0)
        if t == len(levels) - 1:
            unit = sum(max(arm[0][0] for arm in own) for own in seen)
        elif t >= len(levels):
            roi = max(0.0, roi - step / math.sqrt(periods) * (value - target * spend) / unit)
            price = max(0.0, price - step / math.sqrt(periods) * (1 - spend / budget))
        record.append([levels[a] for a in picks])
    return record


@pytest.mark.parametrize("target", [0.0, 3.5])
def test_sgd_ucb_is_the_plain_algorithm_step_for_step(target: float) -> None:
    channels = noisy_channels()
    found = sgd_ucb(channels, 200, [7, 8], budget=0.6, target_roi=target, confidence=0.03, step=1.5)
    for e, seed in enumerate((7, 8)):
        np.testing.assert_array_equal(found.lever[e], plainly(channels, 200, seed, 0.6, target, 0.03, 1.5))


def test_a_run_does_not_depend_on_those_beside_it() -> None:
    channels = noisy_channels()
    together = sgd_ucb(channels, 60, range(4), budget=0.6)
    alone = sgd_ucb(channels, 60, [2], budget=0.6)
    for one, several in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one[0], several[2])


@pytest.mark.parametrize(("periods", "count"), [(8, 3), (64, 5), (1000, 11), (1001, 12)])
def test_arms_lie_a_cube_root_of_the_periods_apart(periods: int, count: int) -> None:
    levels = arms(3.0, periods)
    assert levels.size == count
    assert (levels[0], levels[-1]) == (0.0, 3.0)
    assert np.diff(levels).max() <= 3.0 * periods ** (-1 / 3) * (1 + 1e-9)


def test_a_longer_run_begins_with_the_periods_of_a_shorter_one_and_no_two_are_the_same() -> None:
    long, short = period_seeds([1, 2], 50, 3), period_seeds([1, 2], 20, 3)
    np.testing.assert_array_equal(long[:, :20], short)
    assert np.unique(long).size == long.size


def test_a_fixed_split_is_played_on_the_periods_of_the_learner() -> None:
    channels, split = noisy_channels(), [0.2, 0.4]
    found, keys = play_split(channels, split, 30, [5]), period_seeds([5], 30, 2)
    bought = channels[1].buy(np.full(30, 0.4), np.zeros(30), keys[0, :, 1])
    np.testing.assert_array_equal(found.value[0, :, 1], bought.value)
    np.testing.assert_array_equal(found.spend[0, :, 1], bought.spend)


def test_a_mixture_brings_the_average_of_its_parts() -> None:
    channels, levels, weights = (
        noisy_channels(),
        [np.array([0.1, 0.5])] * 2,
        [np.array([0.25, 0.75]), np.array([1, 0])],
    )
    found = play_mixture(channels, levels, weights, 30, [5, 6])
    low, high = (play_split(channels, [budget, 0.1], 30, [5, 6]) for budget in (0.1, 0.5))
    for mixed, one, two in zip(found, low, high, strict=True):
        np.testing.assert_allclose(mixed[..., 0], 0.25 * one[..., 0] + 0.75 * two[..., 0], rtol=1e-12)
        np.testing.assert_array_equal(mixed[..., 1], one[..., 1])


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = play_split(noisy_channels(), [0.2, 0.4], 30, [5, 6])
    monkeypatch.setattr("adsim.experiments.channels.splits.BATCH", 7)
    for one, two in zip(whole, play_split(noisy_channels(), [0.2, 0.4], 30, [5, 6]), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.fixture(scope="module")
def known() -> Study:
    return study(noisy_channels(), [125, 500, 2000], 6, budget=0.6, target_roi=2.0)


def test_gaps_are_paired_with_the_best_mixture_on_the_same_periods(known: Study) -> None:
    wide = known.runs.pivot(index=["periods", "seed"], columns="policy", values=["value", "gap"])
    for policy in (LEARNER, EVEN, FIXED):
        np.testing.assert_allclose(wide["gap"][policy], wide["value"]["best_mixture"] - wide["value"][policy])
    assert (wide["gap"]["best_mixture"] == 0).all()
    longest = wide["value"]["best_mixture"].loc[2000]
    assert longest.mean() == pytest.approx(known.optimum.value, rel=0.01)


def test_the_gap_shrinks_and_falls_below_that_of_an_even_split(known: Study) -> None:
    gap = known.table.set_index(["policy", "periods"])["gap"]
    learned = gap[LEARNER].to_numpy()
    assert (np.diff(learned) < 0).all()
    assert learned[-1] < 0.5 * gap[EVEN].loc[2000]
    power = known.exponents.set_index("policy").loc[LEARNER]
    assert power["low"] <= power["exponent"] <= power["high"] < -0.1


def test_the_budget_is_kept_within_a_few_percent(known: Study) -> None:
    longest = known.runs.query("policy == @LEARNER and periods == 2000")
    assert (longest["overspend"] < 0.05).all()
    assert (longest["roi_shortfall"] == 0).all()


def test_the_benchmark_lies_between_the_best_constant_budgets_and_the_global_optimum(known: Study) -> None:
    channels, first = noisy_channels(), np.linspace(0, 0.6, 301)
    one, two = channels[0].means(first), channels[1].means(0.6 - first)
    constant = (one.value + two.value).max()
    assert constant * (1 - 1e-9) <= known.optimum.value <= global_optimum(channels, 0.6, 2.0)[0]
    fixed = known.table.query("policy == @FIXED and periods == 2000").iloc[0]
    assert fixed["low"] <= known.optimum.value - constant + 0.02
    assert fixed["high"] > 0


def test_a_target_roi_that_binds_is_kept_nearly() -> None:
    found = sgd_ucb(noisy_channels(), 2000, range(4), budget=1.5, target_roi=3.0)
    roi = found.value.sum(axis=(1, 2)) / found.spend.sum(axis=(1, 2))
    free = sgd_ucb(noisy_channels(), 2000, range(4), budget=1.5)
    assert (free.value.sum(axis=(1, 2)) / free.spend.sum(axis=(1, 2)) < 2.7).all()
    assert (roi > 2.85).all()


def test_the_figure_draws_with_its_exponent_and_leaves_nothing_out(known: Study) -> None:
    figure = learning(known)
    figure.draw_without_rendering()
    gap, spend, levers = figure.axes
    assert "exponent" in gap.get_title(loc="left")
    words = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert {"SGD-UCB", "even split", "good", "wide", "budgets", "target ROIs"} <= words
    assert spend.get_xlabel()
    assert levers.get_xlabel()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"budget": 0.0}, "budget = 0"),
        ({"budget": math.inf}, "budget = inf"),
        ({"target_roi": -1.0}, "target ROI = -1"),
        ({"periods": 5}, "at least 8"),
        ({"channels": []}, "no channel"),
        ({"channels": [KnapsackChannel([1], [1])] * 2}, "a name of its own"),
        ({"seeds": [-1]}, "seed"),
    ],
)
def test_a_problem_that_no_campaign_has_is_refused(changes: dict, words: str) -> None:
    given = {"channels": noisy_channels(), "periods": 20, "seeds": [0], "budget": 1.0, **changes}
    with pytest.raises(AdsimError, match=words):
        sgd_ucb(given.pop("channels"), given.pop("periods"), given.pop("seeds"), **given)


def test_a_study_takes_two_horizons_and_a_seed() -> None:
    with pytest.raises(AdsimError, match="two horizons"):
        study(noisy_channels(), [100], budget=1.0)
    with pytest.raises(AdsimError, match="seeds = 0"):
        study(noisy_channels(), [100, 200], 0, budget=1.0)


def adsim_(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["channels", *arguments])
    return result.exit_code, result.stdout, result.stderr


SMALL = ("channel_search,channel_display", "--budget", "2", "--periods", "8:20", "--seeds", "2")


def test_the_command_saves_tables_a_figure_and_the_scenarios(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adsim.experiments.channels.channel_study.SAMPLES", 20)
    code, out, _ = adsim_(*SMALL, "--out", str(tmp_path))
    assert code == 0
    assert "sgd_ucb" in out
    assert "Exponent of the gap" in out
    stems = "runs table exponents shares means"
    names = {f"{stem}.{ending}" for stem in stems.split() for ending in ("csv", "parquet")}
    assert {file.name for file in tmp_path.iterdir()} == names | {"channels.png", "channels.svg", "run.json"}
    facts = json.loads((tmp_path / "run.json").read_text())
    assert [each["name"] for each in facts["scenarios"]] == ["channel_search", "channel_display"]


def test_the_command_prints_json_and_refuses_horizons_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adsim.experiments.channels.channel_study.SAMPLES", 20)
    code, out, _ = adsim_(*SMALL, "--json")
    assert code == 0
    assert {row["periods"] for row in json.loads(out)["table"]} == {8, 16}
    for text in ("a:b", "0:5", "9:8"):
        code, _, err = adsim_(*SMALL[:3], "--periods", text)
        assert code == 2
        assert f"--periods {text}" in err
