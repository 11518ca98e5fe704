"""A price for every opportunity from a table of what the budget left is worth later.

Cai et al., "Real-Time Bidding by Reinforcement Learning in Display Advertising" (WSDM 2017, arXiv 1701.02490).
"""

from weakref import WeakValueDictionary

import numpy as np

from adsim.agents.base import require_count
from adsim.agents.estimates import start_multiplier
from adsim.agents.rule import VALUE_TABLE, Rule, cost_known, row
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
from adsim.kernels.jit import inline
from adsim.kernels.table_prices import LAST
from adsim.types import Constraints, Floats, PublicFacts

COST = 0
"""Parameter of the rule."""


@inline
def decide(seen, n, parameters, memory):
    """What stands until the next opportunity is priced; see `adsim.kernels.table_prices`."""
    return memory[LAST] if memory[LAST] > 0 else start_multiplier(seen, n, parameters[COST])


_TABLES: WeakValueDictionary[object, ValueTable] = WeakValueDictionary()
"""Those in use: bidders with the same beliefs share one."""


class TableBidder(Rule):
    """RLB: bids up to the price at which winning stops being worth what the money brings later.

    Exact for independent prices and values that all have the average value later, or are independent of them and of
    each other.

    In a log replay the table is that of the history. In a live market the campaign prices every opportunity as well,
    by a compact table that is computed for the rest of the period whenever a tick begins, from all bids to beat and
    predicted values so far (ours; see `adsim.market.table_pricing`). The bid to beat is that of the last slot, so the
    rule suits auctions that charge it. It holds a budget, not a target ROI; a utility maximizer never bids above the
    value. In the first tick it bids as others start: the cost per conversion of the market's history, else what the
    target ROI affords, else the value.

    Parameters
    ----------
    rows, values
        See `ValueTable`.
    table : {"exact", "compact"}
        `ValueTable`, or a `CompactTable` for episodes whose table would be large.

    Raises
    ------
    AgentError
        On reset, without a budget; in a replay, without the market's prices.
    """

    number = VALUE_TABLE
    every = 1
    sees_value = True
    """Whether a bid depends on what the opportunity is predicted to be worth."""

    def __init__(self, rows: int = ROWS, values: str = AVERAGE, table: str = EXACT) -> None:
        self.rows, self.values = require_count("rows", rows), require_choice("values", values, VALUES)
        self.kind = TABLES[require_choice("table", table, list(TABLES))]

    def check(self, constraints: Constraints, market: PublicFacts) -> None:
        """Refuse a campaign without a budget."""
        if not np.all(np.isfinite(constraints.budget)):
            raise AgentError("a value table is that of a budget: give the campaign one.")

    def parameters(self, market: PublicFacts) -> Floats:
        """See `Rule.parameters`."""
        return row({COST: cost_known(market)})

    def reset(self, constraints: Constraints, market: PublicFacts) -> None:
        """Find the table of a replay's campaign."""
        super().reset(constraints, market)
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


class AverageTableBidder(TableBidder):
    """SS-MDP: bids from the same table, as if every opportunity had the average value.

    As Cai et al. compare it; after Amin et al., "Budget Optimization for Sponsored Search: Censored Learning in MDPs"
    (UAI 2012).

    Parameters
    ----------
    rows, table
        See `TableBidder`.
    """

    sees_value = False

    def __init__(self, rows: int = ROWS, table: str = EXACT) -> None:
        super().__init__(rows, table=table)

    def worth(self, value: Floats) -> Floats:
        """The average value of the market's history."""
        return np.full(value.shape, self.average)
