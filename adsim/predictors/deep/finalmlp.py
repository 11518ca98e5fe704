"""FinalMLP: two perceptrons that see different features, and a bilinear product of what they find."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adsim.errors import AdsimError
from adsim.predictors.deep.layers import Perceptron
from adsim.predictors.deep.learner import DeepLearner
from adsim.predictors.deep.tables import Inputs, width
from adsim.predictors.features import Schema


@dataclass(eq=False)
class FinalMLP(DeepLearner):
    """Two gated perceptrons, of the context and of the ad, fused by a bilinear form.

    logit = linear + w_1 . h_1 + w_2 . h_2 + sum_j h_1j' W_j h_2j, j running over heads, parts of h_1 and h_2.

    h_s = MLP_s(x * 2 sigmoid(MLP(z_s))): x holds the vectors of fields side by side, and numbers; z_1 those of the
    context alone, z_2 those of the ad.

    Mao, Zhu, Su, Cai, Li & Dong 2023, "FinalMLP: An Enhanced Two-Stream MLP Model for CTR Prediction" (arXiv
    2304.00902). For other parameters see `DeepLearner`.

    Parameters
    ----------
    heads : int
        Parts of the last hidden layer that are multiplied apart.
    """

    heads: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.heads < 1 or self.hidden[-1] % self.heads:
            raise AdsimError(f"heads = {self.heads}: must divide the last hidden layer, {self.hidden[-1]}.")

    def body(self, schema: Schema) -> nn.Module:
        """Two gated perceptrons and their product."""
        own = (len(schema.context) * self.k, len(schema.ad) * self.k)
        return _Body(width(schema, self.k), own, self.hidden, self.heads)


class _Body(nn.Module):
    def __init__(self, inputs: int, own: tuple[int, int], hidden: Sequence[int], heads: int) -> None:
        super().__init__()
        self.own, self.heads, last = own, heads, hidden[-1]
        self.gates = nn.ModuleList(Perceptron(part, hidden[0], inputs) for part in own)
        self.streams = nn.ModuleList(nn.Sequential(Perceptron(inputs, *hidden), nn.ReLU()) for _ in own)
        self.out = nn.Linear(2 * last, 1)
        self.product = nn.Parameter(torch.empty(heads, last // heads, last // heads))
        nn.init.xavier_uniform_(self.product)

    def forward(self, x: Inputs) -> Tensor:
        context, ad = torch.split(x.flat[:, : sum(self.own)], list(self.own), 1)
        found = [
            stream(2 * torch.sigmoid(gate(own)) * x.flat)
            for gate, stream, own in zip(self.gates, self.streams, (context, ad), strict=True)
        ]
        left, right = (part.unflatten(1, (self.heads, -1)) for part in found)
        fused = torch.einsum("nji,jik,njk->n", left, self.product, right)
        logit: Tensor = self.out(torch.cat(found, 1)).squeeze(1) + fused
        return logit
