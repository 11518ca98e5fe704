"""How far a period's value lies below the most that like campaigns got for their money."""

import numpy as np

from adsim.experiments.offline.like_campaigns import nearest
from adsim.types import Floats

BLOCK = 1024
"""Periods that are compared at a time."""


def gaps(cost: Floats, value: Floats, terms: Floats) -> Floats:
    """Distance to the cost-value Pareto frontier of like campaigns, in units of value.

    ``largest value of those that cost as much or less - value``: 0 on the frontier. PRO-Bid (arXiv 2602.08261)
    reweights trajectories by their distance to the frontier; that it is measured in value, at the same cost, and
    among like campaigns, is derived.

    Parameters
    ----------
    cost, value : array (E,)
        Of whole periods.
    terms : array (E, D)
        Numbers that tell campaigns apart, see `adsim.experiments.offline.like_campaigns.nearest`.

    Returns
    -------
    array (E,)
    """
    found = np.empty(len(cost))
    near = nearest(terms, terms)
    for first in range(0, len(cost), BLOCK):
        these = slice(first, first + BLOCK)
        cheaper = cost[near[these]] <= cost[these, None]
        best = np.where(cheaper, value[near[these]], -np.inf).max(axis=1)
        found[these] = np.maximum(best - value[these], 0.0)
    return found
