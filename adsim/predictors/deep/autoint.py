"""AutoInt: self-attention between fields."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from adsim.errors import AdsimError
from adsim.predictors.deep.layers import Score
from adsim.predictors.deep.learner import DeepLearner
from adsim.predictors.deep.tables import Inputs, width
from adsim.predictors.features import Schema


@dataclass(eq=False)
class AutoInt(DeepLearner):
    """Self-attention among fields.

    logit = linear + w . [layers of attention over e] + MLP([e, numbers]).

    A layer maps the vectors e_f of fields: per head, alpha_fg = softmax_g(<Q e_f, K e_g> / sqrt d), and then
    ReLU([sum_g alpha_fg V e_g of all heads] + R e_f).

    Song, Shi, Xiao, Duan, Xu, Zhang & Tang 2019, "AutoInt: Automatic Feature Interaction Learning via Self-Attentive
    Neural Networks" (arXiv 1810.11921), its variant AutoInt+ with a perceptron. For other parameters see
    `DeepLearner`.

    Parameters
    ----------
    layers, heads, attention : int
        Layers, heads of each, and numbers of all heads of a field together.
    """

    layers: int = 2
    heads: int = 2
    attention: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layers < 1 or self.heads < 1 or self.attention % self.heads:
            raise AdsimError(f"attention = {self.attention}: must be a multiple of the {self.heads} heads.")

    def body(self, schema: Schema) -> nn.Module:
        """Layers of attention, and the perceptron."""
        widths = [self.k] + [self.attention] * self.layers
        layers = [Attention(*pair, self.heads) for pair in pairwise(widths)]
        return _Body(nn.Sequential(*layers), len(schema.fields) * self.attention, width(schema, self.k), self.hidden)


class Attention(nn.Module):
    """Vectors of fields (n, fields, inputs) to (n, fields, outputs)."""

    def __init__(self, inputs: int, outputs: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (outputs / heads) ** -0.5
        self.projections = nn.Linear(inputs, 4 * outputs, bias=False)
        nn.init.xavier_uniform_(self.projections.weight)

    def forward(self, e: Tensor) -> Tensor:
        """Attention of every field to all of them."""
        query, key, value, residual = self.projections(e).chunk(4, -1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (query, key, value))
        alpha = torch.softmax(self.scale * query @ key.transpose(-1, -2), -1)
        mixed = (alpha @ value).transpose(1, 2).flatten(2)
        return torch.relu(mixed + residual)


class _Body(nn.Module):
    def __init__(self, attention: nn.Module, attended: int, inputs: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.attention, self.out, self.score = attention, nn.Linear(attended, 1), Score(inputs, hidden)

    def forward(self, x: Inputs) -> Tensor:
        logit: Tensor = self.out(self.attention(x.fields).flatten(1)).squeeze(1) + self.score(x.flat)
        return logit
