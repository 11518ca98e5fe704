"""Every figure draws without a warning, has labelled axes, and leaves matplotlib's settings alone."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import adsim
from adsim.drawing import spread
from adsim.errors import OutputError
from adsim.experiments.comparison import figures
from adsim.experiments.comparison.compare import compare
from adsim.experiments.comparison.landscape import landscape
from adsim.experiments.output import check_folder, save
from adsim.experiments.replay import figures as replay_figures
from adsim.experiments.replay.replay import Replay, replay

SMALL = {"market.opportunities": 3000, "market.ticks": 8}


@pytest.fixture(autouse=True)
def _strict() -> Iterator[None]:
    before = dict(matplotlib.rcParams)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert dict(matplotlib.rcParams) == before


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    rows = zip(rng.random(600) < 0.05, rng.integers(1, 300, 600), rng.random(600) / 10, strict=True)
    path = tmp_path_factory.mktemp("log") / "theta.txt"
    path.write_text("".join(f"{int(click)} {price} {pctr:.6f}\n" for click, price, pctr in rows))
    return path


def check(figure: Figure) -> None:
    """The figure draws; every panel has words on both sides and no text leaves the picture."""
    figure.draw_without_rendering()
    assert figure.get_suptitle()
    visible = [axes for axes in figure.axes if axes.get_visible()]
    assert visible
    bottom = visible[-1].get_subplotspec().rowspan.stop  # type: ignore[union-attr]
    for axes in visible:
        assert axes.get_xlabel() or axes.get_subplotspec().rowspan.stop < bottom  # type: ignore[union-attr]
    assert any(axes.get_ylabel() or axes.get_yticklabels() for axes in visible) or figure.get_supylabel()
    tight, page = figure.get_tightbbox(), figure.bbox_inches
    assert tight.x0 > -0.02
    assert tight.y0 > -0.02
    assert tight.x1 < page.x1 + 0.02
    assert tight.y1 < page.y1 + 0.02


@pytest.mark.parametrize("name", ["quickstart", "quanzhantui", "target_cpa", "display_rtb", "return_on_spend"])
def test_figures_of_every_scenario(name: str) -> None:
    market = adsim.Market(adsim.load_scenario(name).replace(SMALL))
    result = market.run()
    drawn = figures.of_market(result, landscape(market, factors=[0.5, 1.0, 2.0]))
    has_limit = np.isfinite(result.campaigns[["budget", "stock"]].to_numpy()).any()
    assert ("pacing" in drawn) == has_limit
    assert ("roi" in drawn) == result.campaigns["target_roi"].notna().any()
    for figure in drawn.values():
        check(figure)


@pytest.mark.parametrize(
    ("scenario", "options"),
    [
        ("quanzhantui", {}),
        ("quickstart", {"seeds": 1}),
        ("quickstart", {"mechanisms": ["gsp"]}),
        ("quickstart", {"agents": ["feedback", "pid"]}),
        ("display_rtb", {"agents": ["feedback", "truthful", "oracle"]}),
    ],
)
def test_figures_of_comparisons(scenario: str, options: dict[str, object]) -> None:
    found = compare(adsim.load_scenario(scenario).replace(SMALL), **{"seeds": 3, **options})  # type: ignore[arg-type]
    drawn = figures.of_comparison(found)
    assert "comparison" in drawn
    for figure in drawn.values():
        check(figure)


@pytest.mark.parametrize("c0", [[0.05], [1 / 32, 0.3]])
def test_figures_of_replays(log: Path, c0: list[float]) -> None:
    found: Replay = replay(log, ["ecpc", "linear:b0=20", "linear:b0=60"], episode=100, c0=c0)
    for figure in replay_figures.of_replay(found).values():
        check(figure)


def test_figures_of_a_single_episode_without_clicks(tmp_path: Path) -> None:
    path = tmp_path / "theta.txt"
    path.write_text("0 10 0.1\n0 20 0.2\n")
    info = tmp_path / "info.json"
    info.write_text('{"imp_train": 10, "clk_train": 1, "cost_train": 100}')
    found = replay(path, ["ecpc"], info=info, episode=10, c0=[1.0])
    for figure in replay_figures.of_replay(found).values():
        check(figure)


def test_figures_that_do_not_apply_say_so() -> None:
    result = adsim.Market(adsim.load_scenario("return_on_spend").replace(SMALL)).run()
    with pytest.raises(ValueError, match="budget or a stock"):
        figures.pacing(result)
    with pytest.raises(ValueError, match="target ROI"):
        figures.roi(result.campaigns.assign(target_roi=np.nan))


def test_labels_are_moved_apart_as_little_as_possible() -> None:
    np.testing.assert_allclose(spread([3.0, 1.0], 1.0, 0.0, 9.0), [3.0, 1.0])
    np.testing.assert_allclose(spread([5.0, 5.0, 5.0], 2.0, 0.0, 9.0), [3.0, 5.0, 7.0])
    np.testing.assert_allclose(spread([8.5, 8.5], 2.0, 0.0, 9.0), [7.0, 9.0])


def test_saved_files_are_reproducible(tmp_path: Path, log: Path) -> None:
    contents = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        found = replay(log, ["ecpc"], episode=100, c0=[0.1])
        save(folder, {"bidders": found.bidders}, replay_figures.of_replay(found), {"seeds": [0]})
        contents.append({file.name: file.read_bytes() for file in sorted(folder.iterdir())})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {"bidders.csv", "bidders.parquet", "run.json"} | {
        f"{name}.{kind}" for name in ("clicks", "spending", "prices") for kind in ("png", "svg")
    }


def test_a_failed_save_leaves_nothing(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1]})
    with pytest.raises(ValueError, match="JSON"):
        save(tmp_path / "new" / "deep", {"table": table}, {}, {"seed": float("nan")})
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "table.csv").write_text("kept")
    with pytest.raises(ValueError, match="JSON"):
        save(tmp_path / "old", {"table": table}, {}, {"seed": float("nan")})
    assert [file.name for file in (tmp_path / "old").iterdir()] == ["table.csv"]
    assert (tmp_path / "old" / "table.csv").read_text() == "kept"


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError, match="cannot be written"):
            check_folder(path)
    assert check_folder(tmp_path / "new") == tmp_path / "new"
    assert not (tmp_path / "new").exists()
