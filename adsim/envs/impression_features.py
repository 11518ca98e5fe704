"""What a bidder for single opportunities observes before each: named numbers, each within a stated range.

Everything comes from the campaign's own constraints and ledger, and from the bid request: predictions, and the public
features of its user, for which the campaign's taste is hidden. Nothing comes from true rates or from prices not paid.
Logarithms of ratios are natural, and 0 where a ratio is not known; once the period is over there is no opportunity,
and what describes it is 0.
"""

import gymnasium
import numpy as np
from numpy.typing import NDArray

from adsim.envs.features import Feature
from adsim.kernels.traffic import DIMENSIONS

Space = gymnasium.spaces.Space[NDArray[np.float32]]
FEATURES = (
    Feature("time_left", 0, 1, "share of opportunities left, the one on offer among them"),
    Feature("budget_left", 0, 1, "share of the budget left; 1 without a budget"),
    Feature("budget_pace", -4, 4, "log of budget_left / time_left; 0 without a budget"),
    Feature("stock_left", 0, 1, "share of the stock left; 1 without a stock"),
    Feature("roi", -2, 2, "log of realised ROI so far / target, one conversion at target added; 0 without a target"),
    Feature("win_rate", 0, 1, "share of opportunities won so far"),
    Feature("price_paid", 0, 1, "mean spend on a win so far / highest price that can be bid, at most 1"),
    Feature("pctr", -8, 0, "log10 of the predicted click probability"),
    Feature("value", -8, 8, "log of predicted value / highest price that can be bid (log: / its average click rate)"),
    Feature("value_relative", -4, 4, "log of predicted value / its mean over the opportunities so far, this one too"),
)
USER = tuple(Feature(f"context_{d}", -4, 4, "feature of the user") for d in range(DIMENSIONS))


def features(contextual: bool) -> tuple[Feature, ...]:
    """All features, with those of users where traffic has them."""
    return FEATURES + (USER if contextual else ())


def spaces(contextual: bool) -> tuple[Space, Space]:
    """Of observations and actions of one campaign; actions are shares of the highest price."""
    low, high = (np.array([f[k] for f in features(contextual)], np.float32) for k in (1, 2))
    return gymnasium.spaces.Box(low, high, dtype=np.float32), gymnasium.spaces.Box(0, 1, (1,), np.float32)
