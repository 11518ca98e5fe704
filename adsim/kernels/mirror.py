"""One step of mirror descent on a non-negative dual."""

import numpy as np

from adsim.kernels.jit import inline

EUCLIDEAN, ENTROPIC = range(2)
"""Reference functions h: ``mu**2 / 2`` and ``mu log mu``."""


@inline
def descend(reference, dual, gradient, step):
    """``argmin_{mu >= 0} gradient mu + V_h(mu, dual) / step``, V_h the Bregman divergence of h.

    Euclidean ``max(0, dual - step gradient)``, entropic ``dual exp(-step gradient)`` (Balseiro, Lu & Mirrokni 2023,
    arXiv 2011.10124; from memory, consistent with their code).
    """
    if reference == EUCLIDEAN:
        return max(dual - step * gradient, 0.0)
    return dual * np.exp(-step * gradient)
