"""The command line: what it prints, saves and refuses."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from data_path import shared_data
from typer.testing import CliRunner, Result

import adsim
from adsim.cli.app import app

SMALL = ["--set", "market.opportunities=3000", "--set", "market.ticks=8"]
FIGURES = ("png", "svg")
TABLES = ("csv", "parquet")


def adsim_(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def summary_of(*arguments: str) -> Any:
    """What a successful command prints with --json."""
    result = adsim_(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    return json.loads(result.stdout, parse_constant=pytest.fail)


def refused(*arguments: str) -> str:
    """The one line that a failing command prints."""
    result = adsim_(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def files(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def names(stems: str, endings: tuple[str, ...]) -> set[str]:
    return {f"{stem}.{ending}" for stem in stems.split() for ending in endings}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "theta.txt"
    path.write_text("".join(f"{n % 7 == 0:d} {1 + n % 50} 0.{n % 90 + 10}\n" for n in range(400)))
    return path


def test_run_prints_campaigns_and_summary() -> None:
    result = adsim_("run", "quickstart", *SMALL)
    assert result.exit_code == 0
    assert result.stderr == ""
    for words in ("shop-10", "quickstart under gsp, seed 0", "liquid welfare", "target ROI"):
        assert words in result.stdout


def test_run_as_json_is_the_market() -> None:
    found = summary_of("run", "quickstart", *SMALL, "--seed", "3", "--set", "auction.mechanism=vcg")
    market = adsim.load_scenario("quickstart").replace(
        {"market.opportunities": 3000, "market.ticks": 8, "auction.mechanism": "vcg"}
    )
    expected = adsim.Market(market, seed=3).run().summary
    assert (found["scenario"], found["mechanism"], found["seeds"]) == ("quickstart", "vcg", [3])
    assert found["summary"]["welfare"] == {"mean": expected["welfare"], "low": None, "high": None}
    assert found["summary"]["stock_use"]["mean"] is None


def test_run_over_seeds_has_intervals() -> None:
    found = summary_of("run", "quickstart", *SMALL, "--seeds", "3")
    welfare = found["summary"]["welfare"]
    assert found["seeds"] == [0, 1, 2]
    assert welfare["low"] <= welfare["mean"] <= welfare["high"]


def test_run_saves_a_folder(tmp_path: Path) -> None:
    result = adsim_("run", "quickstart", *SMALL, "--out", str(tmp_path / "new" / "out"))
    assert result.exit_code == 0, result.stderr
    folder = tmp_path / "new" / "out"
    tables = names("campaigns ticks runs summary landscape", TABLES)
    assert files(folder) == tables | names("landscape multipliers pacing roi", FIGURES) | {"run.json"}
    facts = json.loads((folder / "run.json").read_text())
    assert set(facts) == {"command", "scenario", "seeds", "versions"}
    assert set(facts["versions"]) >= {"adsim", "numpy", "numba", "python"}
    assert facts["scenario"]["market"]["opportunities"] == 3000
    assert facts["scenario"]["auction"]["beta"] == 0.0
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "runs.parquet"), pd.read_csv(folder / "runs.csv"))


def test_run_json_repeats_the_run(tmp_path: Path) -> None:
    adsim_("run", "quanzhantui", *SMALL, "--out", str(tmp_path))
    tables = json.loads((tmp_path / "run.json").read_text())["scenario"]
    from adsim.market.scenario import read_scenario

    again = adsim.Market(read_scenario(tables, "run.json"), seed=0).run()
    assert again.summary["welfare"] == pd.read_parquet(tmp_path / "runs.parquet")["welfare"][0]


def test_compare_lists_all_mechanisms_with_intervals_and_differences() -> None:
    found = summary_of("compare", "quanzhantui", *SMALL, "--seeds", "3", "--no-optimum")
    assert "objective_share" not in found["variants"]["lpa"]
    assert list(found["variants"]) == ["first_price", "second_price", "gsp", "vcg", "lpa", "split"]
    assert found["baseline"] == "lpa"
    for metrics in found["variants"].values():
        for metric in ("welfare", "liquid_welfare", "user_experience", "weighted_objective", "revenue"):
            assert metrics[metric]["low"] <= metrics[metric]["mean"] <= metrics[metric]["high"]
        assert {"roi_violations", "stock_overshoot"} <= set(metrics)
    assert set(found["differences"]) == set(found["variants"]) - {"lpa"}


def test_compare_says_what_coincides_and_what_was_left_out() -> None:
    one_slot = adsim_("compare", "quanzhantui", *SMALL, "--seeds", "2").stdout
    assert "second_price, gsp and vcg coincide: with one slot they are one auction." in one_slot
    assert "objective share: of the weighted objective that no allocation exceeds" in one_slot
    two_slots = adsim_("compare", "quickstart", *SMALL, "--seeds", "2").stdout
    assert "coincide" not in two_slots
    assert "Left out: second_price" in two_slots


def test_compare_agents_and_save(tmp_path: Path) -> None:
    agents = ["--agents", "pid,feedback:step=0.1"]
    result = adsim_("compare", "quickstart", *SMALL, *agents, "--seeds", "2", "--out", str(tmp_path))
    assert result.exit_code == 0, result.stderr
    assert "feedback:step=0.1" in result.stdout
    tables = names("runs campaigns table differences", TABLES)
    assert files(tmp_path) == tables | names("comparison roi", FIGURES) | {"run.json"}


def test_replay_prints_and_saves(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = adsim_(
        "replay",
        "--log",
        str(log),
        "--bidders",
        "ecpc,linear:b0=10",
        "--episode",
        "100",
        "--c0",
        "1/8",
        "--out",
        str(out),
    )
    assert result.exit_code == 0, result.stderr
    assert "linear b0=10" in result.stdout
    tables = names("bidders episodes landscape", TABLES)
    assert files(out) == tables | names("clicks spending prices", FIGURES) | {"run.json"}
    facts = json.loads((out / "run.json").read_text())
    assert (facts["episode"], facts["seed"], facts["statistics_from"]) == (100, 0, "log")


def test_replay_takes_fractions_and_decimals(log: Path) -> None:
    found = summary_of("replay", "--log", str(log), "--episode", "100", "--c0", "1/8,0.25")
    assert [row["c0"] for row in found["bidders"]] == [0.125, 0.25]


def test_replay_gives_the_published_figures() -> None:
    data = shared_data("ipinyou-2997")
    options = ["--bidders", "ecpc,linear:b0=10", "--episode", "1000", "--c0", "0.03125"]
    result = adsim_(
        "replay", "--log", str(data / "test.theta.txt.gz"), "--info", str(data / "info.json"), *options, "--json"
    )
    rows = json.loads(result.stdout)["bidders"]
    found = [(row["impressions"], row["clicks"], row["cost"]) for row in rows]
    assert found == [(14752, 48, 307751), (32208, 71, 203610)]
    assert '"cost": 307751,' in result.stdout


def test_list_names_everything() -> None:
    result = adsim_("list")
    assert result.exit_code == 0
    for word in ("lpa", "stock_dual", "b0=required", "noise", "quanzhantui", "theta"):
        assert word in result.stdout
    found = summary_of("list", "agents")
    assert found["agents"]["linear"]["parameters"] == {"b0": "required", "average": None}
    assert "scenarios" not in found


def test_version_and_module() -> None:
    assert adsim_("--version").stdout == f"adsim {adsim.__version__}\n"
    found = subprocess.run([sys.executable, "-m", "adsim", "--version"], capture_output=True, text=True, check=True)
    assert found.stdout == f"adsim {adsim.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "quikstart"], "Did you mean 'quickstart'?"),
        (["run", "missing.toml"], "no such file"),
        (["run", "quickstart", "--set", "auction.mechansim=gsp"], "Did you mean 'mechanism'?"),
        (["run", "quickstart", "--set", "acution.slots=2"], "Did you mean 'auction'?"),
        (["run", "quickstart", "--set", "auction.mechanism=gps"], "Did you mean 'gsp'?"),
        (["run", "quickstart", "--set", "budget"], "expected KEY=VALUE"),
        (["run", "quickstart", "--set", "auction.slots=0"], "auction.slots = 0"),
        (["run", "quickstart", "--set", "auction.exposure=[0.5, 0.8]"], "not increase"),
        (["run", "quickstart", "--set", "campaigns.0.budget=-5"], "campaigns.0.budget = -5"),
        (["run", "quickstart", "--set", "campaigns.0.budget=nan"], "campaigns.0.budget = nan: must be a number"),
        (["run", "quickstart", "--set", "campaigns.0.target_roi=0"], "campaigns.0.target_roi = 0"),
        (["run", "quickstart", "--set", "campaigns.0.agent=linear:bo=1"], "Did you mean 'b0'?"),
        (["run", "quickstart", "--set", "campaigns.0.agent=fixed:multiplier=-1"], "must be a positive number"),
        (["run", "display_rtb", "--set", "auction.mechanism=lpa"], "neither target_roi nor target_cpa"),
        (["run", "quickstart", "--seeds", "0"], "seeds = 0"),
        (["run", "quickstart", "--seed", "-1"], "seed = -1"),
        (["compare", "display_rtb", "--mechanisms", "lpa"], "neither target_roi nor target_cpa"),
        (["compare", "quickstart", "--agents", "feedbak"], "Did you mean 'feedback'?"),
        (["compare", "quickstart", "--agents", "linear:b0=1"], "average"),
        (["compare", "quickstart", "--workers", "0"], "workers = 0"),
        (["replay", "--log", "missing.txt"], "no such file"),
        (["list", "agnts"], "Did you mean 'agents'?"),
    ],
)
def test_mistakes_are_one_clear_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    folder = [] if arguments[0] == "list" else ["--out", str(out)]
    small = SMALL if arguments[0] in ("run", "compare") else []
    assert message in refused(*arguments, *small, *folder)
    assert not out.exists()


def test_mistakes_in_replays(log: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    assert "'b0'" in refused("replay", "--log", str(log), "--bidders", "linear:bo=3", "--out", out)
    assert "c0" in refused("replay", "--log", str(log), "--c0", "much", "--out", out)
    assert "Did you mean 'theta'?" in refused("replay", "--log", str(log), "--format", "tetha", "--out", out)
    log.write_text("1 2 0.1\n1 x 0.1\n")
    assert "line 2, column 'price'" in refused("replay", "--log", str(log), "--out", out)
    assert not Path(out).exists()


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    begun = time.perf_counter()
    message = refused(
        "run", "quickstart", "--set", "market.opportunities=1000000000", "--out", str(tmp_path / "file")
    )
    assert "cannot be written" in message
    assert time.perf_counter() - begun < 5
    assert files(tmp_path) == {"file"}


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
def test_an_interruption_is_one_line(tmp_path: Path) -> None:
    arguments = ["run", "quickstart", "--set", "market.opportunities=1000000000", "--set", "market.ticks=100000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "adsim", *arguments, "--out", str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(6)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (130, "", "interrupted\n")
    assert not (tmp_path / "out").exists()


def test_a_recorded_scenario_can_be_replayed(tmp_path: Path) -> None:
    path = str(tmp_path / "log.gz")
    recorded = adsim_("record", "display_rtb", "--out", path, "--set", "market.opportunities=5000")
    assert recorded.exit_code == 0
    assert "5,000 opportunities" in recorded.stdout
    assert summary_of("replay", "--log", path, "--c0", "1/8")["impressions"] == 5000


def test_a_replay_says_where_its_averages_come_from(log: Path) -> None:
    result = adsim_("replay", "--log", str(log), "--episode", "100")
    assert "those of the replayed log itself" in " ".join(result.stdout.split())


def test_a_market_that_cannot_be_recorded_leaves_no_file(tmp_path: Path) -> None:
    assert "one campaign" in refused("record", "quickstart", "--out", str(tmp_path / "log.txt"))
    assert files(tmp_path) == set()


def test_allocate_prints_and_saves(tmp_path: Path) -> None:
    options = ["--resources", "5", "--choices", "2", "--horizons", "50:200", "--seeds", "2", "--out", str(tmp_path)]
    result = adsim_("allocate", *options)
    assert result.exit_code == 0, result.stderr
    for word in ("euclidean", "entropic", "projected", "200", "exponent", "Saved to"):
        assert word in result.stdout
    stems = "runs table exponents"
    assert files(tmp_path) == {"run.json"} | names(stems, TABLES) | names("regret", FIGURES)
    found = summary_of("allocate", *options[:-2], "--references", "scaled", "--steps", "1")
    assert [row["reference"] for row in found["exponents"]] == ["scaled"]
    assert found["seeds"] == [0, 1]


def test_mistakes_in_allocations() -> None:
    assert "--horizons 9:3: must be whole numbers" in refused("allocate", "--horizons", "9:3")
    assert "--steps x: must be a number" in refused("allocate", "--steps", "x")
    assert "Did you mean 'entropic'" in refused("allocate", "--references", "entropy", "--horizons", "10")
