"""DeepFM: a factorization machine beside a perceptron, over the same vectors."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from adsim.predictors.deep.layers import Score
from adsim.predictors.deep.learner import DeepLearner
from adsim.predictors.deep.tables import Inputs, width
from adsim.predictors.features import Schema


@dataclass(eq=False)
class DeepFM(DeepLearner):
    """A factorization machine and a perceptron on the same vectors.

    logit = linear + sum_{f<g} <e_f, e_g> + MLP([e, numbers]), e_f being the vector of field f.

    Guo, Tang, Ye, Li & He 2017, "DeepFM: A Factorization-Machine based Neural Network for CTR Prediction" (arXiv
    1703.04247). For parameters see `DeepLearner`.
    """

    def body(self, schema: Schema) -> nn.Module:
        """Products of pairs, and the perceptron."""
        return _Body(width(schema, self.k), self.hidden)


class _Body(nn.Module):
    def __init__(self, inputs: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.score = Score(inputs, hidden)

    def forward(self, x: Inputs) -> Tensor:
        logit: Tensor = pairs(x.fields) + self.score(x.flat)
        return logit


def pairs(vectors: Tensor) -> Tensor:
    """Sum of the products of all pairs: half of what the square of the sum exceeds the sum of squares by."""
    return 0.5 * (vectors.sum(1).square() - vectors.square().sum(1)).sum(1)
