"""How good a tick's predictions were, on all candidates and on what was shown: the truth's side of learning."""

import numpy as np

from adsim.kernels.elementary import log
from adsim.kernels.jit import jit
from adsim.kernels.tiles import total

COLUMNS = (
    "candidates",
    "predicted",
    "true",
    "log_loss",
    "least_log_loss",
    "shown",
    "shown_predicted",
    "shown_true",
    "shown_clicks",
    "shown_log_loss",
)
"""Sums over a tick. Of all ads that could be shown, which have a predicted rate: number, predicted and true click
rates, expected log loss of the predictions and of the truth. Of those that were shown: number, predicted and true
rates, clicks, log loss of the clicks."""
F = np.float32
LEAST = F(1e-7)


@jit
def tally_candidates(true, predicted, size, count, room, sums):
    """Sum up the first ``count`` opportunities' true and predicted click rates of ``size`` ads; ``room`` (3, count).

    An ad that cannot be shown has rates of 0, and so adds nothing.
    """
    present, losses, least = room[0], room[1], room[2]
    for n in range(size):
        p, q = true[n], predicted[n]
        for t in range(np.uint64(count)):
            there = F(1) if q[t] > 0 else F(0)
            present[t] = there
            losses[t] = there * expected_log_loss(p[t], q[t])
            least[t] = there * expected_log_loss(p[t], p[t])
        sums[0] += total(present, count)
        sums[1] += total(q, count)
        sums[2] += total(p, count)
        sums[3] += total(losses, count)
        sums[4] += total(least, count)


@jit
def tally_shown(true, predicted, shown, sums):
    """Sum up what was shown; ``shown`` (count, K) of `shown_code`."""
    for t in range(shown.shape[0]):
        for k in range(shown.shape[1]):
            code = shown[t, k]
            if code >= 0:
                n, click = code // 4, F(code // 2 % 2)
                sums[5] += 1
                sums[6] += predicted[n, t]
                sums[7] += true[n, t]
                sums[8] += click
                sums[9] += expected_log_loss(click, predicted[n, t])


@jit
def expected_log_loss(p, predicted):
    """``-p log q - (1 - p) log(1 - q)`` of an event of probability p, q being kept off 0 and 1."""
    q = min(max(predicted, LEAST), F(1) - LEAST)
    return -p * log(q) - (F(1) - p) * log(F(1) - q)
