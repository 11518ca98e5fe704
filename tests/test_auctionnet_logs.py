"""Logs in AuctionNet's layout: read and written without losing a bit, and complaints that point at the mistake."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from data_path import shared_data
from hypothesis import given, settings
from hypothesis import strategies as st

from adsim.errors import LogError, OutputError
from adsim.logs import format_of, open_log
from adsim.logs.auctionnet import COLUMNS, NAMES, AuctionNetLog, write_log

SAMPLE = "auctionnet/auctionnet_log_10k_pvs.csv.gz"
ROW = "0,3,1,58.0,100.0,5,57.5,12,0.0006,0.0001,0.009,1,2,0.008,1,0,0.007,0"
HEAD = ",".join(NAMES)


def write(folder: Path, *lines: str, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def complaint(path: Path) -> str:
    with pytest.raises(LogError) as caught:
        AuctionNetLog(path).table()
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


def swapped(**fields: str) -> str:
    """The row with other fields."""
    values = dict(zip(NAMES, ROW.split(","), strict=True)) | fields
    return ",".join(values.values())


def random_frame(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    """Numbers of all sizes that the columns may hold."""
    frame = {}
    for column in COLUMNS:
        if column.dtype is np.int64:
            frame[column.name] = rng.integers(0, int(column.most), rows, endpoint=True)
        else:
            frame[column.name] = np.minimum(10 ** rng.uniform(-320, 15, rows) * rng.integers(0, 2, rows), column.most)
    return pd.DataFrame(frame)


def test_the_published_sample_reads_and_is_written_as_it_was(tmp_path: Path) -> None:
    path = shared_data(SAMPLE)
    assert format_of(path) == "auctionnet"
    found = AuctionNetLog(path).table()
    pd.testing.assert_frame_equal(found, pd.read_csv(path), check_exact=True)
    assert write_log(tmp_path / "again.csv", [found]) == 478_848
    pd.testing.assert_frame_equal(AuctionNetLog(tmp_path / "again.csv").table(), found, check_exact=True)


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz"])
def test_what_is_written_is_read_back_to_the_bit(tmp_path: Path, name: str) -> None:
    frames = [random_frame(np.random.default_rng(seed), 300) for seed in range(3)]
    write_log(tmp_path / name, frames)
    found = list(AuctionNetLog(tmp_path / name).frames(block=5000))
    assert len(found) > 5
    pd.testing.assert_frame_equal(
        pd.concat(found, ignore_index=True), pd.concat(frames, ignore_index=True), check_exact=True
    )


@settings(deadline=None)
@given(bids=st.lists(st.floats(0, 1e300), min_size=1, max_size=20))
def test_any_bid_survives(tmp_path_factory, bids: list[float]) -> None:
    path = tmp_path_factory.mktemp("bids") / "log.csv"
    frame = pd.concat([pd.DataFrame([ROW.split(",")], columns=list(NAMES)).astype(float)] * len(bids))
    write_log(path, [frame.assign(bid=bids)])
    assert AuctionNetLog(path).table()["bid"].tolist() == bids


def test_equal_logs_are_equal_files(tmp_path: Path) -> None:
    frame = random_frame(np.random.default_rng(0), 100)
    for name in ("a.csv.gz", "b.csv.gz"):
        write_log(tmp_path / name, [frame.iloc[:60], frame.iloc[60:]])
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()


def test_order_packing_further_columns_and_floats_do_not_matter(tmp_path: Path) -> None:
    plain = AuctionNetLog(write(tmp_path, HEAD, ROW)).table()
    order = [*reversed(NAMES), "note"]
    values = {
        name: field if "." in field else f"{field}.0" for name, field in zip(NAMES, ROW.split(","), strict=True)
    }
    text = ",".join(order) + "\r\n" + ",".join([values.get(name, "some text") for name in order]) + "\r\n"
    path = tmp_path / "any.name"
    path.write_bytes(gzip.compress(text.encode()))
    found = open_log(path)
    assert isinstance(found, AuctionNetLog)
    pd.testing.assert_frame_equal(found.table(), plain, check_exact=True)
    assert found.table()["adSlot"].dtype == np.int64


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (swapped(budget="-58.0"), "line 3, column 'budget': expected a number of at least 0, found '-58.0'"),
        (swapped(bid="nan"), "line 3, column 'bid': expected a number of at least 0, found 'nan'"),
        (swapped(cost="inf"), "line 3, column 'cost'"),
        (swapped(pValue="1.5"), "line 3, column 'pValue': expected a number from 0 to 1, found '1.5'"),
        (swapped(pValue=""), "line 3, column 'pValue'"),
        (swapped(xi="2"), "line 3, column 'xi': expected 0 or 1, found '2'"),
        (swapped(timeStepIndex="1.5"), "line 3, column 'timeStepIndex': expected a whole number"),
        (swapped(leastWinningCost="dear"), "line 3, column 'leastWinningCost'"),
        (ROW + ",1", "line 3: 19 columns found, 18 expected"),
        (ROW[:-2], "line 3: 17 columns found, 18 expected"),
        ("", "line 3: 1 columns found, 18 expected"),
    ],
)
def test_what_is_wrong_is_named_with_line_and_column(tmp_path: Path, row: str, message: str) -> None:
    assert message in complaint(write(tmp_path, HEAD, ROW, row, ROW))


def test_lines_are_counted_over_blocks(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD, *[ROW] * 500, swapped(bid="-1"))
    with pytest.raises(LogError, match="line 502, column 'bid'"):
        list(AuctionNetLog(path).frames(block=1000))


def test_missing_and_double_columns_are_named(tmp_path: Path) -> None:
    short = [name for name in NAMES if name not in ("pValueSigma", "isEnd")]
    assert "missing from the AuctionNet log: pValueSigma, isEnd." in complaint(write(tmp_path, ",".join(short), ROW))
    assert format_of(write(tmp_path, ",".join(short), ROW)) == "auctionnet"
    assert "column 'bid' is there twice" in complaint(write(tmp_path, HEAD + ",bid", ROW + ",1"))


def test_empty_and_truncated_logs_are_refused(tmp_path: Path) -> None:
    assert "the log is empty" in complaint(write(tmp_path, HEAD))
    packed = gzip.compress(f"{HEAD}\n{ROW}\n".encode())
    (tmp_path / "cut.gz").write_bytes(packed[:-20])
    assert "break off" in complaint(tmp_path / "cut.gz")


def test_a_replay_of_clicks_refuses_the_log_and_says_where_to_take_it(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="Take it to adsim replay"):
        open_log(write(tmp_path, HEAD, ROW)).read()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"budget": -1.0}, r"row 101, column 'budget' of the table is -1.0, expected a number of at least 0"),
        ({"bid": np.nan}, r"row 101, column 'bid' of the table is nan"),
        ({"adSlot": 1.5}, r"row 101, column 'adSlot'"),
        ({"xi": "yes"}, r"column 'xi' of the table is"),
        ({"pValue": None}, "missing from the AuctionNet log: pValue"),
    ],
)
def test_tables_that_no_log_holds_leave_nothing_behind(tmp_path: Path, change: dict, message: str) -> None:
    good = random_frame(np.random.default_rng(0), 100)
    ((name, value),) = change.items()
    bad = good.astype({name: object if isinstance(value, str) else float})
    bad.loc[1, name] = value
    bad = bad.drop(columns=name) if value is None else bad
    with pytest.raises(LogError, match=message):
        write_log(tmp_path / "log.csv.gz", [good, bad])
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_log(tmp_path / "missing" / "log.csv", [])
