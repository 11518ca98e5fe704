"""From a rule's number to the compiled rule: one branch per group of campaigns.

Other people's agents are called from Python, so nothing needs to be added here for them.
"""

from adsim.agents import ecpc, feedback, fixed, linear, pid, stock_dual, truthful
from adsim.agents.rule import ECPC, FEEDBACK, FIXED, LINEAR, PID, STOCK_DUAL, TRUTHFUL
from adsim.kernels.jit import inline, jit

NUMBERS = {
    "fixed": FIXED,
    "truthful": TRUTHFUL,
    "linear": LINEAR,
    "ecpc": ECPC,
    "pid": PID,
    "feedback": FEEDBACK,
    "stock_dual": STOCK_DUAL,
}


@inline
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


@jit
def decide(number, seen, parameters, memory, multiplier):
    """Set the multipliers of all campaigns by the numbered rule."""
    decide_group(number, seen, parameters, memory, multiplier, 0, multiplier.size)
