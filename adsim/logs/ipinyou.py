"""The logs of the iPinYou contest (Liao et al., ADKDD 2014), raw and standardised, tab separated.

========  ====================================================  ========  ===========
columns   log                                                   price     click
========  ====================================================  ========  ===========
21        raw bids                                              no        no
24        raw impressions, clicks or conversions                payprice  from `clicks`
26        raw test rows: 24 and the numbers of later events     payprice  nclick > 0
27        standardised training rows: click, weekday, hour, 24  payprice  click
29        standardised test rows: 27 and the numbers            payprice  click
========  ====================================================  ========  ===========

Prices are in RMB fen (0.01) per 1,000 impressions. A header line, where there is one, begins with ``click``.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from adsim.errors import LogError
from adsim.logs.base import BLOCK, CLICK, PRICE, WHOLE, Column, Impressions, Layout, Log, read_table
from adsim.logs.opening import first_lines

_NAMES = """bidid timestamp logtype ipinyouid useragent IP region city adexchange domain url urlid slotid
slotwidth slotheight slotvisibility slotformat slotprice creative bidprice payprice keypage advertiser
usertag"""
RAW = tuple(_NAMES.split())
BID = tuple(name for name in RAW if name not in ("logtype", "payprice", "keypage"))
EVENTS = ("nclick", "nconversation")
STANDARD = ("click", "weekday", "hour", *RAW)
LAYOUTS = {len(names): names for names in (BID, RAW, RAW + EVENTS, STANDARD, STANDARD + EVENTS)}
COUNT = Column("nclick", np.int64, WHOLE, 10**9, "a whole number from 0 to 10^9")
NUMBERS = (CLICK, PRICE._replace(name="payprice"), COUNT)


class IPinYouLog(Log):
    """A raw or standardised log.

    Parameters
    ----------
    path : str or Path
        Plain text, gzip or bzip2.
    clicks : str or Path, optional
        The click log that belongs to a raw impression log (24 columns): an impression was clicked if a row
        there has its bidid and creative.

    Raises
    ------
    LogError
        When the file cannot be read, has none of the known numbers of columns or other columns than these, or
        when ``clicks`` is given to a log that isn't one of raw impressions.
    """

    description: ClassVar[str] = f"tab-separated rows of {', '.join(map(str, LAYOUTS))} columns"

    def __init__(self, path: str | Path, clicks: str | Path | None = None) -> None:
        super().__init__(path)
        self.layout = _layout(self.path)
        self.clicks = None if clicks is None else Path(clicks)
        if clicks is not None and self.layout.names != RAW:
            raise LogError(f"{path}: only raw impressions (24 columns) take a click log. Leave it out.")

    @staticmethod
    def matches(lines: Sequence[str]) -> bool:
        """Whether a line has one of the known numbers of columns."""
        return any(_width(line) in LAYOUTS for line in lines)

    def impressions(self, block: int = BLOCK) -> Iterator[Impressions]:
        """Clicks and market prices; see `Log.impressions`."""
        self._check_replayable()
        needed = {column.name for column in NUMBERS} | (set(_KEY) if self.clicks else set())
        names = [name for name in self.layout.names if name in needed]
        for frame in self._clicked(names, block):
            yield Impressions(frame["click"].to_numpy(bool), frame["payprice"].to_numpy(), pctr=None)

    def frames(self, block: int = BLOCK) -> Iterator[pd.DataFrame]:
        """All columns, and click where it can be known; click, payprice and nclick int64, others text."""
        return self._clicked(self.layout.names, block)

    def _check_replayable(self) -> None:
        if "payprice" not in self.layout.names:
            raise LogError(
                f"{self.path}: a bid log holds no market price (column 'payprice'). "
                "Join it with the impression log by bidid, or replay that."
            )
        if self.layout.names == RAW and self.clicks is None:
            raise LogError(
                f"{self.path}: raw impressions hold no clicks. "
                "Give the click log (clicks=PATH), or replay a standardised log."
            )

    def _clicked(self, names: Sequence[str], block: int) -> Iterator[pd.DataFrame]:
        """Frames with the column click, as far as it is known."""
        clicked = None if self.clicks is None else _clicked_keys(self.clicks, block)
        for frame in read_table(self.path, self.layout, names, block):
            if clicked is not None:
                frame["click"] = _keys(frame).isin(clicked).astype(np.int64)
            elif "click" not in frame and "nclick" in frame:
                frame["click"] = (frame["nclick"] > 0).astype(np.int64)
            yield frame


_KEY = ("bidid", "creative")


def _keys(frame: pd.DataFrame) -> "pd.Series[str]":
    return frame["bidid"] + "-" + frame["creative"]


def _clicked_keys(path: Path, block: int) -> set[str]:
    """Keys of the impressions in a click log."""
    layout = _layout(path)
    if layout.names != RAW:
        raise LogError(f"{path}: {len(layout.names)} columns found; a raw click log has {len(RAW)}.")
    return {key for frame in read_table(path, layout, _KEY, block) for key in _keys(frame)}


def _layout(path: Path) -> Layout:
    """The layout that most of the first lines have."""
    lines = first_lines(path)
    width = Counter(map(_width, lines)).most_common(1)[0][0]
    if width not in LAYOUTS:
        known = ", ".join(map(str, LAYOUTS))
        raise LogError(f"{path}: {width} tab-separated columns found; an iPinYou log has {known}.")
    header = lines[0].split("\t")
    if header[0] != "click":
        return Layout(LAYOUTS[width], NUMBERS, "\t", header=False)
    for number, (found, name) in enumerate(zip(header, LAYOUTS[width], strict=False), 1):
        if found != name:
            raise LogError(f"{path}, line 1: column {number} is '{found}', expected '{name}'. Reorder them.")
    return Layout(LAYOUTS[width], NUMBERS, "\t", header=True)


def _width(line: str) -> int:
    return line.count("\t") + 1
