"""States, actions and rewards of every advertiser and tick, from an AuctionNet log: what its learners are trained on.

The table of Su et al. (2024, arXiv 2412.10798), a row per period, advertiser and tick in which it saw opportunities.
`STATE` are the 16 features, known before the tick; ``_all`` are means over the ticks before, of means within a tick,
and ``_last_3`` those of the last three of them, 0 before the first:

====================================  ==============================================================
time_left                             share of the ticks that are left, this one included
budget_left                           remainingBudget / budget
bid, least_winning_cost, p_value,     means of bid, leastWinningCost, pValue, conversionAction and xi
conversion, win (_all and _last_3)
p_value                               mean pValue of the tick's own opportunities
volume, volume_last_3, volume_all     opportunities of the tick, of the three before and of all before
====================================  ==============================================================

``action`` is sum(bid) / sum(pValue) of the tick, 0 where that is not a number; ``reward`` its conversions,
``reward_continuous`` the sum of pValue over exposures, ``done`` the log's isEnd.
The agents published with AuctionNet compute the five ``_last_3`` means from the *first* three ticks, an oversight
that its training table has not, nor this one.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from adsim.errors import LogError
from adsim.logs.auctionnet import CAMPAIGN
from adsim.logs.writing import written

STATE = (
    "time_left",
    "budget_left",
    "bid_all",
    "bid_last_3",
    "least_winning_cost_all",
    "p_value_all",
    "conversion_all",
    "win_all",
    "least_winning_cost_last_3",
    "p_value_last_3",
    "conversion_last_3",
    "win_last_3",
    "p_value",
    "volume",
    "volume_last_3",
    "volume_all",
)
"""The features in AuctionNet's order."""
_SUMS = {
    "bid": "bid",
    "leastWinningCost": "least_winning_cost",
    "pValue": "p_value",
    "conversionAction": "conversion",
    "xi": "win",
}
"""Columns of a log, and how the features of their means begin."""
_TICK = [*CAMPAIGN, "timeStepIndex"]


def states(frames: Iterable[pd.DataFrame], ticks: int | None = None) -> pd.DataFrame:
    """The table of a log that is read once.

    Parameters
    ----------
    frames : iterable of DataFrame
        Parts of a log, see `adsim.logs.auctionnet.AuctionNetLog.frames`, of whole periods; in any order.
    ticks : int, optional
        In a period; one more than the highest timeStepIndex unless given.

    Returns
    -------
    pandas.DataFrame
        In the order of periods, advertisers and ticks: deliveryPeriodIndex, advertiserNumber,
        advertiserCategoryIndex, budget, CPAConstraint, realAllCost and realAllConversion (of the period),
        timeStepIndex, the 16 of `STATE`, action, reward, reward_continuous, done.

    Raises
    ------
    LogError
        When ``ticks`` is too small, or there are no rows.
    """
    parts = [_sums(frame) for frame in frames]
    if not parts:
        raise LogError("a log without rows has no states.")
    sums = pd.concat(parts).groupby(_TICK).agg({name: _MERGE.get(name, "sum") for name in parts[0].columns})
    table = sums.reset_index()
    highest = int(table["timeStepIndex"].max())
    ticks = highest + 1 if ticks is None else ticks
    if ticks <= highest:
        raise LogError(f"ticks = {ticks}: the log has timeStepIndex {highest}, so there are {highest + 1} at least.")
    groups = table.groupby(CAMPAIGN, sort=False)
    found = table[CAMPAIGN].copy()
    found["realAllCost"] = groups["spend"].transform("sum")
    found["realAllConversion"] = groups["conversionAction"].transform("sum")
    found["timeStepIndex"] = table["timeStepIndex"]
    state = _state(table, ticks)
    found[list(STATE)] = state[list(STATE)]
    worth = table["pValue"].to_numpy()
    found["action"] = np.divide(table["bid"], worth, out=np.zeros(len(table)), where=worth > 0)
    found["reward"] = table["conversionAction"]
    found["reward_continuous"] = table["shown_value"]
    found["done"] = table["isEnd"]
    return found


_MERGE = {"remainingBudget": "first", "isEnd": "max"}


def _sums(frame: pd.DataFrame) -> pd.DataFrame:
    """Sums over each campaign's rows of a tick, in one part of a log."""
    rows = frame.assign(
        volume=1,
        spend=frame["cost"] * frame["isExposed"],
        shown_value=frame["pValue"] * frame["isExposed"],
    )
    totals = dict.fromkeys([*_SUMS, "volume", "spend", "shown_value"], "sum")
    return rows.groupby(_TICK).agg({**totals, **_MERGE})


def _state(table: pd.DataFrame, ticks: int) -> pd.DataFrame:
    """The features; ``table`` has the sums of each campaign's ticks in their order."""
    keys = [table[name] for name in CAMPAIGN]
    step, volume = table.groupby(CAMPAIGN, sort=False).cumcount(), table["volume"].astype(np.float64)
    state = pd.DataFrame({"time_left": (ticks - table["timeStepIndex"]) / ticks})
    budget = table["budget"].to_numpy()
    state["budget_left"] = np.divide(table["remainingBudget"], budget, out=np.zeros(len(table)), where=budget > 0)
    for column, name in _SUMS.items():
        mean = table[column] / volume
        before, last = _before(mean, keys)
        state[f"{name}_all"] = before / step.clip(lower=1)
        state[f"{name}_last_3"] = last / step.clip(1, 3)
    state["p_value"] = table["pValue"] / volume
    state["volume"] = volume
    state["volume_all"], state["volume_last_3"] = _before(volume, keys)
    return state


def _before(
    values: "pd.Series[float]", keys: "list[pd.Series[float]]"
) -> "tuple[pd.Series[float], pd.Series[float]]":
    """Sums of a campaign's earlier ticks: of all, and of the last three."""
    groups = values.groupby(keys, sort=False)
    before = groups.cumsum().groupby(keys, sort=False).shift(1, fill_value=0)
    last = sum((groups.shift(lag, fill_value=0) for lag in (1, 2, 3)), start=0 * values)
    return before, last


def next_states(table: pd.DataFrame) -> pd.DataFrame:
    """The features of each campaign's next tick; NaN where it is done, or has none."""
    features = list(STATE)
    following = table.groupby(CAMPAIGN, sort=False)[features].shift(-1)
    return following.where(table["done"] == 0)


def write_states(path: str | Path, table: pd.DataFrame) -> None:
    """Write the table; a path that ends in .parquet gets its columns, any other AuctionNet's published CSV.

    There ``state`` and ``next_state`` are tuples written as text, the latter empty where there is none. Compressed if
    the path ends in .gz.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    path = Path(path)
    with written(path) as stream:
        if path.suffix == ".parquet":
            table.to_parquet(stream, index=False)
        else:
            published(table).to_csv(stream, index=False, lineterminator="\n")


def published(table: pd.DataFrame) -> pd.DataFrame:
    """The table with ``state`` and ``next_state`` as tuples, None where there is no next one."""
    features = list(STATE)
    following = next_states(table)
    plain = table.drop(columns=features)
    place = plain.columns.get_loc("action")
    plain.insert(place, "state", _tuples(table[features]))  # type: ignore[arg-type]
    known = following.notna().all(axis=1)
    after = pd.Series(_tuples(following), table.index, dtype=object)
    return plain.assign(next_state=after.where(known, None))


def _tuples(table: pd.DataFrame) -> list[tuple[float, ...]]:
    return list(table.itertuples(index=False, name=None))
