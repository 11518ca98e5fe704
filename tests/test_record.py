"""A scenario's traffic as a log: complete, and read back as it was."""

from pathlib import Path

import numpy as np
import pytest

import adsim
from adsim.errors import OutputError, ScenarioError
from adsim.experiments.replay.record import record
from adsim.logs import open_log

SMALL = adsim.load_scenario("display_rtb").replace({"market.opportunities": 20_000})


def test_every_opportunity_is_recorded_with_its_price_and_prediction(tmp_path: Path) -> None:
    path = tmp_path / "log.txt.gz"
    assert record(SMALL, path, seed=3) == 20_000
    log = open_log(path).read()
    truth = adsim.Market(SMALL, seed=3).hindsight()
    assert log.pctr is not None
    np.testing.assert_allclose(log.pctr, truth.predicted_value / 14.0, rtol=1e-12)
    np.testing.assert_array_equal(log.price, np.rint(1000 * truth.price))
    expected = truth.value.sum() / 14.0
    assert abs(log.click.sum() - expected) < 4 * np.sqrt(expected)


def test_one_seed_gives_one_file(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.gz", "b.gz")]
    for path in paths:
        record(SMALL, path, seed=5)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_market_of_several_cannot_be_recorded(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="one campaign, posted competition and cvr = 1"):
        record(adsim.load_scenario("quickstart"), tmp_path / "log.txt")


def test_phases_of_prices_are_recorded_and_those_of_values_cannot_be(tmp_path: Path) -> None:
    path, dear = tmp_path / "log.txt", SMALL.replace({"phases.price": [1.0, 3.0]})
    record(dear, path, seed=3)
    truth = adsim.Market(dear, seed=3).hindsight()
    np.testing.assert_array_equal(open_log(path).read().price, np.rint(1000 * truth.price))
    with pytest.raises(ScenarioError, match=r"all worth the same: drop phases\.value"):
        record(SMALL.replace({"phases.value": [1.0, 3.0]}), path)


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        record(SMALL, tmp_path / "missing" / "log.txt")
