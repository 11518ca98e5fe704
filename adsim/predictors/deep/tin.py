"""TIN: how long ago what was seen, and what the ad is, multiplied with each other."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adsim.predictors.deep.layers import Score
from adsim.predictors.deep.learner import DeepLearner
from adsim.predictors.deep.pooling import Interest
from adsim.predictors.deep.tables import MEMORY_SPREAD, Inputs
from adsim.predictors.features import Schema

BUCKETS = 20
"""Of age: two for each doubling of 1 + hours, the last without end."""


@dataclass(eq=False)
class Tin(DeepLearner):
    """Behaviours times the ad, weighed by both and by when they were.

    logit = linear + MLP([e, numbers, u, t]), u = sum_l alpha_l (h~_l * t~).

    h~_l = h_l + p_l + b_l, t~ = t + p_0, with vectors p of positions and b of ages; alpha_l = a([t~, h~_l,
    t~ * h~_l]) from a small perceptron, or softmax_l(<h~_l, t~> / sqrt k) as in the paper.

    Zhou, Zhu, Zhang et al. 2024, "Temporal Interest Network for User Response Prediction" (arXiv 2308.08487); weights
    that are not normalised are ours. For other parameters see `DeepLearner`.

    Parameters
    ----------
    attention : int
        Width of the hidden layer of a.
    softmax : bool
        Whether weights are the paper's.
    """

    attention: int = 16
    softmax: bool = False
    reads_history = True

    def body(self, schema: Schema) -> nn.Module:
        """Attention to times and values, and the perceptron."""
        return Interest(self, schema, Temporal(self.k, schema.length, self.attention, self.softmax))


class Temporal(nn.Module):
    """Sum of products of a history with the target."""

    def __init__(self, k: int, length: int, hidden: int, softmax: bool) -> None:
        super().__init__()
        self.positions, self.ages = nn.Embedding(1 + length, k), nn.Embedding(BUCKETS, k)
        for table in (self.positions, self.ages):
            nn.init.normal_(table.weight, std=MEMORY_SPREAD / 3)
        self.weight = None if softmax else Score(3 * k, [hidden])

    def forward(self, x: Inputs) -> Tensor:
        """Interests, (n, k)."""
        count, length = x.present.shape
        positions = self.positions(torch.arange(1 + length).expand(count, -1))
        history = x.history + positions[:, 1:] + self.ages(bucket(x.age))
        target = (x.target + positions[:, 0]).unsqueeze(1)
        product = history * target
        if self.weight is None:
            match = (product.sum(2) * product.shape[2] ** -0.5).masked_fill(~x.present, -torch.inf)
            alpha = torch.softmax(match, 1).nan_to_num(0)
        else:
            alpha = self.weight(torch.cat([target.expand_as(history), history, product], 2)) * x.present
        return torch.einsum("nl,nlk->nk", alpha, product)


def bucket(age: Tensor) -> Tensor:
    """Buckets of ages in hours."""
    return (2 * torch.log2(1 + age.clamp(min=0))).long().clamp(max=BUCKETS - 1)
