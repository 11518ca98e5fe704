"""What campaigns can tell from their own totals: the tick's share of what is left, and calibrated sales."""

import numpy as np

from adsim.types import Floats, Observation, PublicFacts

PRIOR_CONVERSIONS = 20.0
"""Weight of the predictor's own claim against what was realised, in conversions."""


def share_of_rest(market: PublicFacts, tick: int) -> float:
    """Expected opportunities of a past tick's successor over all that were left before it."""
    rest = market.traffic_share[tick:].sum()
    return float(market.traffic_share[tick] / rest) if rest > 0 else 1.0


def calibration(observation: Observation, value_per_conversion: Floats) -> Floats:
    """Realised over predicted value of what was won so far, drawn towards 1 while there is little of it."""
    prior = PRIOR_CONVERSIONS * value_per_conversion
    return (observation.total.value + prior) / (observation.total.predicted_value + prior)


def start_multiplier(target_roi: Floats) -> Floats:
    """The multiplier that a campaign can afford at any price: 1 / target, or 1 without a target."""
    return np.where(target_roi > 0, 1 / np.where(target_roi > 0, target_roi, 1), 1.0)
