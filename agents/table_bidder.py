"""A price for every opportunity from a table of what the budget left is worth later.

Cai et al., "Real-Time Bidding by Reinforcement Learning in Display Advertising" (WSDM 2017, arXiv 1701.02490).
"""

from weakref import WeakValueDictionary

import numpy as np

from adsim.agents.base import Agent, require_count
from adsim.agents.value_table import (
    AVERAGE,
    EXACT,
    ROWS,
    SPREAD,
    TABLES,
    VALUES,
    ValueTable,
    prices_known,
    require_choice,
    values_known,
)
from adsim.errors import AgentError
from adsim.types import Constraints, Floats, Observation, PublicFacts

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
    table : {"exact", "compact"}
        `ValueTable`, or a `CompactTable` for episodes whose table would be large.

    Raises
    ------
    AgentError
        On reset, without a budget or the market's prices; in `act`, which sets multipliers: it plays where every
        opportunity has a price of its own, in log replays and in ``adsim/Impression-v0``.
    """

    def __init__(self, rows: int = ROWS, values: str = AVERAGE, table: str = EXACT) -> None:
        self.rows, self.values = require_count("rows", rows), require_choice("values", values, VALUES)
        self.kind = TABLES[require_choice("table", table, list(TABLES))]

    def reset(self, constraints: Constraints, market: PublicFacts) -> None:
        """Find the table of the campaign."""
        super().reset(constraints, market)
        if len(constraints.budget) != 1 or not np.isfinite(constraints.budget[0]):
            raise AgentError("a value table is that of one campaign with a budget: give it one.")
        share, budget = prices_known(market.history), int(constraints.budget[0])
        assert market.history is not None
        self.average = market.history.average_value
        spread = values_known(market.history).tobytes() if self.values == SPREAD else None
        key = self.average, share.tobytes(), spread, market.opportunities, budget, self.rows, self.kind
        table = _TABLES.get(key)
        if table is None:
            terms = market.opportunities, budget, self.rows, self.values
            table = _TABLES[key] = self.kind(market.history, *terms)
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
    rows, table
        See `TableBidder`.
    """

    def __init__(self, rows: int = ROWS, table: str = EXACT) -> None:
        super().__init__(rows, table=table)

    def worth(self, value: Floats) -> Floats:
        """The average value of the market's history."""
        return np.full(value.shape, self.average)
