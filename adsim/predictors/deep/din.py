"""DIN: a history as the sum of its vectors, weighted by what the ad is."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adsim.predictors.deep.layers import Score
from adsim.predictors.deep.learner import DeepLearner
from adsim.predictors.deep.pooling import Interest
from adsim.predictors.deep.tables import Inputs
from adsim.predictors.features import Schema


@dataclass(eq=False)
class Din(DeepLearner):
    """Attention to the ad: each behaviour weighs as it suits the target.

    logit = linear + MLP([e, numbers, u, t]), u = sum_l a([t, h_l, t - h_l, t * h_l]) h_l.

    Weights a, a small perceptron, are not normalised: how often matters. Order and age do not.

    Zhou, Zhu, Song, Fan, Zhu, Ma, Yan, Jin, Li & Gai 2018, "Deep Interest Network for Click-Through Rate Prediction"
    (arXiv 1706.06978). For other parameters see `DeepLearner`.

    Parameters
    ----------
    attention : int
        Width of the hidden layer of a.
    """

    attention: int = 16
    reads_history = True

    def body(self, schema: Schema) -> nn.Module:
        """Attention to the history, and the perceptron."""
        return Interest(self, schema, Attention(self.k, self.attention))


class Attention(nn.Module):
    """Sum of the vectors of a history, weighted."""

    def __init__(self, k: int, hidden: int) -> None:
        super().__init__()
        self.weight = Score(4 * k, [hidden])

    def forward(self, x: Inputs) -> Tensor:
        """Interests, (n, k)."""
        target = x.target.unsqueeze(1).expand_as(x.history)
        seen = torch.cat([target, x.history, target - x.history, target * x.history], 2)
        return torch.einsum("nl,nlk->nk", self.weight(seen) * x.present, x.history)
