"""A price for every opportunity from a table of what the budget left is worth later.

Cai et al., "Real-Time Bidding by Reinforcement Learning in Display Advertising" (WSDM 2017, arXiv 1701.02490).
"""

from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim.agents.base import Agent, require_count
from adsim.errors import AgentError
from adsim.kernels.spread_table import fill_spread
from adsim.kernels.table_bids import table_bids
from adsim.kernels.value_table import TILE, fill_values
from adsim.types import Constraints, Floats, History, Observation, PublicFacts

ROWS = 1000
LARGEST = 2**29
"""Numbers in a table: 4 GB."""
AVERAGE, SPREAD = "average", "spread"
"""What a table takes later opportunities to be worth: all the average, as in the paper, or each another value."""
SPARE = 2
"""Beyond the table's opportunities, columns for budgets per opportunity up to so many times that at the start."""


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
        self.highest = share.size - 1
        size = min(opportunities, rows)
        money = budget if size == opportunities else -(-SPARE * budget * size // opportunities)
        columns = min(money, budget, self.highest * (size - 1)) + 1
        if size * columns > LARGEST:
            raise AgentError(
                f"a value table of {size:,} opportunities and budgets up to {columns - 1:,} is above 4 GB. "
                "Lower the budget, or the table's rows (rows=...), or count prices in a larger unit."
            )
        self.values = np.empty((size, columns))
        if values == SPREAD:
            _fill_spread(share, values_known(history), self.values)
        else:
            fill_values(share, history.average_value, np.empty(columns, np.int64), self.values)

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
        table_bids(self.values, self.highest, later, left, np.atleast_1d(np.asarray(value, np.float64)), bid)
        return bid


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


def require_values(values: str) -> str:
    """Pass a parameter through, or say what is wrong with it.

    Raises
    ------
    AgentError
        When it is neither.
    """
    if values not in (AVERAGE, SPREAD):
        raise AgentError(f"values = {values!r}: must be {AVERAGE} or {SPREAD}.")
    return values


def _fill_spread(share: Floats, value_share: Floats, values: Floats) -> None:
    value, chance = np.ascontiguousarray(value_share, np.float64)
    above = np.zeros((2, value.size + 1))
    above[:, :-1] = np.array([chance, chance * value])[:, ::-1].cumsum(axis=1)[:, ::-1]
    loss = np.empty(TILE)
    fill_spread(share, value, value.view(np.int64), chance, above, loss, loss.view(np.int64), values)


_TABLES: WeakValueDictionary[object, ValueTable] = WeakValueDictionary()
"""Those in use: bidders with the same beliefs share one."""


class TableBidder(Agent):
    """RLB: bids up to the price at which winning stops being worth what the money brings later.

    Exact for independent prices and values that all have the average value later, or are independent of them and of
    each other.

    Parameters
    ----------
    rows, values
        See `ValueTable`.

    Raises
    ------
    AgentError
        On reset, without a budget or the market's prices; in `act`, which sets multipliers: it plays where every
        opportunity has a price of its own, in log replays and in ``adsim/Impression-v0``.
    """

    def __init__(self, rows: int = ROWS, values: str = AVERAGE) -> None:
        self.rows, self.values = require_count("rows", rows), require_values(values)

    def reset(self, constraints: Constraints, market: PublicFacts) -> None:
        """Find the table of the campaign."""
        super().reset(constraints, market)
        if len(constraints.budget) != 1 or not np.isfinite(constraints.budget[0]):
            raise AgentError("a value table is that of one campaign with a budget: give it one.")
        share, budget = prices_known(market.history), int(constraints.budget[0])
        assert market.history is not None
        self.average = market.history.average_value
        spread = values_known(market.history).tobytes() if self.values == SPREAD else None
        key = self.average, share.tobytes(), spread, market.opportunities, budget, self.rows
        table = _TABLES.get(key)
        if table is None:
            terms = market.opportunities, budget, self.rows, self.values
            table = _TABLES[key] = ValueTable(market.history, *terms)
        self.table = table

    def worth(self, value: Floats) -> Floats:
        """What opportunities of predicted ``value`` are taken to be worth; (T,)."""
        return value

    def act(self, observation: Observation) -> Floats:
        """Refuse: no multiplier of a tick gives these bids."""
        raise AgentError(
            "rlb and ss_mdp price every opportunity by the budget left: they play in log replays and in "
            "adsim/Impression-v0, not in markets whose agents act once a tick."
        )


class AverageTableBidder(TableBidder):
    """SS-MDP: bids from the same table, as if every opportunity had the average value.

    As Cai et al. compare it; after Amin et al., "Budget Optimization for Sponsored Search: Censored Learning in MDPs"
    (UAI 2012).

    Parameters
    ----------
    rows : int
        See `ValueTable`.
    """

    def __init__(self, rows: int = ROWS) -> None:
        super().__init__(rows)

    def worth(self, value: Floats) -> Floats:
        """The average value of the market's history."""
        return np.full(value.shape, self.average)
