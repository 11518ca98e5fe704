"""The policy by which an offline click log was gathered, with the exact probability of what it showed."""

import numpy as np

from adsim.kernels.counter import draw, stream, uniform_double
from adsim.kernels.jit import jit


@jit
def choose_ads(key, first, history, category, popularity, entry, recent, mass, ad, propensity):
    """An ad for each of consecutive opportunities, of those that have entered.

    With probability ``recent`` one of the history's behaviours is drawn, and an ad of its category, else an ad of
    any; in proportion to popularity. Where no ad of that category has entered, it is one of any, too.

    Parameters
    ----------
    history : array (n, length)
        Categories, -1 where there are no more.
    category, popularity, entry : array (A,)
    mass : array (categories,)
        Scratch.
    ad, propensity : array (n,)
        Filled: the ads and their probabilities.
    """
    ways, behaviours, picks = stream(key, 0), stream(key, 1), stream(key, 2)
    for i in range(ad.size):
        origin, seen = np.uint64(first + i), 0
        while seen < history.shape[1] and history[i, seen] >= 0:
            seen += 1
        total = 0.0
        for c in range(mass.size):
            mass[c] = 0.0
        for n in range(category.size):
            if entry[n] <= first + i:
                mass[category[n]] += popularity[n]
                total += popularity[n]
        wanted = -1
        if seen > 0 and uniform_double(draw(ways, origin)) < recent:
            wanted = history[i, int(uniform_double(draw(behaviours, origin)) * seen)]
            if mass[wanted] == 0.0:
                wanted = -1
        left = uniform_double(draw(picks, origin)) * (mass[wanted] if wanted >= 0 else total)
        chosen = -1
        for n in range(category.size):
            if entry[n] <= first + i and (wanted < 0 or category[n] == wanted):
                chosen = n
                left -= popularity[n]
                if left < 0.0:
                    break
        ad[i] = chosen
        own, share = category[chosen], recent if seen > 0 else 0.0
        likely = (1.0 - share) / total
        for j in range(seen):
            c = history[i, j]
            if mass[c] == 0.0:
                likely += share / seen / total
            elif c == own:
                likely += share / seen / mass[c]
        propensity[i] = likely * popularity[chosen]


@jit
def happen(key, first, ad, rate, event):
    """Whether an event of given rate happens to each ad on consecutive opportunities, as 0 or 1; (n,) each."""
    for i in range(ad.size):
        event[i] = uniform_double(draw(stream(key, ad[i]), np.uint64(first + i))) < rate[i]
