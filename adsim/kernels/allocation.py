"""Online allocation by dual mirror descent: a dual for each resource prices what a choice uses up.

Balseiro, Lu & Mirrokni 2023 (arXiv 2011.10124), Algorithm 1. ``T`` requests, each with ``d`` choices of rewards
(T, d), that consume ``m`` resources (T, m, d): the choices of a request are contiguous, so that pricing vectorises.
"""

import numpy as np

from adsim.kernels.counter import draw, normal_pair, stream, uniform_double
from adsim.kernels.jit import jit
from adsim.kernels.mirror import descend

NONE = -1
"""The choice of nothing: no reward, no consumption."""


@jit
def price(reward, consumption, dual, scores):
    """Fill ``scores`` (d,) with ``reward - dual . consumption``; the choice of the highest positive one, and it."""
    for a in range(np.uint64(scores.size)):
        scores[a] = reward[a]
    for j in range(dual.size):
        row, mu = consumption[j], dual[j]
        for a in range(np.uint64(scores.size)):
            scores[a] -= mu * row[a]
    choice, best = NONE, 0.0
    for a in range(scores.size):
        if scores[a] > best:
            choice, best = a, scores[a]
    return choice, best


@jit
def grant(consumption, choice, left):
    """Whether a choice fits what is left of every resource; if so, it is taken from there."""
    for j in range(left.size):
        if consumption[j, choice] > left[j]:
            return False
    for j in range(left.size):
        left[j] -= consumption[j, choice]
    return True


@jit
def serve(reference, steps, cap, rho, reward, consumption, scores, dual, dual_sum, left):
    """Serve requests in turn; the reward earned.

    The dual descends along ``rho - consumption`` of the choice, whether it was granted or not.

    Parameters
    ----------
    reference : int
        EUCLIDEAN or ENTROPIC.
    steps, rho : array (m,)
        Step and amount per request of each resource.
    cap : float
        The dual is scaled down to ``rho . dual <= cap``, which the entropic reference ``h = sum rho mu log(rho mu)``
        does to stay in that set.
    reward, consumption : array (T, d), (T, m, d)
        The requests.
    scores : array (d,)
        Scratch.
    dual, dual_sum, left : array (m,)
        Current dual, sum of the duals that requests were served at, and what is left of the resources; updated.
    """
    earned = 0.0
    for t in range(reward.shape[0]):
        used = consumption[t]
        choice, _ = price(reward[t], used, dual, scores)
        if choice != NONE and grant(used, choice, left):
            earned += reward[t, choice]
        worth = 0.0
        for j in range(dual.size):
            gradient = rho[j] - used[j, choice] if choice != NONE else rho[j]
            dual_sum[j] += dual[j]
            dual[j] = descend(reference, dual[j], gradient, steps[j])
            worth += rho[j] * dual[j]
        if worth > cap:
            for j in range(dual.size):
                dual[j] *= cap / worth
    return earned


@jit
def surplus(reward, consumption, dual, scores):
    """What requests would earn at prices ``dual``, sum of ``max(0, max_a reward - dual . consumption)``."""
    total = 0.0
    for t in range(reward.shape[0]):
        _, best = price(reward[t], consumption[t], dual, scores)
        total += best
    return total


@jit
def draw_requests(key, first, rates, weights, noise, highest, reward, consumption):
    """Requests numbered from ``first``: a choice takes a unit of resource j with probability ``rates[j]``.

    Its reward is the sum of ``weights`` of what it takes, plus ``noise`` times a normal draw, clipped to
    [0, highest]; rates and weights (m,), filled are reward (T, d) and consumption (T, m, d).
    """
    units, errors = stream(key, 0), stream(key, 1)
    resources, choices = consumption.shape[1], np.uint64(consumption.shape[2])
    for t in range(reward.shape[0]):
        number, row = np.uint64(first + t), reward[t]
        for a in range(choices):
            z, _ = normal_pair(draw(errors, number * choices + a))
            row[a] = noise * z
        for j in range(resources):
            origin = (number * np.uint64(resources) + np.uint64(j)) * choices
            used, rate, weight = consumption[t, j], rates[j], weights[j]
            for a in range(choices):
                used[a] = uniform_double(draw(units, origin + a)) < rate
                row[a] += weight * used[a]
        for a in range(choices):
            row[a] = min(max(row[a], 0.0), highest)
