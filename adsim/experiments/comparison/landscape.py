"""The bid landscape of one campaign: what it would have got with higher or lower bids."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from adsim.errors import AdsimError, UnknownName
from adsim.market.market import Market
from adsim.market.result import Result

FACTORS = tuple(float(factor) for factor in 2.0 ** np.linspace(-3, 3, 25))
MOST_BIDS = 200_000_000
"""Of a market, campaigns times opportunities, that is run again for all of the factors."""
COUNTED = ("wins", "exposures", "conversions", "value", "spend", "roi")


def landscape(
    market: Market,
    campaign: str | None = None,
    *,
    factors: Sequence[float] | None = None,
    recorded: Result | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Run a market again and again, scaling the bids of one campaign; those of the others stay as they were.

    Agents that decide between auctions are played with the multipliers that they ended each tick with.

    Parameters
    ----------
    market : Market
        Run for the multipliers of every tick, then once for each factor, on the same users and clicks.
    campaign : str, optional
        Name; the campaign that spends most unless given.
    factors : sequence of float, optional
        The campaign's multipliers are scaled by each; unless given by 25 from 1/8 to 8, by every sixth of them in a
        market of more than `MOST_BIDS`.
    recorded : Result, optional
        What the market's own run gave, where it is known.
    progress : callable, optional
        Called with the numbers of runs done and to do.

    Returns
    -------
    pandas.DataFrame
        A row per factor: campaign, target_roi and budget (NaN without), factor, wins, exposures, conversions, value,
        spend, roi.

    Raises
    ------
    UnknownName
        When no campaign has that name.
    AdsimError
        When a factor is not a positive number.
    """
    names = market.campaigns.names
    if campaign is not None and campaign not in names:
        raise UnknownName("campaign", campaign, names)
    if factors is None:
        scenario = market.scenario
        factors = FACTORS if scenario.size * scenario.market.opportunities <= MOST_BIDS else FACTORS[::6]
    for factor in factors:
        if not 0 < factor < float("inf"):
            raise AdsimError(f"factor = {factor}: must be a positive number.")
    recorded = market.run() if recorded is None else recorded
    index = int(recorded.totals.spend.argmax()) if campaign is None else names.index(campaign)
    rows = []
    for factor in factors:
        multipliers = recorded.multipliers.copy()
        multipliers[:, index] *= factor
        row = market.run(multipliers=multipliers).campaigns.iloc[index]
        rows.append({"factor": factor, **row[list(COUNTED)]})
        if progress:
            progress(len(rows), len(factors))
    frame = pd.DataFrame(rows)
    constraints = recorded.campaigns.iloc[index]
    frame.insert(0, "campaign", names[index])
    frame.insert(1, "target_roi", constraints["target_roi"])
    frame.insert(2, "budget", constraints["budget"] if np.isfinite(constraints["budget"]) else np.nan)
    return frame
