"""RLB in `adsim/Impression-v0`: from observations and info to actions, by a value table.

Cai et al., "Real-Time Bidding by Reinforcement Learning in Display Advertising" (WSDM 2017, arXiv 1701.02490).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from adsim.agents.base import require_count, require_positive
from adsim.agents.value_table import AVERAGE, EXACT, ROWS, TABLES, VALUES, ValueTable, prices_known, require_choice
from adsim.envs.impression import ImpressionEnv, ImpressionVectorEnv
from adsim.envs.impression_engine import LogEngine
from adsim.envs.impression_state import TIME
from adsim.envs.lockstep import Observations
from adsim.errors import EnvError
from adsim.types import Floats, History


class TablePolicy:
    """Bids up to the price at which winning stops being worth what the money brings later.

    Parameters
    ----------
    env : ImpressionEnv, ImpressionVectorEnv, or one of them in wrappers
        Its observations and info must come as they are; only the engine's public terms are read.
    history : History, optional
        Average predicted value, in the money of ``info["offered_value"]``, and the probabilities of whole market
        prices. On a log those of its statistics unless given.
    unit : float
        Money that is a price of 1; 1 on a log.
    rows, values, table
        See `adsim.agents.table_bidder.TableBidder`. The table is made when the first bid is asked for, and again for
        a larger budget.

    Raises
    ------
    EnvError
        When the env is another, charges bids, or has no history.
    AgentError
        When the history has no prices, or a parameter is impossible.
    """

    def __init__(
        self,
        env: Any,
        history: History | None = None,
        unit: float = 1.0,
        rows: int = ROWS,
        values: str = AVERAGE,
        table: str = EXACT,
    ) -> None:
        inner = env.unwrapped
        if not isinstance(inner, ImpressionEnv | ImpressionVectorEnv):
            raise EnvError(f"{type(inner).__name__}: a value table bids for single opportunities, in Impression-v0.")
        if history is None and isinstance(inner.engine, LogEngine):
            history = inner.engine.tape.history
        if history is None:
            raise EnvError("a scenario tells no earlier prices: give history=History(..., price_share=...).")
        if inner.engine.terms.pays_bid:
            raise EnvError("a value table bids what winning is worth, which suits prices that others set, not bids.")
        prices_known(history)
        self.history, self.unit, self.rows = history, require_positive("unit", unit), require_count("rows", rows)
        self.opportunities, self.highest = inner.engine.terms.opportunities, inner.max_price
        self.values = require_choice("values", values, VALUES)
        self.kind = TABLES[require_choice("table", table, list(TABLES))]
        self._budget = -1
        self._table: ValueTable | None = None

    def __call__(self, observation: Observations, info: dict[str, Any]) -> Floats:
        """Actions for observations (F,) or (E, F) and the info that came with them; (1,) or (E, 1)."""
        later = np.rint(observation[..., TIME].astype(float) * self.opportunities).astype(np.int64) - 1
        left = np.floor(np.atleast_1d(info["budget_left"]) / self.unit)
        if not np.isfinite(left).all():
            raise EnvError("a value table is that of a budget: give the campaign one.")
        bids = self._table_for(left.astype(np.int64)).bids(later.clip(0), left, info["offered_value"])
        return (bids * self.unit / self.highest).reshape((*observation.shape[:-1], 1))

    def _table_for(self, left: NDArray[np.int64]) -> ValueTable:
        if self._table is None or left.max() > self._budget:
            self._budget = int(left.max())
            self._table = self.kind(self.history, self.opportunities, self._budget, self.rows, self.values)
        return self._table
