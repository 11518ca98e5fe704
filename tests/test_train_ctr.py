"""Click predictors learned from recorded logs."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from adsim.cli.app import app
from adsim.errors import AdsimError, LogError
from adsim.experiments.prediction.ctr_training import train_ctr
from adsim.experiments.prediction.log_features import SCHEMA, TAG_BUCKETS, hashed, read_click_rows
from adsim.logs import open_log
from adsim.logs.ipinyou import RAW, STANDARD
from adsim.predictors.learner import load


def standardised(path: Path, rows: int = 6000, seed: int = 0, clicks: bool = True) -> Path:
    """A log whose clicks depend on domain and tags, and on nothing else."""
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame({name: np.full(rows, "null", object) for name in STANDARD})
    domain, tagged = generator.integers(0, 20, rows), generator.random(rows) < 0.5
    rate = np.where(domain < 5, 0.4, 0.05) * np.where(tagged, 1.5, 0.5)
    frame["click"] = ((generator.random(rows) < rate) & clicks).astype(int).astype(str)
    frame["weekday"], frame["hour"] = "3", np.char.zfill(generator.integers(0, 24, rows).astype(str), 2)
    frame["timestamp"], frame["logtype"] = "20131019000000000", "1"
    frame["bidid"] = [f"bid{i}" for i in range(rows)]
    frame["domain"] = [f"site{d}.com" for d in domain]
    frame["payprice"] = generator.integers(1, 300, rows).astype(str)
    frame["bidprice"], frame["slotprice"] = "300", "0"
    frame["creative"] = generator.choice(["7330", "7331"], rows)
    frame["usertag"] = np.where(tagged, "10063,10110", "10006")
    frame.to_csv(path, sep="\t", header=False, index=False)
    return path


def test_a_predictor_learns_from_a_log_what_its_clicks_depend_on(tmp_path: Path) -> None:
    found = train_ctr(standardised(tmp_path / "log", rows=20_000), ["constant", "ftrl"], seed=1)
    table = found.table.set_index("model")
    assert found.sizes["test_impressions"] == 4000
    assert table["auc"]["constant"] == pytest.approx(0.5)
    assert table["auc"]["ftrl"] > 0.75  # the true rates have .80
    assert table["normalized_entropy"]["ftrl"] < 0.9
    assert 0.8 < table["calibration"]["ftrl"] < 1.25


def test_rows_hold_columns_and_tags_and_nothing_of_prices_or_of_the_click(tmp_path: Path) -> None:
    path = standardised(tmp_path / "log", rows=50)
    found = read_click_rows(path)
    frame = next(open_log(path).frames())
    names = [field.name for field in SCHEMA.fields]
    assert not {"click", "payprice", "bidprice", "nclick", "bidid", "timestamp"} & set(names)
    assert found.rows.ids[:, names.index("domain")].tolist() == hashed(frame["domain"]).tolist()
    assert len(set(found.rows.ids[:, names.index("domain")])) == frame["domain"].nunique()
    tags = [set(np.flatnonzero(row)) for row in found.rows.numbers]
    expected = [set((hashed(pd.Series(text.split(","))) % TAG_BUCKETS).tolist()) for text in frame["usertag"]]
    assert tags == expected
    assert found.price.tolist() == frame["payprice"].tolist()


def test_hashes_are_the_same_everywhere() -> None:
    assert hashed(pd.Series(["site1.com", "null", ""])).tolist() == [43182, 43293, 14918]


def test_raw_impressions_tell_weekday_and_hour_by_their_time(tmp_path: Path) -> None:
    whole = pd.read_csv(
        standardised(tmp_path / "log", rows=80),
        sep="\t",
        header=None,
        names=list(STANDARD),
        dtype=str,
        na_filter=False,
    )
    whole["timestamp"] = "20131020" + whole["hour"] + "0000000"
    whole[list(RAW)].to_csv(tmp_path / "raw", sep="\t", header=False, index=False)
    clicked = whole[whole["click"] == "1"]
    clicked[list(RAW)].to_csv(tmp_path / "clicks", sep="\t", header=False, index=False)
    raw = read_click_rows(tmp_path / "raw", tmp_path / "clicks")
    standard = read_click_rows(tmp_path / "log")
    assert raw.click.tolist() == standard.click.tolist()
    assert np.array_equal(raw.rows.ids[:, 1:], standard.rows.ids[:, 1:])
    assert set(raw.rows.ids[:, 0]) == set(hashed(pd.Series(["0"])))  # a Sunday


def test_a_log_without_clicks_teaches_small_rates(tmp_path: Path) -> None:
    found = train_ctr(standardised(tmp_path / "log", clicks=False), ["ftrl", "fm"])
    for predictions in found.predictions.values():
        assert np.all((predictions > 0) & (predictions < 0.05))
    assert found.table["auc"].isna().all()


def test_logs_without_features_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "theta"
    path.write_text("0 10 0.01\n1 20 0.02\n")
    with pytest.raises(LogError, match=r"column 'weekday' is missing.*standardised iPinYou log"):
        train_ctr(path, ["ftrl"])
    raw = tmp_path / "raw"
    raw.write_text("\t".join(["x"] * 24) + "\n")
    with pytest.raises(LogError, match="payprice"):
        train_ctr(raw, ["ftrl"])


def test_what_does_not_learn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AdsimError, match="does not learn"):
        train_ctr(standardised(tmp_path / "log", rows=100), ["noise"])
    with pytest.raises(LogError, match="too few"):
        train_ctr(standardised(tmp_path / "log", rows=1), ["ftrl"])


def test_the_command_keeps_models_and_a_log_to_replay(tmp_path: Path) -> None:
    log, out = standardised(tmp_path / "log", rows=2000), tmp_path / "out"
    arguments = ["train", "ctr", "--log", str(log), "--models", "ftrl:alpha=0.1", "--out", str(out)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    model = load(out / "ftrl-alpha-0.1.npz")
    rows = read_click_rows(log).rows.take(slice(1600, None))
    with gzip.open(out / "ftrl-alpha-0.1.theta.txt.gz", "rt") as file:
        written = [float(line.split()[2]) for line in file]
    assert np.allclose(written, model.predict_proba(rows), rtol=1e-5)
