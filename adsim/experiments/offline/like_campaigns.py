"""Recorded campaigns whose terms are like a campaign's own: what can be expected of it before it has played."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import nn

from adsim.errors import AdsimError
from adsim.types import Floats

KEPT = 2048
"""Periods that a model keeps for comparison."""
NEAREST = 128
"""Periods that are compared with."""


class LikeCampaigns(nn.Module):
    """Terms and outcomes of recorded periods, as part of a model.

    Campaigns are alike whose logarithms of budget and target ROI are near, in standard deviations of the data.

    Parameters
    ----------
    outcomes : int
        Numbers that a period came to.
    """

    terms: torch.Tensor
    """(KEPT, 2)"""
    outcomes: torch.Tensor
    """(KEPT, outcomes)"""

    def __init__(self, outcomes: int) -> None:
        super().__init__()
        self.register_buffer("terms", torch.zeros(KEPT, 2, dtype=torch.float64))
        self.register_buffer("outcomes", torch.zeros(KEPT, outcomes, dtype=torch.float64))

    def keep(self, terms: Floats, outcomes: Floats, seed: int) -> None:
        """Keep some periods, drawn evenly; terms (E, 2) by `terms_of`, outcomes (E, outcomes)."""
        generator = np.random.default_rng(seed)
        some = generator.choice(len(terms), KEPT, replace=len(terms) < KEPT)
        self.terms.copy_(torch.from_numpy(terms[some]))
        self.outcomes.copy_(torch.from_numpy(outcomes[some]))

    def of(self, terms: Floats) -> Floats:
        """Outcomes of the nearest; (E, NEAREST, outcomes)."""
        return self.outcomes.numpy()[nearest(self.terms.numpy(), terms)]


def terms_of(budget: Floats, target_roi: Floats) -> Floats:
    """What tells campaigns apart; (E, 2).

    Raises
    ------
    AdsimError
        For campaigns without a budget or a target.
    """
    if not (np.isfinite(budget).all() and (target_roi > 0).all()):
        raise AdsimError(
            "dt and probid measure value and cost by budget and target: all campaigns must have a finite budget and "
            "a target CPA or ROI."
        )
    return np.log(np.stack([budget, target_roi], axis=1))


def nearest(terms: Floats, wanted: Floats) -> NDArray[np.intp]:
    """Rows of ``terms`` nearest to each wanted one, at most `NEAREST`; (E, n)."""
    spread = terms.std(axis=0)
    scale = np.where(spread > 1e-9, spread, 1.0)
    count = min(NEAREST, len(terms))
    rows: NDArray[np.intp] = np.asarray(KDTree(terms / scale).query(wanted / scale, k=range(1, count + 1))[1])
    return rows
