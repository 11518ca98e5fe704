"""GDCN: crosses of all orders, each through a gate."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adsim.predictors.deep.layers import Perceptron
from adsim.predictors.deep.learner import DeepLearner
from adsim.predictors.deep.tables import Inputs, width
from adsim.predictors.features import Schema


@dataclass(eq=False)
class GDCN(DeepLearner):
    """Gated crosses of the input with itself, and a perceptron.

    logit = linear + w . [x_c, MLP(x_0)], x_{i+1} = x_0 * (W_i x_i + b_i) * sigmoid(G_i x_i) + x_i, i < c.

    x_0 holds the vectors of fields side by side, and numbers.

    Wang, Gu, Zhang, Liu, Yan, Lu, Zhang & Gu 2023, "Towards Deeper, Lighter and Interpretable Cross Network for CTR
    Prediction" (arXiv 2311.04635), with the perceptron in parallel. For other parameters see `DeepLearner`.

    Parameters
    ----------
    crosses : int
        Layers of gated crosses: c.
    """

    crosses: int = 3

    def body(self, schema: Schema) -> nn.Module:
        """Gated crosses beside the perceptron."""
        return _Body(width(schema, self.k), self.crosses, self.hidden)


class _Body(nn.Module):
    def __init__(self, inputs: int, crosses: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.weights = nn.ModuleList(nn.Linear(inputs, inputs) for _ in range(crosses))
        self.gates = nn.ModuleList(nn.Linear(inputs, inputs, bias=False) for _ in range(crosses))
        self.deep = nn.Sequential(Perceptron(inputs, *hidden), nn.ReLU())
        self.out = nn.Linear(inputs + hidden[-1], 1)

    def forward(self, x: Inputs) -> Tensor:
        first = crossed = x.flat
        for weight, gate in zip(self.weights, self.gates, strict=True):
            crossed = first * weight(crossed) * torch.sigmoid(gate(crossed)) + crossed
        logit: Tensor = self.out(torch.cat([crossed, self.deep(first)], 1)).squeeze(1)
        return logit
