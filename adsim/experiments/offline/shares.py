"""Recorded value and cost in shares of what a budget affords: what PRO-Bid looks at."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.envs.features import CALIBRATION_PRIOR, NAMES
from adsim.experiments.offline.like_campaigns import terms_of
from adsim.experiments.offline.trajectories import Trajectories
from adsim.types import Floats

CALIBRATION, PRICE = NAMES.index("calibration"), NAMES.index("price_to_beat")
BUDGET, TRAFFIC = NAMES.index("budget_left"), NAMES.index("traffic_left")
SPENT = 0.01
"""Share of a budget below which it limits what a tick brings."""
LEAST_TRAFFIC = 1e-4
"""Share of a period below which nothing can be told of a tick."""


class Shares(NamedTuple):
    """E periods of T ticks; cost is in shares of the budget, value in shares of budget times target ROI."""

    won: Floats
    """Value before each tick; (E, T)."""
    paid: Floats
    """Cost before each tick; (E, T)."""
    coming: Floats
    """Expected value, and cost, from each tick to the end; (E, T, 2)."""
    unit: Floats
    """Value of a conversion; (E,)."""
    terms: Floats
    """By `adsim.experiments.offline.like_campaigns.terms_of`; (E, 2)."""
    market: Floats
    """Terms, and how dear the market was; (E, 3)."""
    left: Floats
    """Expected share of the period's traffic from each tick to the end; (E, T)."""
    rates: Floats
    """Expected value, and cost, of each tick per unit of traffic; (E, T, 2)."""
    free: NDArray[np.bool_]
    """Ticks in which there was traffic, and the budget lasted; (E, T)."""


def shares_of(data: Trajectories) -> Shares:
    """What periods come to.

    Conversions are few, and their luck says nothing of the levels. The value to come is therefore what was predicted
    of the exposures, times the ratio of value to prediction in all the data: predictions of what is won are too high
    on average, as who errs upwards wins. That is ours; what was won stays what it was.

    Raises
    ------
    AdsimError
        For campaigns without a finite budget and a target.
    """
    terms = terms_of(data.budget, data.target_roi)
    budget = data.budget[:, None]
    affordable = budget * data.target_roi[:, None]
    predicted = predicted_value(data)
    expected = predicted * (data.value.sum() / max(predicted.sum(), 1e-9))
    left = data.observation[..., TRAFFIC].astype(np.float64)
    traffic = -np.diff(left, axis=1)
    bought = np.stack([expected / affordable, data.spend / budget], axis=2)
    return Shares(
        won=(data.value.cumsum(axis=1) - data.value) / affordable,
        paid=(data.spend.cumsum(axis=1) - data.spend) / budget,
        coming=np.maximum(bought[:, ::-1].cumsum(axis=1)[:, ::-1], 0.0),
        unit=data.value_per_conversion / affordable[:, 0],
        terms=terms,
        market=np.concatenate([terms, data.observation[:, -1, [PRICE]]], axis=1),
        left=left[:, :-1],
        rates=bought / np.maximum(traffic, LEAST_TRAFFIC)[..., None],
        free=(traffic > LEAST_TRAFFIC) & (data.observation[:, 1:, BUDGET] > SPENT),
    )


def predicted_value(data: Trajectories) -> Floats:
    """Predicted value of each tick's exposures, which the feature "calibration" tells of; (E, T)."""
    won = np.pad(data.value.cumsum(axis=1), ((0, 0), (1, 0)))
    prior = CALIBRATION_PRIOR * data.value_per_conversion[:, None]
    total = (won + prior) * np.exp(-data.observation[..., CALIBRATION].astype(np.float64)) - prior
    return np.diff(total, axis=1)
