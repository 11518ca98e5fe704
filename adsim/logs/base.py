"""What every bid log offers, and the reading of tables of text on which the formats rest.

A table is read in blocks of whole lines. Each block is parsed and checked as arrays; only where that fails
is it read again line by line, to say which line and column is wrong.
"""

import csv
import io
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adsim.errors import LogError
from adsim.logs.opening import opened
from adsim.types import Floats, History

BLOCK = 1 << 24
"""Bytes of text held at a time."""
WHOLE = r"[0-9]{1,18}"
REAL = r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?"
NEWLINE, TAB, SPACE = b"\n\t "


class Impressions(NamedTuple):
    """Auctions that somebody won, in the order of the log; arrays of shape (T,)."""

    click: NDArray[np.bool_]
    price: NDArray[np.int64]
    """Market price: the bid that ties with the best of the others; in the log's smallest unit of money."""
    pctr: Floats | None
    """Predicted click probability; None where the log has none."""


class Statistics(NamedTuple):
    """Sums over the impressions of a log, from which bidders know the market; all positive."""

    impressions: float
    clicks: float
    cost: float

    @property
    def cpm(self) -> float:
        """Average market price."""
        return self.cost / self.impressions

    @property
    def history(self) -> History:
        """Average click rate and cost of a click, in the unit of the prices."""
        return History(average_value=self.clicks / self.impressions, cost_per_conversion=self.cost / self.clicks)

    @classmethod
    def of(cls, chunks: Iterable[Impressions], path: str | Path) -> "Statistics":
        """The sums of a log.

        Raises
        ------
        LogError
            When one of them is 0.
        """
        sums = [(len(chunk.price), chunk.click.sum(), chunk.price.sum()) for chunk in chunks]
        statistics = cls(*np.sum(sums, axis=0).tolist())
        for name, total in statistics._asdict().items():
            if total == 0:
                raise LogError(
                    f"{path}: the sum of {name} is 0, which tells bidders nothing about the market. "
                    "Give the totals of a training log (info=PATH) or another log (train=PATH)."
                )
        return statistics


class Log(ABC):
    """A recorded bid log.

    Attributes
    ----------
    description : str
        The format in a few words, for messages.
    """

    description: ClassVar[str]

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @staticmethod
    @abstractmethod
    def matches(lines: Sequence[str]) -> bool:
        """Whether the first lines of a file, without their ends, look like this format."""

    @abstractmethod
    def impressions(self, block: int = BLOCK) -> Iterator[Impressions]:
        """What a replay needs, in chunks of about ``block`` bytes of text.

        Raises
        ------
        LogError
            Naming the first line and column that is wrong, or what the log lacks for a replay.
        """

    @abstractmethod
    def frames(self, block: int = BLOCK) -> Iterator[pd.DataFrame]:
        """All columns by name, in chunks of about ``block`` bytes of text; the checked ones as numbers."""

    def read(self) -> Impressions:
        """The whole log, 17 bytes an impression."""
        click, price, pctr = zip(*self.impressions(), strict=True)
        return Impressions(
            np.concatenate(click), np.concatenate(price), None if pctr[0] is None else np.concatenate(pctr)
        )


class Column(NamedTuple):
    """A column of numbers from 0 to ``most``.

    Fields are matched as text before they are converted: parsers also take "inf", "1_0" or "True", and those
    of tables don't all round to the nearest double.
    """

    name: str
    dtype: type[np.int64] | type[np.float64]
    pattern: str
    most: float
    expects: str

    def holds(self, field: str) -> bool:
        """Whether a field is such a number."""
        return re.fullmatch(self.pattern, field) is not None and float(field) <= self.most


CLICK = Column("click", np.int64, WHOLE, 1, "0 or 1")
PRICE = Column("price", np.int64, WHOLE, 10**12, "a whole number from 0 to 10^12")
PCTR = Column("pctr", np.float64, REAL, 1.0, "a number from 0 to 1")


class Layout(NamedTuple):
    """The columns of a table of text."""

    names: tuple[str, ...]
    numbers: tuple[Column, ...]
    """Those that are checked and read as numbers."""
    separator: str | None
    """None for any run of spaces and tabs."""
    header: bool
    """Whether line 1 holds names."""


Parse = Callable[[bytes, Layout, Sequence[str]], pd.DataFrame | None]
"""Whole lines to a frame of named columns; None where anything is wrong."""


def parse_text(text: bytes, layout: Layout, names: Sequence[str]) -> pd.DataFrame | None:
    """Whole lines as a frame, columns that are not numbers as text; None where anything is wrong."""
    counts = _fields(text, layout.separator)
    if (counts != len(layout.names)).any():
        return None
    try:
        frame = pd.read_csv(
            io.BytesIO(text),
            sep=layout.separator or r"\s+",
            header=None,
            names=list(layout.names),
            index_col=False,
            usecols=list(names),
            dtype=str,
            na_filter=False,
            quoting=csv.QUOTE_NONE,
            lineterminator="\n",
            encoding_errors="replace",
        )
    except ValueError:
        return None
    for column in layout.numbers:
        if column.name in names:
            field = frame[column.name]
            if not field.str.fullmatch(column.pattern).all():
                return None
            frame[column.name] = number = field.astype(column.dtype)
            if (number > column.most).any():
                return None
    return frame if len(frame) == len(counts) else None


def read_table(
    path: Path, layout: Layout, names: Sequence[str], block: int, parse: Parse = parse_text
) -> Iterator[pd.DataFrame]:
    """The columns ``names`` of a table, one frame per block of about ``block`` bytes.

    Raises
    ------
    LogError
        Naming the first line and column that is wrong.
    """
    line = 1
    with opened(path) as stream:
        if layout.header:
            stream.readline()
            line = 2
        while text := stream.read(block):
            text = (text + stream.readline()).replace(b"\r\n", b"\n")
            text = text if text.endswith(b"\n") else text + b"\n"
            frame = parse(text, layout, names)
            if frame is None:
                raise _complaint(path, line, text, layout, names)
            yield frame
            line += len(frame)
    if line == 1 + layout.header:
        raise LogError(f"{path}: the log is empty. It holds one row per impression.")


def _fields(text: bytes, separator: str | None) -> NDArray[np.int64]:
    """Number of fields in each line, shape (lines,)."""
    characters = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(characters == NEWLINE)
    starts = np.concatenate(([0], ends[:-1] + 1))
    if separator:
        return np.add.reduceat(characters == TAB, starts, dtype=np.int64) + 1
    first = characters > SPACE
    first[1:] &= ~first[:-1]
    return np.add.reduceat(first, starts, dtype=np.int64)


def _complaint(path: Path, line: int, text: bytes, layout: Layout, names: Sequence[str]) -> LogError:
    """What is wrong with a block that begins at ``line``."""
    for number, row in enumerate(text[:-1].decode(errors="replace").split("\n"), line):
        fields = row.split(layout.separator)
        if len(fields) != len(layout.names):
            return LogError(
                f"{path}, line {number}: {len(fields)} columns found, {len(layout.names)} expected. "
                "Mend or remove that line."
            )
        row_of = dict(zip(layout.names, fields, strict=True))
        for column in layout.numbers:
            if column.name in names and not column.holds(found := row_of[column.name]):
                return LogError(
                    f"{path}, line {number}, column '{column.name}': expected {column.expects}, "
                    f"found '{found}'. Mend or remove that line."
                )
    return LogError(f"{path}: cannot be read from line {line} on. Look for control characters there.")
