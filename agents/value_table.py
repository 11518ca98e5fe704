"""What a budget is worth later, as the bidders of single opportunities need it: all of it, or in few numbers.

Cai et al., "Real-Time Bidding by Reinforcement Learning in Display Advertising" (WSDM 2017, arXiv 1701.02490).
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim.errors import AgentError
from adsim.kernels.spread_table import fill_spread
from adsim.kernels.table_bids import Table, table_bids
from adsim.kernels.value_table import TILE, fill_values
from adsim.types import Floats, History

ROWS = 1000
LARGEST = 2**29
"""Numbers in a table: 4 GB."""
AVERAGE, SPREAD = VALUES = "average", "spread"
"""What a table takes later opportunities to be worth: all the average, as in the paper, or each another value."""
EXACT, COMPACT = "exact", "compact"
SPARE = 2
"""Beyond the table's opportunities, columns for budgets per opportunity up to so many times that at the start."""
CELLS = 256
"""Budgets per opportunity that a compact table knows."""
DENSE, STEP = 8, 1.15
"""Opportunities left that it knows: all up to the first, then each so many times the last."""


class ValueTable:
    """Expected value of ``n`` opportunities with budget ``b``, for whole prices; see `adsim.kernels.value_table`.

    Parameters
    ----------
    history : History
        Average value of an opportunity and the probabilities of market prices.
    opportunities : int
        Of an episode (N).
    budget : int
        Of an episode, in the unit of the prices (B).
    rows : int
        Where N is larger, states with more opportunities left bid as the one of the last row with the same budget per
        opportunity.
    values : {"average", "spread"}
        Whether later opportunities are all worth the average, or differ as the history's do; see
        `adsim.kernels.spread_table`.

    Attributes
    ----------
    table : Table
        What kernels bid by.

    Raises
    ------
    AgentError
        When the probabilities are not known, or the table is too large.
    """

    def __init__(
        self, history: History, opportunities: int, budget: int, rows: int = ROWS, values: str = AVERAGE
    ) -> None:
        share = np.ascontiguousarray(prices_known(history), np.float64)
        if not history.average_value > 0:
            raise AgentError(f"a value table needs an average value above 0, not {history.average_value:g}.")
        highest, size = share.size - 1, min(opportunities, rows)
        money = budget if size == opportunities else -(-SPARE * budget * size // opportunities)
        columns = min(money, budget, highest * (size - 1)) + 1
        fill = _filler(share, history, columns, values)
        self.table = self._make(fill, highest, size, columns)

    def _make(self, fill: "Filler", highest: int, size: int, columns: int) -> Table:
        if size * columns > LARGEST:
            raise AgentError(
                f"a value table of {size:,} opportunities and budgets up to {columns - 1:,} is above 4 GB. "
                "Lower the budget or the table's rows (rows=...), count prices in a larger unit or set table=compact."
            )
        values = np.zeros((size, columns))
        fill(values, 0)
        return Table(highest, values, np.zeros(0), np.zeros((0, 0)))

    def bids(self, later: ArrayLike, left: ArrayLike, value: ArrayLike) -> NDArray[np.int64]:
        """Whole prices to bid, shape (E,).

        Parameters
        ----------
        later : array of int, shape (E,)
            Opportunities after the one on offer.
        left : array of int, shape (E,)
            Budget left, in the unit of the prices.
        value : array, shape (E,)
            Of the opportunity on offer.
        """
        later, left = np.atleast_1d(np.asarray(later, np.int64)), np.atleast_1d(np.asarray(left, np.int64))
        bid = np.empty(later.size, np.int64)
        table_bids(self.table, later, left, np.atleast_1d(np.asarray(value, np.float64)), bid)
        return bid


class CompactTable(ValueTable):
    """What another unit of money is worth, D(n, b) = V(n, b + 1) - V(n, b), at few points, instead of all of V.

    Parameters as of `ValueTable`. The rows are computed one after the other, two at a time in memory. Beyond the
    last, D is extrapolated in 1 / sqrt(n) from it and from the one of half as many opportunities (ours).
    """

    def _make(self, fill: "Filler", highest: int, size: int, columns: int) -> Table:
        last = max(size - 1, 2)
        known = [n for n in range(1, last) if n <= DENSE]
        while known[-1] < last:
            known.append(min(max(known[-1] + 1, round(STEP * known[-1])), last))
        known = sorted({*known, last // 2})
        pair, gains = np.zeros((2, columns)), [np.zeros(CELLS)]
        ends = highest * (np.arange(CELLS + 1) / CELLS) ** 2
        for n in range(1, last + 1):
            fill(pair, n - 1)
            pair[0] = pair[1]
            if n in known:
                gains.append(_slopes(pair[0], n * ends, gains[-1]))
        half, point = gains[known.index(last // 2) + 1], 1 / np.sqrt(known)
        beyond = point[-1] / (1 / np.sqrt(last // 2) - point[-1])
        gains.append(np.maximum(gains[-1] + beyond * (gains[-1] - half), 0.0))
        return Table(highest, np.zeros((0, 0)), np.append(point, 0.0), np.array(gains[1:]))


def _slopes(row: Floats, ends: Floats, before: Floats) -> Floats:
    """Of a row of V between budgets, (C + 1,); beyond the row those of the row ``before``, (C,); (C,)."""
    ends = np.minimum(ends, row.size - 1)
    width = np.diff(ends)
    slopes = np.diff(np.interp(ends, np.arange(row.size), row)) / np.where(width > 0, width, 1)
    return np.where(width > 0, slopes, before)


TABLES = {EXACT: ValueTable, COMPACT: CompactTable}

Filler = Callable[[Floats, int], None]
"""Fills a part of V, see `adsim.kernels.value_table.fill_values`."""


def _filler(share: Floats, history: History, columns: int, values: str) -> Filler:
    if values == AVERAGE:
        bid = np.empty(columns, np.int64)
        return lambda rows, first: fill_values(share, history.average_value, bid, rows, first)
    value, chance = np.ascontiguousarray(values_known(history), np.float64)
    above, loss = np.zeros((2, value.size + 1)), np.empty(TILE)
    above[:, :-1] = np.array([chance, chance * value])[:, ::-1].cumsum(axis=1)[:, ::-1]
    known = share, value, value.view(np.int64), chance, above, loss, loss.view(np.int64)
    return lambda rows, first: fill_spread(*known, rows, first)


def prices_known(history: History | None) -> Floats:
    """Probabilities of the market's prices, shape (P + 1,).

    Raises
    ------
    AgentError
        When they are not known.
    """
    if history is None or history.price_share is None:
        raise AgentError(
            "a value table needs the market's prices, which are not known here. Replay a log with a training log "
            "(train=PATH), or with totals that hold price_counter_train (info=PATH); bids above 1,000,000 have none."
        )
    return history.price_share


def values_known(history: History) -> Floats:
    """Values and their probabilities, shape (2, K).

    Raises
    ------
    AgentError
        When they are not known.
    """
    if history.value_share is None:
        raise AgentError(
            "values=spread needs the predicted click rates of earlier opportunities, which are not known here. "
            "Replay a log with a training log that has them (train=PATH)."
        )
    return history.value_share


def require_choice(name: str, value: str, choices: Sequence[str]) -> str:
    """Pass a parameter through, or say what is wrong with it.

    Raises
    ------
    AgentError
        When it is none of the choices.
    """
    if value not in choices:
        raise AgentError(f"{name} = {value!r}: must be {' or '.join(choices)}.")
    return value
