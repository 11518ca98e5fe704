"""The log of the AuctionNet competition: what every advertiser bid for every opportunity, and what came of it.

The published layout of Su et al., "AuctionNet: A Novel Benchmark for Decision-Making in Large-Scale Games" (2024,
arXiv 2412.10798): 18 columns separated by commas, a row per opportunity and advertiser.

=======================  =================================================================================
deliveryPeriodIndex      the period
advertiserNumber         the advertiser, numbered from 0
advertiserCategoryIndex  its category
budget, CPAConstraint    its money for the period, and the most that a conversion should cost it
timeStepIndex            the tick
remainingBudget          before the tick
pvIndex                  the opportunity
pValue, pValueSigma      predicted probability of a conversion if exposed, and its standard deviation
bid                      money per exposure
xi, adSlot               whether it won a slot, and which: 1 is the best, 0 none
cost                     of an exposure: the charge is cost x isExposed
isExposed                whether the slot was seen
conversionAction         whether it converted
leastWinningCost         the highest bid that won no slot, at least the reserve
isEnd                    1 in the last tick, and where remainingBudget is below 0.1
=======================  =================================================================================

pvIndex begins anew in each tick in published logs, an oversight; in ours it numbers the period's opportunities.
Nothing here reads it.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from adsim.errors import LogError
from adsim.logs.base import BLOCK, REAL, WHOLE, Column, Layout, Log, read_table
from adsim.logs.opening import first_lines
from adsim.logs.writing import written

EXHAUSTED = 0.1
"""An advertiser with less money bids no more."""
LARGEST = 2**53
"""Whole numbers up to here survive as floats, as which AuctionNet writes them."""
_WHOLE = WHOLE + r"(\.0*)?"


def _index(name: str) -> Column:
    return Column(name, np.int64, _WHOLE, LARGEST, "a whole number from 0 to 2^53")


def _flag(name: str) -> Column:
    return Column(name, np.int64, _WHOLE, 1, "0 or 1")


def _amount(name: str) -> Column:
    return Column(name, np.float64, REAL, 1e300, "a number of at least 0")


COLUMNS = (
    _index("deliveryPeriodIndex"),
    _index("advertiserNumber"),
    _index("advertiserCategoryIndex"),
    _amount("budget"),
    _amount("CPAConstraint"),
    _index("timeStepIndex"),
    _amount("remainingBudget"),
    _index("pvIndex"),
    Column("pValue", np.float64, REAL, 1, "a number from 0 to 1"),
    _amount("pValueSigma"),
    _amount("bid"),
    _flag("xi"),
    _index("adSlot"),
    _amount("cost"),
    _flag("isExposed"),
    _flag("conversionAction"),
    _amount("leastWinningCost"),
    _flag("isEnd"),
)
NAMES = tuple(column.name for column in COLUMNS)
CAMPAIGN = list(NAMES[:5])
"""The columns that tell a campaign: an advertiser in a period, and its terms."""


class AuctionNetLog(Log):
    """A log of 18 named columns in any order, others being ignored; whole numbers may be written as floats."""

    description: ClassVar[str] = "AuctionNet's 18 columns, separated by commas, named in line 1"

    @staticmethod
    def matches(lines: Sequence[str]) -> bool:
        """Whether line 1 names half of the columns."""
        return 2 * len(set(_names(lines[0])) & set(NAMES)) >= len(NAMES)

    def impressions(self, block: int = BLOCK) -> NoReturn:
        """Refuse: bids of many advertisers have no single price and click.

        Raises
        ------
        LogError
            Always.
        """
        raise LogError(
            f"{self.path}: an AuctionNet log tells the bids of many advertisers, not one's clicks and prices. "
            "Take it to adsim replay, or to adsim.experiments.replay.auctionnet.evaluate_offline."
        )

    def frames(self, block: int = BLOCK) -> Iterator[pd.DataFrame]:
        """The columns `NAMES`, int64 and float64; see `Log.frames`."""
        return read_table(self.path, _layout(self.path), NAMES, block, parse=_parse)

    def table(self) -> pd.DataFrame:
        """The whole log at once, 144 bytes a row."""
        return pd.concat(self.frames(), ignore_index=True)


def write_log(path: str | Path, frames: Iterable[pd.DataFrame]) -> int:
    """Write a log and return its number of rows; what is read back has the same bits.

    Parameters
    ----------
    path : str or Path
        Compressed if it ends in .gz; appears when all is written.
    frames : iterable of DataFrame
        Parts of the log with the columns `NAMES`, in order.

    Raises
    ------
    LogError
        Naming the column that is missing, or the row and column that no log can hold.
    OutputError
        When the file cannot be written.
    """
    path, rows = Path(path), 0
    schema = pa.schema([(column.name, pa.from_numpy_dtype(column.dtype)) for column in COLUMNS])
    plain = csv.WriteOptions(include_header=False, quoting_style="none")
    with written(path) as stream:
        stream.write((",".join(NAMES) + "\n").encode())
        with csv.CSVWriter(stream, schema, write_options=plain) as writer:
            for frame in frames:
                writer.write_table(pa.table(_checked(frame, path, rows), schema))
                rows += len(frame)
    return rows


def _checked(frame: pd.DataFrame, path: Path, first: int) -> dict[str, NDArray[Any]]:
    """The columns of a part of a log that begins at row ``first``, as they are written."""
    _check_names(path, tuple(map(str, frame.columns)))
    arrays = {}
    for column in COLUMNS:
        values = frame[column.name].to_numpy()
        wrong = np.flatnonzero(~_holds(column, values)) if values.dtype.kind in "iufb" else np.arange(len(values))
        if wrong.size:
            raise LogError(
                f"{path}: row {first + wrong[0]}, column '{column.name}' of the table is {values[wrong[0]]!s}, "
                f"expected {column.expects}. Nothing was written."
            )
        arrays[column.name] = values.astype(column.dtype, copy=False)
    return arrays


def _holds(column: Column, values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which numbers a column may hold."""
    fine = (values >= 0) & (values <= column.most)
    return fine & (values == np.floor(values)) if column.dtype is np.int64 else fine


def _parse(text: bytes, layout: Layout, names: Sequence[str]) -> pd.DataFrame | None:
    """Whole lines as a frame; None where anything is wrong."""
    try:
        table = csv.read_csv(
            pa.BufferReader(text),
            csv.ReadOptions(column_names=list(layout.names)),
            csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(
                include_columns=list(names), column_types=dict.fromkeys(names, pa.float64()), null_values=[]
            ),
        )
    except pa.ArrowInvalid:
        return None
    arrays = {column.name: table[column.name].to_numpy() for column in layout.numbers}
    if not all(_holds(column, arrays[column.name]).all() for column in layout.numbers):
        return None
    return pd.DataFrame({column.name: arrays[column.name].astype(column.dtype) for column in layout.numbers})


def _layout(path: Path) -> Layout:
    """The columns in the order of line 1."""
    names = _names(first_lines(path)[0])
    _check_names(path, names)
    return Layout(names, COLUMNS, ",", header=True)


def _names(line: str) -> tuple[str, ...]:
    return tuple(name.strip().strip('"') for name in line.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").split(","))


def _check_names(path: Path, names: Sequence[str]) -> None:
    missing = [name for name in NAMES if name not in names]
    if missing:
        raise LogError(
            f"{path}: column{'s' * (len(missing) > 1)} missing from the AuctionNet log: {', '.join(missing)}. "
            "Add them; their order doesn't matter."
        )
    twice = [name for name in NAMES if names.count(name) > 1]
    if twice:
        raise LogError(f"{path}: column '{twice[0]}' is there twice. Remove one of them.")
