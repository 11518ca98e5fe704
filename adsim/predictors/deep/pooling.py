"""Mean pooling: a history as the mean of its vectors, what models of sequences are measured against."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adsim.predictors.deep.layers import Score
from adsim.predictors.deep.learner import DeepLearner
from adsim.predictors.deep.tables import Inputs, width
from adsim.predictors.features import Schema


class Interest(nn.Module):
    """What models of sequences share: MLP([e, numbers, u, t]), u being what a model makes of the history.

    t is the vector of the ad's own value of the field that histories list.
    """

    def __init__(self, learner: DeepLearner, schema: Schema, interest: nn.Module) -> None:
        super().__init__()
        self.interest = interest
        self.score = Score(width(schema, learner.k) + 2 * learner.k, learner.hidden)

    def forward(self, x: Inputs) -> Tensor:
        """Logits, (n,)."""
        logit: Tensor = self.score(torch.cat([x.flat, self.interest(x), x.target], 1))
        return logit


@dataclass(eq=False)
class Pooling(DeepLearner):
    """The mean of the history whatever ad is shown: what attention is measured against.

    logit = linear + MLP([e, numbers, u, t]), u = mean_l h_l: the same whatever ad is shown.

    The base model of Zhou et al. 2018 (arXiv 1706.06978), see `Din`. For parameters see `DeepLearner`.
    """

    reads_history = True

    def body(self, schema: Schema) -> nn.Module:
        """The mean, and the perceptron."""
        return Interest(self, schema, _Mean())


class _Mean(nn.Module):
    def forward(self, x: Inputs) -> Tensor:
        return x.history.sum(1) / x.present.sum(1, keepdim=True).clamp(min=1)
