"""Recorded value and cost in shares of what a budget affords: what PRO-Bid looks at."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.envs.features import CALIBRATION_PRIOR, NAMES
from adsim.experiments.offline.like_campaigns import terms_of
from adsim.experiments.offline.trajectories import Trajectories, to_go
from adsim.types import Floats

CALIBRATION, TRAFFIC, PRICE = (NAMES.index(name) for name in ("calibration", "traffic_next", "price_to_beat"))


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
    level: NDArray[np.float32]
    """Mean of each tick's level and those to come, weighted by expected traffic; (E, T)."""


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
    traffic = data.observation[:, :-1, TRAFFIC].astype(np.float64) + 1e-6
    return Shares(
        won=(data.value.cumsum(axis=1) - data.value) / affordable,
        paid=(data.spend.cumsum(axis=1) - data.spend) / budget,
        coming=np.maximum(np.stack([to_go(expected) / affordable, to_go(data.spend) / budget], axis=2), 0.0),
        unit=data.value_per_conversion / affordable[:, 0],
        terms=terms,
        market=np.concatenate([terms, data.observation[:, -1, [PRICE]]], axis=1),
        level=(to_go(traffic * data.level) / to_go(traffic)).astype(np.float32),
    )


def predicted_value(data: Trajectories) -> Floats:
    """Predicted value of each tick's exposures, which the feature "calibration" tells of; (E, T)."""
    won = np.pad(data.value.cumsum(axis=1), ((0, 0), (1, 0)))
    prior = CALIBRATION_PRIOR * data.value_per_conversion[:, None]
    total = (won + prior) * np.exp(-data.observation[..., CALIBRATION].astype(np.float64)) - prior
    return np.diff(total, axis=1)
