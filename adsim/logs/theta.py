"""The log of bid-optimisation experiments: rows of ``click price pctr``, with a click model's predictions.

The format of the iPinYou campaigns published with Cai et al., "Real-Time Bidding by Reinforcement Learning in
Display Advertising" (WSDM 2017): separated by spaces or tabs, no header, prices per 1,000 impressions.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
from numpy.typing import NDArray

from adsim.errors import LogError
from adsim.logs.base import (
    BLOCK,
    CLICK,
    PCTR,
    PRICE,
    REAL,
    Impressions,
    Layout,
    Log,
    Statistics,
    read_table,
)
from adsim.logs.writing import written

LAYOUT = Layout(("click", "price", "pctr"), (CLICK, PRICE, PCTR), separator=None, header=False)
INFO_KEYS = ("imp_train", "clk_train", "cost_train")
PRICES_KEY = "price_counter_train"


class ThetaLog(Log):
    """Rows of ``click price pctr``; pctr is read to the nearest double."""

    description: ClassVar[str] = "rows of 'click price pctr', separated by spaces or tabs"

    @staticmethod
    def matches(lines: Sequence[str]) -> bool:
        """Whether a line has three fields, numbers among them."""
        rows = [line.split() for line in lines]
        return any(len(row) == len(LAYOUT.names) and any(re.fullmatch(REAL, field) for field in row) for row in rows)

    def impressions(self, block: int = BLOCK) -> Iterator[Impressions]:
        """Clicks, prices and predictions; see `Log.impressions`."""
        for frame in self.frames(block):
            yield Impressions(frame["click"].to_numpy(bool), frame["price"].to_numpy(), frame["pctr"].to_numpy())

    def frames(self, block: int = BLOCK) -> Iterator[pd.DataFrame]:
        """Columns click and price (int64) and pctr (float64); see `Log.frames`."""
        return read_table(self.path, LAYOUT, LAYOUT.names, block)


def read_info(path: str | Path) -> tuple[Statistics, Counter[int]]:
    """The totals of a training log, and how often it had each price, from the JSON file that comes with such a log.

    Prices are the list price_counter_train, counts of 0, 1, ...; none are known without it.

    Raises
    ------
    LogError
        When imp_train, clk_train or cost_train is missing or not a positive number, or the prices are no counts.
    """
    try:
        info = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror}). Check the path.") from None
    except ValueError as error:
        raise LogError(f"{path}: not a JSON file ({error}).") from None
    if not isinstance(info, dict):
        raise LogError(f"{path}: expected a JSON object with the keys {', '.join(INFO_KEYS)}.")
    return Statistics(*(_positive(path, info, key) for key in INFO_KEYS)), _price_counts(path, info)


def write(path: Path, click: NDArray[Any], price: NDArray[Any], pctr: NDArray[Any]) -> None:
    """Write rows of ``click price pctr``; a path that ends in .gz is compressed.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    rows = "".join(f"{c} {p} {r!r}\n" for c, p, r in zip(click.tolist(), price.tolist(), pctr.tolist(), strict=True))
    with written(path) as stream:
        stream.write(rows.encode())


def _positive(path: str | Path, info: dict[str, Any], key: str) -> float:
    if key not in info:
        raise LogError(f"{path}: the key '{key}' is missing. Needed are {', '.join(INFO_KEYS)}.")
    number = info[key]
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number < float("inf"):
        raise LogError(f"{path}, key '{key}': expected a positive number, found {json.dumps(number)}.")
    return number


def _price_counts(path: str | Path, info: dict[str, Any]) -> Counter[int]:
    counts = info.get(PRICES_KEY, [])
    if not isinstance(counts, list):
        raise LogError(f"{path}, key '{PRICES_KEY}': expected a list of counts, found {json.dumps(counts)[:40]}.")
    for price, count in enumerate(counts):
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count < 2**53:
            raise LogError(
                f"{path}, key '{PRICES_KEY}', price {price}: expected a whole number of at least 0, "
                f"found {json.dumps(count)}."
            )
    return Counter(dict(enumerate(counts)))
