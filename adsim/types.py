"""What travels between the floors: tuples of arrays, each with its shape and unit.

``n`` campaigns, ``T`` opportunities, ``K`` slots. Money is in the market's currency; a price is per exposure.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]


class Clearing(NamedTuple):
    """The outcome of a batch of auctions."""

    winners: Ints
    """Campaign in each slot, -1 where the slot is unsold; (T, K), or (tiles, K, B) for tiled bids."""
    prices: Floats
    """Price per exposure, 0 where unsold; same shape."""


class Constraints(NamedTuple):
    """What the campaigns of one agent want and may not break; arrays of shape (n,)."""

    value_per_conversion: Floats
    maximizes_value: NDArray[np.bool_]
    """True for a value maximizer, False for a utility maximizer (value - spend)."""
    budget: Floats
    """Money for the period; inf without a budget."""
    target_roi: Floats
    """Value to spend, at least; 0 without a target."""
    stock: Floats
    """Units that can be delivered in the period; inf without a limit."""
    stock_unit: Floats
    """Money of sales that is one unit of stock; 0 where a conversion is one, whatever it is worth."""


class History(NamedTuple):
    """Averages over an earlier log of the same traffic, known to every bidder."""

    average_value: float
    """Mean predicted value of an opportunity (for a click log: the average CTR)."""
    cost_per_conversion: float
    """Money paid per conversion (for a click log: per click)."""
    price_share: Floats | None = None
    """Probability of each whole market price from 0 to the highest bid, (P + 1,); None where it is not known."""
    value_share: Floats | None = None
    """What an opportunity is predicted to be worth, rising, and how probable that is, (2, K); None where it is not
    known."""


class PublicFacts(NamedTuple):
    """What the platform tells every campaign about the market."""

    mechanism: str
    negative_bids: bool
    """Whether the mechanism takes them."""
    traffic_share: Floats
    """Expected share of the period's opportunities in each tick; (ticks,), sums to 1."""
    opportunities: int
    """Of the period."""
    history: History | None


class Totals(NamedTuple):
    """Sums over auctions won; arrays of shape (n,)."""

    wins: Floats
    exposures: Floats
    clicks: Floats
    conversions: Floats
    value: Floats
    """Value of the conversions."""
    predicted_value: Floats
    """Predicted value of the exposures."""
    spend: Floats
    experience: Floats
    """User-experience score of the exposures."""


class Observation(NamedTuple):
    """What an agent knows before a tick, of its own campaigns only."""

    tick: int
    last: Totals
    """Over the last tick."""
    total: Totals
    """Since the period began."""
    score_to_beat: Floats
    """Mean over the last tick's opportunities of the score that would have won a slot against the others; (n,).

    Where scores are bids, this is the price to beat. NaN before the first tick and after one without opportunities.
    """
    budget_left: Floats
    stock_left: Floats


class Hindsight(NamedTuple):
    """The truth about one campaign against posted prices; given to agents that declare `privileged`, no others."""

    predicted_value: Floats
    """What a uniform bid is proportional to; (T,)."""
    value: Floats
    """True expected value of an exposure; (T,)."""
    price: Floats
    """Bid to beat; (T,)."""
    cost: Floats
    """Expected charge for a win; (T,)."""
