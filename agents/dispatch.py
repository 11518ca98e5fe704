"""From a rule's number to the compiled rule: one branch per group of campaigns.

Other people's agents are called from Python, so nothing needs to be added here for them.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.agents import (
    coupled,
    ecpc,
    feedback,
    fixed,
    forecast,
    linear,
    mirror_descent,
    online_lp,
    pid,
    return_on_spend,
    stock_dual,
    table_bidder,
    throttling,
    truthful,
)
from adsim.agents.rule import (
    COUPLED,
    ECPC,
    FEEDBACK,
    FIXED,
    FORECAST,
    LINEAR,
    MIRROR_DESCENT,
    ONLINE_LP,
    PID,
    RETURN_ON_SPEND,
    STOCK_DUAL,
    THROTTLING,
    TRUTHFUL,
    VALUE_TABLE,
)
from adsim.kernels.jit import jit
from adsim.types import Floats

NUMBERS = {
    "fixed": FIXED,
    "truthful": TRUTHFUL,
    "linear": LINEAR,
    "ecpc": ECPC,
    "pid": PID,
    "feedback": FEEDBACK,
    "stock_dual": STOCK_DUAL,
    "ros": RETURN_ON_SPEND,
    "mirror_descent": MIRROR_DESCENT,
    "adaptive_pacing": MIRROR_DESCENT,
    "coupled": COUPLED,
    "throttling": THROTTLING,
    "online_lp": ONLINE_LP,
    "forecast": FORECAST,
    "rlb": VALUE_TABLE,
    "ss_mdp": VALUE_TABLE,
}


class Groups(NamedTuple):
    """Campaigns next to each other that one compiled rule bids for; G groups."""

    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    number: NDArray[np.int64]
    every: NDArray[np.int64]
    """Opportunities between decisions; 0: once a tick."""
    parameters: Floats
    """(G, PARAMETERS)"""


@jit
def decide_group(number, seen, parameters, memory, multiplier, start, stop):  # noqa: C901  # a branch for each rule
    """Set the multipliers of campaigns ``start`` to ``stop`` by the numbered rule.

    ``parameters`` (PARAMETERS,), ``memory`` (N, MEMORY) and ``multiplier`` (N,) are arrays of float64.
    """
    if number == FIXED:
        for n in range(start, stop):
            multiplier[n] = fixed.decide(seen, n, parameters, memory[n])
    elif number == TRUTHFUL:
        for n in range(start, stop):
            multiplier[n] = truthful.decide(seen, n, parameters, memory[n])
    elif number == LINEAR:
        for n in range(start, stop):
            multiplier[n] = linear.decide(seen, n, parameters, memory[n])
    elif number == ECPC:
        for n in range(start, stop):
            multiplier[n] = ecpc.decide(seen, n, parameters, memory[n])
    elif number == PID:
        for n in range(start, stop):
            multiplier[n] = pid.decide(seen, n, parameters, memory[n])
    elif number == FEEDBACK:
        for n in range(start, stop):
            multiplier[n] = feedback.decide(seen, n, parameters, memory[n])
    elif number == STOCK_DUAL:
        for n in range(start, stop):
            multiplier[n] = stock_dual.decide(seen, n, parameters, memory[n])
    elif number == RETURN_ON_SPEND:
        for n in range(start, stop):
            multiplier[n] = return_on_spend.decide(seen, n, parameters, memory[n])
    elif number == MIRROR_DESCENT:
        for n in range(start, stop):
            multiplier[n] = mirror_descent.decide(seen, n, parameters, memory[n])
    elif number == COUPLED:
        for n in range(start, stop):
            multiplier[n] = coupled.decide(seen, n, parameters, memory[n])
    elif number == THROTTLING:
        for n in range(start, stop):
            multiplier[n] = throttling.decide(seen, n, parameters, memory[n])
    elif number == ONLINE_LP:
        for n in range(start, stop):
            multiplier[n] = online_lp.decide(seen, n, parameters, memory[n])
    elif number == FORECAST:
        for n in range(start, stop):
            multiplier[n] = forecast.decide(seen, n, parameters, memory[n])
    elif number == VALUE_TABLE:
        for n in range(start, stop):
            multiplier[n] = table_bidder.decide(seen, n, parameters, memory[n])
