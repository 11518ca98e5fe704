"""Log readers: the same numbers whatever the packing, and a complaint that points at the mistake."""

import bz2
import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from data_path import shared_data
from hypothesis import given, settings
from hypothesis import strategies as st

from adsim import registry
from adsim.errors import LogError, UnknownName
from adsim.logs import Log, format_of, open_log
from adsim.logs.base import PCTR, Statistics
from adsim.logs.ipinyou import BID, EVENTS, RAW, STANDARD, IPinYouLog
from adsim.logs.theta import read_info

THETA = "0 70 0.0021143609192222357\n1 6 0.003329537808895111\n0 30 5e-324\n"


def row(names: tuple[str, ...], **values: object) -> str:
    """A tab-separated row, `-` where no value is given."""
    return "\t".join(str(values.get(name, "-")) for name in names)


def write(folder: Path, text: str, name: str = "log") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def standard(click: object = 0, price: object = 50, names: tuple[str, ...] = STANDARD) -> str:
    return row(names, click=click, payprice=price, nclick=0)


def complaint(path: Path, **parameters: object) -> str:
    with pytest.raises(LogError) as caught:
        open_log(path, **parameters).read()
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message


def test_theta(tmp_path: Path) -> None:
    log = open_log(write(tmp_path, THETA)).read()
    assert log.click.tolist() == [False, True, False]
    assert log.price.tolist() == [70, 6, 30]
    assert log.price.dtype == np.int64
    assert log.pctr is not None
    assert log.pctr.tolist() == [0.0021143609192222357, 0.003329537808895111, 5e-324]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
@pytest.mark.parametrize("text", [THETA, THETA.replace(" ", "\t"), THETA.replace("\n", "\r\n"), THETA[:-1]])
def test_packing_and_separators_do_not_matter(tmp_path: Path, pack, text: str) -> None:
    path = tmp_path / "any.name"
    path.write_bytes(pack(text.encode()))
    assert format_of(path) == "theta"
    expected = open_log(write(tmp_path, THETA)).read()
    for found, wanted in zip(open_log(path).read(), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


@settings(deadline=None)
@given(pctr=st.lists(st.floats(0, 1), min_size=1), block=st.integers(1, 200))
def test_theta_reads_back_exactly(tmp_path_factory, pctr: list[float], block: int) -> None:
    text = "".join(f"{i % 2} {i} {value!r}\n" for i, value in enumerate(pctr))
    chunks = list(open_log(write(tmp_path_factory.mktemp("theta"), text), "theta").impressions(block))
    assert [value for chunk in chunks for value in chunk.pctr.tolist()] == pctr
    assert [value for chunk in chunks for value in chunk.price.tolist()] == list(range(len(pctr)))


def test_decimals_are_rounded_correctly(tmp_path: Path) -> None:
    texts = [f"{value:.25f}" for value in np.random.default_rng(0).random(20_000)]
    log = open_log(write(tmp_path, "".join(f"0 1 {text}\n" for text in texts))).read()
    assert log.pctr is not None
    assert log.pctr.tolist() == [float(text) for text in texts]


@pytest.mark.parametrize("names", [STANDARD, STANDARD + EVENTS])
def test_header_does_not_matter(tmp_path: Path, names: tuple[str, ...]) -> None:
    rows = "\n".join(standard(click, price, names) for click, price in [(0, 20), (1, 300)])
    plain = open_log(write(tmp_path, rows)).read()
    headed = open_log(write(tmp_path, "\t".join(names) + "\n" + rows, "headed")).read()
    assert plain.click.tolist() == headed.click.tolist() == [False, True]
    assert plain.price.tolist() == headed.price.tolist() == [20, 300]
    assert plain.pctr is None


def test_raw_test_rows_are_clicked_when_clicks_followed(tmp_path: Path) -> None:
    rows = [row(RAW + EVENTS, payprice=5, nclick=count) for count in (0, 1, 3)]
    assert open_log(write(tmp_path, "\n".join(rows))).read().click.tolist() == [False, True, True]


def test_raw_impressions_take_a_click_log(tmp_path: Path) -> None:
    shown = [("a", 1), ("a", 2), ("b", 1)]
    rows = "\n".join(row(RAW, bidid=bid, creative=creative, payprice=5) for bid, creative in shown)
    clicks = write(tmp_path, "\n".join([row(RAW, bidid="a", creative=2, payprice=5)] * 2), "clicks")
    log = open_log(write(tmp_path, rows), clicks=clicks)
    assert log.read().click.tolist() == [False, True, False]
    (frame,) = log.frames()
    assert frame["click"].tolist() == [0, 1, 0]


def test_frames_name_all_columns(tmp_path: Path) -> None:
    text = row(STANDARD, click=1, hour="07", payprice=9, usertag="null", useragent='a "quoted agent')
    (frame,) = open_log(write(tmp_path, text)).frames()
    assert tuple(frame) == STANDARD
    assert frame.loc[0, ["click", "hour", "payprice", "usertag"]].tolist() == [1, "07", 9, "null"]
    assert frame.loc[0, "useragent"] == 'a "quoted agent'
    (bids,) = open_log(write(tmp_path, row(BID, bidprice=300))).frames()
    assert tuple(bids) == BID


@pytest.mark.parametrize("name", ["train", "test"])
@pytest.mark.parametrize("block", [1 << 24, 100_000])
def test_campaign_2259(name: str, block: int) -> None:
    path = shared_data(f"ipinyou-2259-log/{name}.log.txt")
    with path.open(newline="") as stream:
        rows = list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    log = open_log(path)
    assert isinstance(log, IPinYouLog)
    chunks = list(log.impressions(block))
    assert sum(len(chunk.price) for chunk in chunks) == len(rows) == {"train": 8355, "test": 4171}[name]
    assert sum(chunk.price.sum() for chunk in chunks) == sum(int(row[23]) for row in rows)
    assert sum(chunk.click.sum() for chunk in chunks) == sum(int(row[0]) for row in rows)
    read = [fields for frame in log.frames(block) for fields in frame.astype(str).to_numpy().tolist()]
    assert read == rows


def test_campaign_2997() -> None:
    path = shared_data("ipinyou-2997/test.theta.txt.gz")
    with gzip.open(path, "rt") as stream:
        rows = [line.split() for line in stream]
    log = open_log(path).read()
    assert (len(log.price), log.click.sum(), log.price.sum()) == (156_063, 530, 8_617_148)
    assert log.pctr is not None
    assert log.pctr.tolist() == [float(row[2]) for row in rows]


GOOD = "0 70 0.002\n1 6 0.003\n"


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("0 70", ["2 columns found, 3 expected"]),
        ("0 70 0.1 9", ["4 columns found, 3 expected"]),
        ("", ["0 columns found, 3 expected"]),
        ("0 x 0.1", ["column 'price'", "whole number", "'x'"]),
        ("0 nan 0.1", ["column 'price'", "'nan'"]),
        ("0 1.5 0.1", ["column 'price'", "'1.5'"]),
        ("0 70.0 0.1", ["column 'price'", "'70.0'"]),
        ("0 -7 0.1", ["column 'price'", "'-7'"]),
        ("0 inf 0.1", ["column 'price'", "'inf'"]),
        ("0 99999999999999999999 0.1", ["column 'price'", "'99999999999999999999'"]),
        ("0 7 nan", ["column 'pctr'", "number from 0 to 1", "'nan'"]),
        ("0 7 inf", ["column 'pctr'", "'inf'"]),
        ("0 7 -0.1", ["column 'pctr'", "'-0.1'"]),
        ("0 7 1.01", ["column 'pctr'", "'1.01'"]),
        ("0 7 0,1", ["column 'pctr'", "'0,1'"]),
        ("2 7 0.1", ["column 'click'", "0 or 1", "'2'"]),
        ("-1 7 0.1", ["column 'click'", "'-1'"]),
        ("0 7 1_0", ["column 'pctr'", "'1_0'"]),
        ("0 7 \N{ARABIC-INDIC DIGIT ONE}", ["column 'pctr'"]),
        ("True 7 0.1", ["column 'click'", "'True'"]),
        ("? 7 0.1", ["column 'click'", "'?'"]),
    ],
)
@pytest.mark.parametrize("number", [1, 3, 5])
def test_theta_complaints(tmp_path: Path, line: str, parts: list[str], number: int) -> None:
    lines = (GOOD + GOOD).splitlines()
    lines.insert(number - 1, line)
    message = complaint(write(tmp_path, "\n".join(lines) + "\n"))
    for part in [f"line {number}", *parts, "Mend or remove"]:
        assert part in message


def test_line_numbers_count_earlier_blocks(tmp_path: Path) -> None:
    log = open_log(write(tmp_path, GOOD * 50 + "0 7 2\n"))
    with pytest.raises(LogError, match="line 101, column 'pctr'"):
        list(log.impressions(block=30))


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (standard(price="free"), ["column 'payprice'", "'free'"]),
        (standard(click=7), ["column 'click'", "'7'"]),
        (standard() + "\t-", ["28 columns found, 27 expected"]),
    ],
)
def test_ipinyou_complaints_count_the_header(tmp_path: Path, line: str, parts: list[str]) -> None:
    path = write(tmp_path, "\n".join(["\t".join(STANDARD), standard(), line]))
    message = complaint(path)
    for part in ["line 3", *parts]:
        assert part in message


def test_header_in_another_order(tmp_path: Path) -> None:
    names = ("click", "hour", "weekday", *RAW)
    message = complaint(write(tmp_path, "\t".join(names) + "\n" + standard()))
    assert "line 1: column 2 is 'hour', expected 'weekday'" in message


def test_logs_that_cannot_be_replayed(tmp_path: Path) -> None:
    bids = write(tmp_path, row(BID, bidprice=300), "bids")
    assert "no market price" in complaint(bids)
    shown = write(tmp_path, row(RAW, payprice=5), "shown")
    assert "clicks=PATH" in complaint(shown)
    full = write(tmp_path, standard(), "full")
    assert "click log" in complaint(full, clicks=shown)
    with pytest.raises(LogError, match="a raw click log has 24"):
        open_log(shown, clicks=full).read()


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "no such file" in complaint(tmp_path / "absent")
    assert "cannot be read" in complaint(tmp_path.parent / tmp_path.name)
    assert "empty" in complaint(write(tmp_path, "", "empty"))
    assert "empty" in complaint(write(tmp_path, "\n\n", "blank"))
    assert "log is empty" in complaint(write(tmp_path, "\t".join(STANDARD) + "\n", "header"))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_damaged_compression(tmp_path: Path, pack) -> None:
    text = "".join(f"0 {i} 0.{i}\n" for i in range(20_000)).encode()
    whole = pack(text)
    short, broken = tmp_path / "short", tmp_path / "broken"
    short.write_bytes(whole[:-20])
    assert "break off" in complaint(short)
    broken.write_bytes(whole[: len(whole) // 2] + bytes(200) + whole[len(whole) // 2 + 200 :])
    assert "Check the file" in complaint(broken)


def test_unrecognised_format(tmp_path: Path) -> None:
    message = complaint(write(tmp_path, "0,70,0.1\n"))
    assert "unrecognised format" in message
    for name in registry.known("logs"):
        assert name in message
    path = write(tmp_path, THETA)
    assert "3 columns" not in complaint(path, format="ipinyou")
    with pytest.raises(UnknownName, match="Did you mean 'theta'"):
        open_log(path, "thetta")
    with pytest.raises(UnknownName, match="clicks"):
        open_log(path, clicks=path)


def test_a_format_of_another_package(tmp_path: Path, monkeypatch) -> None:
    class Comma(Log):
        description = "rows with commas"

        @staticmethod
        def matches(lines):
            return "," in lines[0]

        impressions = frames = None

    names = {**registry.known("logs"), "comma": "elsewhere:Comma"}
    load = registry.load
    monkeypatch.setattr(registry, "known", lambda kind: names)
    monkeypatch.setattr(registry, "load", lambda kind, name: Comma if name == "comma" else load(kind, name))
    assert format_of(write(tmp_path, "0,70,0.1\n")) == "comma"
    with pytest.raises(LogError, match="could be comma or theta"):
        format_of(write(tmp_path, "0 7,0 0.1\n"))


@settings(deadline=None)
@given(st.text(alphabet="0123456789.eE+-_xinf", min_size=1, max_size=8))
def test_blocks_are_refused_for_what_is_complained_of(tmp_path_factory, field: str) -> None:
    log = open_log(write(tmp_path_factory.mktemp("theta"), f"0 1 {field}\n0 1 0\n"))
    if PCTR.holds(field):
        assert log.read().pctr.tolist() == [float(field), 0.0]
    else:
        with pytest.raises(LogError, match="line 1, column 'pctr'"):
            log.read()


def test_info(tmp_path: Path) -> None:
    good = '{"imp_train": 10, "clk_train": 2, "cost_train": 30}'
    assert read_info(write(tmp_path, good)) == (Statistics(10, 2, 30), {})
    for text, part in [
        (good.replace("clk_train", "clicks"), "key 'clk_train' is missing"),
        (good.replace("2", '"2"'), "key 'clk_train': expected a positive number, found \"2\""),
        (good.replace("2", "0"), "key 'clk_train': expected a positive number, found 0"),
        (good.replace("30", "NaN"), "key 'cost_train'"),
        (good.replace("30", "true"), "key 'cost_train'"),
        ("[1]", "JSON object"),
        ("{", "not a JSON file"),
    ]:
        path = write(tmp_path, text, "bad")
        with pytest.raises(LogError) as caught:
            read_info(path)
        assert str(caught.value).startswith(str(path))
        assert part in str(caught.value)
    with pytest.raises(LogError, match="cannot be read"):
        read_info(tmp_path / "absent")
