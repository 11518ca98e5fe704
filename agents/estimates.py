"""What campaigns can tell from their own totals: the tick's share of what is left, and calibrated sales."""

import numpy as np

from adsim.types import Constraints, Floats, Observation, PublicFacts

PRIOR_CONVERSIONS = 20.0
"""Weight of the predictor's own claim against what was realised, in conversions."""


def share_of_rest(market: PublicFacts, tick: int) -> float:
    """The coming tick's expected share of the opportunities that are left."""
    rest = market.traffic_share[tick:].sum()
    return float(market.traffic_share[tick] / rest) if rest > 0 else 1.0


def value_per_predicted(observation: Observation, value_per_conversion: Floats) -> Floats:
    """Value per predicted value of what was won so far, drawn towards 1 while there is little of it."""
    prior = PRIOR_CONVERSIONS * value_per_conversion
    return (observation.total.value + prior) / (observation.total.predicted_value + prior)


def sales(observation: Observation, value_per_conversion: Floats) -> Floats:
    """Conversions to expect of the last tick's wins: smoother than those that happened to come."""
    predicted = observation.total.predicted_value / value_per_conversion
    trust = (observation.total.conversions + PRIOR_CONVERSIONS) / (predicted + PRIOR_CONVERSIONS)
    return trust * observation.last.predicted_value / value_per_conversion


def start_multiplier(constraints: Constraints, market: PublicFacts) -> Floats:
    """Where pacing begins: what an earlier log paid per value, else 1 / target ROI, else 1."""
    if market.history is not None:
        return market.history.cost_per_conversion / constraints.value_per_conversion
    target = constraints.target_roi
    return np.where(target > 0, 1 / np.where(target > 0, target, 1), 1.0)
