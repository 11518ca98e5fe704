"""ESMM: conversions of clicks, learned from all impressions; and what it is measured against."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.nn.functional import logsigmoid

from adsim.errors import AdsimError, UnknownName
from adsim.predictors.deep.layers import Score
from adsim.predictors.deep.learner import DeepLearner, Examples
from adsim.predictors.deep.tables import Batch, Inputs, Network, width
from adsim.predictors.features import Rows, Schema
from adsim.types import Floats

METHODS = ("entire", "clicks", "propensity", "negatives")
LEAST = 0.01
"""Click rates below it count as this much where they divide."""


class Rates(NamedTuple):
    """Predicted rates, (n,) each."""

    click: Floats
    conversion: Floats
    """Of a click."""


@dataclass(eq=False)
class Esmm(DeepLearner):
    """Conversion rates of clicks, learned over all impressions.

    pCTCVR = pCTR pCVR over all impressions, two perceptrons on vectors that they share.

    Loss of an impression: BCE(click, pCTR) + BCE(click * conversion, pCTR pCVR). No loss has pCVR on clicks alone, so
    none has their selection; clicks, which are many, learn the vectors. Where an unseen trait drives both clicks and
    conversions, pCTCVR remains right and pCVR is that of the clicks that happen.

    Ma, Zhao, Huang, Wang, Hu, Zhu & Gai 2018, "Entire Space Multi-Task Model: An Effective Approach for Estimating
    Post-Click Conversion Rate" (arXiv 1804.07931). As a learner its event is the conversion of a click: labels are
    conversions, weights say which impressions were clicked, 1 or 0; it predicts pCVR. For other parameters see
    `DeepLearner`.

    Parameters
    ----------
    method : str
        Loss of pCVR: ``entire``, as above; ``clicks``, BCE(conversion, pCVR) on clicks; ``propensity``, the same
        divided by pCTR, not below .01; ``negatives``, BCE(click * conversion, pCVR), which takes all that was not
        clicked for what would not have converted.
    shared : bool
        Whether vectors are shared.
    """

    k: int = 8
    dense_rate: float = 1e-3
    decay: float = 1e-2
    method: str = "entire"
    shared: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method not in METHODS:
            raise UnknownName("method", self.method, METHODS)

    def body(self, schema: Schema) -> nn.Module:
        """A perceptron of one event."""
        return _Tower(width(schema, self.k), self.hidden)

    def network(self, schema: Schema) -> nn.Module:
        """Logits of click and conversion, (n, 2)."""
        bodies = [self.body(schema), self.body(schema)]
        return Network(schema, self.k, *bodies) if self.shared else _Apart(schema, self.k, bodies)

    def losses(self, logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        """Of both events; labels are conversions, weights clicks."""
        (click, conversion), bought = logits.unbind(1), labels * weights
        of_click = cross_entropy(click, weights, reduction="none")
        if self.method == "entire":
            return of_click + _product_loss(logits, bought)
        if self.method == "negatives":
            return of_click + cross_entropy(conversion, bought, reduction="none")
        divisor = torch.sigmoid(click).detach().clamp(min=LEAST) if self.method == "propensity" else 1.0
        return of_click + weights / divisor * cross_entropy(conversion, labels, reduction="none")

    def predict_proba(self, rows: Rows) -> Floats:
        """Probability that a click converts, (n,)."""
        return self.predict_rates(rows).conversion

    def predict_rates(self, rows: Rows) -> Rates:
        """Probabilities of a click, and that a click converts."""
        found = self.probabilities(rows).reshape(-1, 2)
        return Rates(found[:, 0], found[:, 1])

    def _examples(self, rows: Rows, labels: ArrayLike, weights: ArrayLike | None) -> Examples:
        if weights is None:
            raise AdsimError("Esmm learns from all impressions: give it clicks, 0 or 1, as weights.")
        known = super()._examples(rows, labels, weights)
        if (known[2] > 1).any():
            raise AdsimError("weights: are clicks here, 0 or 1.")
        return known


def _product_loss(logits: Tensor, bought: Tensor) -> Tensor:
    """BCE of the product of two probabilities: log(1 - pq) = log(1 - p + p (1 - q))."""
    (click, conversion), (left, kept) = logsigmoid(logits).unbind(1), logsigmoid(-logits).unbind(1)
    return -(bought * (click + conversion) + (1 - bought) * torch.logaddexp(left, click + kept))


class _Tower(nn.Module):
    def __init__(self, inputs: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.score = Score(inputs, hidden)

    def forward(self, x: Inputs) -> Tensor:
        logit: Tensor = self.score(x.flat)
        return logit


class _Apart(nn.Module):
    """Events with vectors of their own."""

    def __init__(self, schema: Schema, k: int, bodies: Sequence[nn.Module]) -> None:
        super().__init__()
        self.events = nn.ModuleList(Network(schema, k, body) for body in bodies)

    def forward(self, batch: Batch) -> Tensor:
        return torch.stack([event(batch) for event in self.events], 1)
