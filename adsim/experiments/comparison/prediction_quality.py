"""How far a market's predictions are from its truth, beside what that does to the market."""

import numpy as np

from adsim.market.markets import Markets
from adsim.market.result import Result
from adsim.market.reveal import prediction_tally
from adsim.market.tally import COLUMNS


def prediction_quality(result: Result, seed: int) -> dict[str, float]:
    """How good predicted click rates were, on all candidates.

    Parameters
    ----------
    result : Result
        Of a market.
    seed : int
        Of that market.

    Returns
    -------
    dict
        excess_log_loss (expected log loss over that of the true rates, less 1) and calibration_all (sum of predicted
        over sum of true rates), on all ads and opportunities; NaN where users do not click. `summary` has the
        calibration of what was shown.
    """
    scenario = result.scenario
    if scenario.traffic.source == "independent":
        return {"excess_log_loss": np.nan, "calibration_all": np.nan}
    if scenario.predictor.learns:
        sums = result.tallies.sum(axis=0)
    else:
        markets = Markets(scenario, [seed], agents=dict.fromkeys(range(scenario.size)))
        markets.open()
        sums = prediction_tally(markets)
    found = dict(zip(COLUMNS, sums, strict=True))
    return {
        "excess_log_loss": float(found["log_loss"] / found["least_log_loss"] - 1),
        "calibration_all": float(found["predicted"] / found["true"]),
    }
