"""Rules that decide between auctions in a log replay: once a tick, or not at all."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from adsim.cli.app import app
from adsim.experiments.replay.replay import replay


@pytest.fixture
def log(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    rate = rng.beta(2, 60, 2345)
    rows = zip((rng.random(2345) < rate).astype(int), rng.integers(0, 200, 2345), rate.tolist(), strict=True)
    path = tmp_path / "log"
    path.write_text("".join(f"{click} {price} {each!r}\n" for click, price, each in rows))
    return path


@pytest.mark.parametrize("bidder", ["mirror_descent", "adaptive_pacing", "coupled", "throttling"])
def test_a_rule_for_budgets_plays_a_log(bidder: str, log: Path) -> None:
    found = replay(log, [bidder], c0=[1 / 8])
    budget = int(found.bidders["budget"].iloc[0])
    assert (found.episodes["cost"] <= budget).all()
    assert found.episodes["cost"].sum() > budget


@pytest.mark.parametrize(
    ("bidder", "words"),
    [
        ("ros", "ros holds a target ROI"),
        ("online_lp", "online_lp needs the bids to beat of every auction: it plays in live markets only"),
        ("coupled:coupling=foo", "unknown coupling 'foo'"),
        ("mirror_descent:every=0", "every = 0: must be a whole number"),
    ],
)
def test_a_bidder_that_a_log_does_not_suit_is_refused_in_a_line(bidder: str, words: str, log: Path) -> None:
    result = CliRunner().invoke(app, ["replay", "--log", str(log), "--bidders", bidder])
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
