"""SDIM: attention by hashing, for histories too long to be looked at entry by entry."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adsim.predictors.deep.learner import DeepLearner
from adsim.predictors.deep.pooling import Interest
from adsim.predictors.deep.tables import Inputs
from adsim.predictors.features import Schema


@dataclass(eq=False)
class Sdim(DeepLearner):
    """Behaviours that fall on the ad's side of random planes.

    logit = linear + MLP([e, numbers, u, t]), u = 1/G sum_g sum_l 1[signs of R_g h_l = signs of R_g t] h_l.

    R_g, g < G, are groups of random planes, fixed for good: entries like the target fall on its side of them. Sums
    are not normalised: how often matters.

    Cao, Zhou, Feng, Huang, Xiao, Chen & Chen 2022, "Sampling Is All You Need on Modeling Long-Term User Behaviors for
    CTR Prediction" (arXiv 2205.10249), which normalises each group's sum. For other parameters see `DeepLearner`.

    Parameters
    ----------
    groups, planes : int
        Groups of planes: G, and planes of each.
    """

    groups: int = 8
    planes: int = 3
    reads_history = True

    def body(self, schema: Schema) -> nn.Module:
        """Entries on the target's side, and the perceptron."""
        return Interest(self, schema, Sampled(self.k, self.groups, self.planes))


class Sampled(nn.Module):
    """Sum of the vectors of a history, weighted by the share of groups that tell them not from the target."""

    planes: Tensor

    def __init__(self, k: int, groups: int, planes: int) -> None:
        super().__init__()
        self.groups = groups
        self.register_buffer("planes", torch.randn(k, groups * planes))

    def forward(self, x: Inputs) -> Tensor:
        """Interests, (n, k)."""
        history, target = (self._sides(vectors) for vectors in (x.history, x.target.unsqueeze(1)))
        share = (history == target).all(3).float().mean(2) * x.present
        return torch.einsum("nl,nlk->nk", share, x.history)

    def _sides(self, vectors: Tensor) -> Tensor:
        """Which side of each plane, (n, length, groups, planes)."""
        return torch.unflatten(vectors.detach() @ self.planes > 0, 2, (self.groups, -1))
