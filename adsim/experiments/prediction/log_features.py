"""A recorded log as rows of features: its categorical columns hashed, its lists of tags as 0 and 1."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adsim.errors import LogError
from adsim.logs import Log, open_log
from adsim.predictors.features import Field, Rows, Schema, concatenate, make_rows

CONTEXT = (
    "weekday",
    "hour",
    "useragent",
    "IP",
    "region",
    "city",
    "adexchange",
    "domain",
    "slotid",
    "slotwidth",
    "slotheight",
    "slotvisibility",
    "slotformat",
    "slotprice",
)
AD = ("creative", "advertiser")
"""Columns that are known before an auction; what was bid and paid, and what is unique to a row, are none."""
TAGS, TAG_BUCKETS = "usertag", 64
"""A column of lists, and the numeric features that each tag is hashed to."""
VALUES = 1 << 16
"""Values that a column is hashed to."""
SCHEMA = Schema(
    tuple(Field(name, VALUES) for name in CONTEXT),
    tuple(Field(name, VALUES) for name in AD),
    context_numbers=TAG_BUCKETS,
)


class ClickRows(NamedTuple):
    """A log to learn from, in its order."""

    rows: Rows
    click: NDArray[np.bool_]
    price: NDArray[np.int64]
    """Market price, see `adsim.logs.base.Impressions`."""


def read_click_rows(path: str | Path, clicks: str | Path | None = None) -> ClickRows:
    """The features and clicks of a log.

    Parameters
    ----------
    path : str or Path
        A raw or standardised iPinYou log.
    clicks : str or Path, optional
        The click log that belongs to raw impressions.

    Returns
    -------
    ClickRows

    Raises
    ------
    LogError
        When the file cannot be read, holds no features or no clicks, or a row is wrong.
    """
    parameters: dict[str, Any] = {} if clicks is None else {"clicks": clicks}
    log = open_log(path, **parameters)
    parts = [_read(log, frame) for frame in log.frames()]
    return ClickRows(
        concatenate([part.rows for part in parts]),
        np.concatenate([part.click for part in parts]),
        np.concatenate([part.price for part in parts]),
    )


def _read(log: Log, frame: pd.DataFrame) -> ClickRows:
    frame = _with_time(frame)
    missing = [name for name in (*CONTEXT, *AD, TAGS, "click", "payprice") if name not in frame]
    if missing:
        raise LogError(
            f"{log.path}: column '{missing[0]}' is missing ({type(log).description}): a predictor learns from a "
            "standardised iPinYou log, or from raw impressions with their click log."
        )
    ids = np.stack([hashed(frame[name]) for name in (*CONTEXT, *AD)], axis=1)
    rows = make_rows(SCHEMA, ids, numbers=_tags(frame[TAGS]))
    return ClickRows(rows, frame["click"].to_numpy(bool), frame["payprice"].to_numpy(np.int64))


def _with_time(frame: pd.DataFrame) -> pd.DataFrame:
    """Weekday and hour from the time stamp, yyyyMMddHH..., where a raw log lacks them."""
    if "hour" in frame or "timestamp" not in frame:
        return frame
    day = pd.to_datetime(frame["timestamp"].str[:8], format="%Y%m%d", errors="coerce")
    return frame.assign(weekday=day.dt.strftime("%w").fillna("null"), hour=frame["timestamp"].str[8:10])


def hashed(column: "pd.Series[str]") -> NDArray[np.int32]:
    """Values of a column as numbers from 0 to 65,535, the same in every process; (n,)."""
    return np.asarray(pd.util.hash_pandas_object(column.astype(str), index=False) % VALUES, np.int32)


def _tags(column: "pd.Series[str]") -> NDArray[np.float32]:
    """1 where a row has a tag that is hashed to the bucket; (n, 64)."""
    lists = column.where(column != "null", "").str.split(",")
    tags = lists.explode()
    kept = tags[tags.notna() & (tags != "")]
    found = np.zeros((len(column), TAG_BUCKETS), np.float32)
    place = pd.Series(np.arange(len(column)), index=column.index)
    found[place.loc[kept.index], hashed(kept) % TAG_BUCKETS] = 1
    return found
