"""What single advertisers met in an AuctionNet log: their opportunities, in the order of time."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adsim.errors import LogError
from adsim.logs.auctionnet import CAMPAIGN, AuctionNetLog
from adsim.types import Floats

_READ = ["timeStepIndex", "pValue", "pValueSigma", "leastWinningCost"]


class Terms(NamedTuple):
    """Of an advertiser in a period."""

    category: int
    budget: float
    target_cpa: float


class Campaign(NamedTuple):
    """An advertiser's period of T opportunities."""

    period: int
    advertiser: int
    category: int
    budget: float
    target_cpa: float
    bounds: NDArray[np.int64]
    """First opportunity of each tick, and the number of all; (ticks + 1,)."""
    value: Floats
    """pValue; (T,)."""
    sigma: Floats
    """pValueSigma; (T,)."""
    least: Floats
    """leastWinningCost; (T,)."""


def read_campaigns(path: str | Path, advertisers: Collection[int] | None = None) -> list[Campaign]:
    """The advertisers of all periods of a log, in their order; 32 bytes an opportunity and advertiser.

    Parameters
    ----------
    path : str or Path
        An AuctionNet log.
    advertisers : collection of int, optional
        Their numbers; all unless given.

    Raises
    ------
    LogError
        When the log cannot be read, lacks one of the advertisers, or tells different budgets or CPA constraints for
        one advertiser in a period, or such as are not above 0.
    """
    parts: dict[tuple[int, int], list[pd.DataFrame]] = {}
    terms: dict[tuple[int, int], Terms] = {}
    ticks: dict[int, int] = {}
    for frame in AuctionNetLog(path).frames():
        ends: Any = frame.groupby("deliveryPeriodIndex")["timeStepIndex"].max()
        for period, last in ends.items():
            ticks[period] = max(last + 1, ticks.get(period, 0))
        if advertisers is not None:
            frame = frame[frame["advertiserNumber"].isin(list(advertisers))]
        campaigns: Any = frame.groupby(CAMPAIGN, sort=False)
        for (period, advertiser, *own), rows in campaigns:
            key = int(period), int(advertiser)
            if terms.setdefault(key, Terms(*own)) != Terms(*own):
                raise LogError(
                    f"{path}: advertiser {advertiser} has several categories, budgets or CPA constraints in period "
                    f"{period}. Give each period one of its own."
                )
            parts.setdefault(key, []).append(rows[_READ])
    _check_terms(path, terms, advertisers)
    return [_campaign(key, terms[key], pd.concat(parts.pop(key)), ticks[key[0]]) for key in sorted(terms)]


def _check_terms(path: str | Path, terms: dict[tuple[int, int], Terms], wanted: Collection[int] | None) -> None:
    missing = sorted(set(wanted or ()) - {advertiser for _, advertiser in terms})
    if missing:
        raise LogError(f"{path}: there is no advertiser {missing[0]}. See column 'advertiserNumber'.")
    for (period, advertiser), (_, budget, target) in terms.items():
        for name, amount in (("budget", budget), ("CPAConstraint", target)):
            if amount <= 0:
                raise LogError(
                    f"{path}: advertiser {advertiser} of period {period} has {name} = {amount:g}, with which it "
                    "cannot bid. Leave it out."
                )


def _campaign(key: tuple[int, int], terms: Terms, rows: pd.DataFrame, ticks: int) -> Campaign:
    """Rows of one advertiser's period, sorted by tick, in their order within one."""
    rows = rows.sort_values("timeStepIndex", kind="stable")
    bounds = np.searchsorted(rows["timeStepIndex"].to_numpy(), np.arange(ticks + 1))
    columns = (rows[name].to_numpy() for name in _READ[1:])
    return Campaign(*key, int(terms.category), terms.budget, terms.target_cpa, bounds, *columns)
