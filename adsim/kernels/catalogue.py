"""Phases that draw a tile of opportunities for campaigns with several ads: contexts, who takes part, the best ad.

As in `adsim.kernels.traffic`, every draw is addressed by the number of the opportunity in the period.
"""

import numpy as np

from adsim.kernels.bits import fma
from adsim.kernels.counter import draw, normal_pair, stream, uniform, uniform_double
from adsim.kernels.elementary import exp
from adsim.kernels.jit import jit

WORST = np.float32(1e30)
"""More than any exposures per unit of value."""


@jit
def draw_features(key, first, spread, context, width):
    """Independent normal features of mean 0 and deviation ``spread``; context (features, width)."""
    origin, last = np.uint64(first), context.shape[0] - 1
    for d in range(0, context.shape[0], 2):
        key_d, after = stream(key, d), min(d + 1, last)
        for t in range(np.uint64(width)):
            x, y = normal_pair(draw(key_d, origin + t))
            context[after, t] = spread * y
            context[d, t] = spread * x


@jit
def take_part(key, first, rest, left, here, width):
    """One campaign's turn in drawing who takes part: each set of so many has the same chance.

    Campaigns take their turns in order, ``rest`` counting those whose turn it is or will be, ``left[t]`` the places
    that are not taken yet; each takes one with probability ``left / rest`` (selection sampling: Knuth, The Art of
    Computer Programming 2, algorithm 3.4.2 S). ``here`` gets 1 for who takes part, 0 for who does not.
    """
    origin, size = np.uint64(first), np.float32(rest)
    for t in range(np.uint64(width)):
        taken = np.float32(1) if uniform(draw(key, origin + t)) * size < left[t] else np.float32(0)
        left[t] -= taken
        here[t] = taken


@jit
def best_ad(slope, bias, inverse, context, cost, kept, logit, width):
    """The ad with the highest ``sigmoid(embedding . context + intercept) * click value``.

    It is the one whose inverse ``1 / value + exp(-logit) / value`` is lowest: with ``slope = -embedding``, ``bias =
    -intercept - log(value)`` and ``inverse = 1 / value`` an ad takes one exponential and no division. ``cost`` gets
    that lowest, ``kept`` the ad's ``inverse``; ``logit`` is scratch.
    """
    last = np.uint64(width)
    for t in range(last):
        cost[t] = WORST
        kept[t] = 1
    for i in range(slope.shape[0]):
        s, b, w = slope[i], bias[i], inverse[i]
        x, row = s[0], context[0]
        for t in range(last):
            logit[t] = fma(x, row[t], b)
        for d in range(1, slope.shape[1]):
            x, row = s[d], context[d]
            for t in range(last):
                logit[t] = fma(x, row[t], logit[t])
        for t in range(last):
            found = exp(logit[t]) + w
            better = found < cost[t]
            kept[t] = w if better else kept[t]
            cost[t] = found if better else cost[t]


@jit
def rate_and_amount(value, cost, kept, here, ctr, amount, width):
    """Click rate and value of a click of the best ad; both 0 for a campaign that takes no part."""
    for t in range(np.uint64(width)):
        ctr[t] = here[t] * (kept[t] / cost[t])
        amount[t] = here[t] * (value / kept[t])


@jit
def draw_clicks(keys, first, winner, rate, clicks):
    """Whether the winner's ad is clicked, the draw that `adsim.kernels.settlement` makes for the same pair."""
    for t in range(winner.size):
        clicks[t] = uniform_double(draw(keys[winner[t]], np.uint64(first + t))) < rate[t]
