"""The network-revenue world of Balseiro, Lu & Mirrokni 2023 (arXiv 2011.10124), as their code has it."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from adsim.kernels.allocation import draw_requests
from adsim.logs.auctions import check_counts
from adsim.market.markets import check_seeds
from adsim.market.supply import Seeds
from adsim.types import Floats

NOISE = 1.0
"""Standard deviation of a reward around the weight of what a choice takes."""
HIGHEST = 10.0
"""Rewards are clipped to [0, 10]."""
BLOCK = 256
"""Requests held in memory at a time."""


class Network:
    """A world of ``m`` resources, drawn from a seed, and the requests that come to it.

    A choice takes a unit of resource j with probability ``rates[j]``, drawn from ``(1 + Beta(3, 1)) / 2``; there are
    ``rho[j]`` units per request, drawn from ``U[1/4, 3/4] rates[j]``. Its reward is ``weights . units + N(0, 1)``,
    clipped to [0, 10], with weights ``|N(0, I)|`` of norm 1.

    Parameters
    ----------
    resources, choices : int
        m, and the choices of a request (d).
    seed : int
        Of the world and its requests, which are the same whatever the horizon.

    Raises
    ------
    AdsimError
        When there is no resource or no choice, or for a seed that no market has.
    """

    def __init__(self, resources: int, choices: int, seed: int) -> None:
        check_counts(resources=resources, choices=choices)
        seeds = Seeds(check_seeds([seed]))
        self.choices = choices
        self.rates: Floats = (1 + np.cbrt(seeds.uniforms(0, resources)[0])) / 2
        self.rho: Floats = (0.25 + seeds.uniforms(1, resources)[0] / 2) * self.rates
        weights = np.abs(seeds.normals(2, resources)[0])
        self.weights: Floats = weights / np.linalg.norm(weights)
        self._key = seeds.keys[0]

    def requests(self, horizon: int) -> Iterator[tuple[Floats, NDArray[np.uint8]]]:
        """Blocks of the first requests: rewards (B, d), units taken (B, m, d); each block overwrites the last."""
        rewards = np.empty((BLOCK, self.choices))
        units = np.empty((BLOCK, self.rho.size, self.choices), np.uint8)
        for first in range(0, horizon, BLOCK):
            block = rewards[: horizon - first], units[: horizon - first]
            draw_requests(self._key, first, self.rates, self.weights, NOISE, HIGHEST, *block)
            yield block
