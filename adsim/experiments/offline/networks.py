"""Networks of the offline learners: perceptrons on observations, and a policy on top of one."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from adsim.envs.features import FEATURES
from adsim.types import Constraints, Totals

FEATURE_COUNT = len(FEATURES)
LEAST_SPREAD = 0.01
"""Of a feature: one that hardly varies in the data is not blown up."""
FARTHEST = 5.0
"""Standard deviations from the mean beyond which a feature is taken for so many."""


def perceptron(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    sizes = [inputs, *hidden]
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))


class Normaliser(nn.Module):
    """Features less their mean over the data, in standard deviations; both travel with the model."""

    mean: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURE_COUNT))
        self.register_buffer("spread", torch.ones(FEATURE_COUNT))

    def fit(self, observation: NDArray[np.float32]) -> None:
        """Take mean and deviation from observations (..., F)."""
        rows = observation.reshape(-1, observation.shape[-1])
        self.mean.copy_(torch.from_numpy(rows.mean(0, np.float64)))
        self.spread.copy_(torch.from_numpy(np.maximum(rows.std(0, dtype=np.float64), LEAST_SPREAD)))

    def forward(self, observation: Tensor) -> Tensor:
        """Observations (..., F), normalised."""
        return ((observation - self.mean) / self.spread).clamp(-FARTHEST, FARTHEST)


class Policy(nn.Module):
    """A perceptron whose first output, through tanh, is the level.

    It is an `adsim.experiments.offline.bidder.OfflineBidder`.

    Parameters
    ----------
    hidden : sequence of int
        Sizes of its hidden layers.
    normalise : Normaliser, optional
        Of the data; one that changes nothing unless given.
    outputs : int
        2 where a learner also needs a spread around the level.
    """

    def __init__(self, hidden: Sequence[int], normalise: Normaliser | None = None, outputs: int = 1) -> None:
        super().__init__()
        self.normalise = normalise or Normaliser()
        self.body = perceptron(FEATURE_COUNT, hidden, outputs)

    def forward(self, normalised: Tensor) -> Tensor:
        """Levels (B,) for normalised observations (B, F)."""
        return torch.tanh(self.body(normalised)[..., 0])

    def begin(self, own: Constraints) -> None:
        """See `adsim.experiments.offline.bidder.OfflineBidder.begin`; constraints speak through the observation."""

    def act(self, observation: NDArray[np.float32], totals: Totals) -> NDArray[np.float32]:
        """See `adsim.experiments.offline.bidder.OfflineBidder.act`."""
        with torch.inference_mode():
            levels: NDArray[np.float32] = self(self.normalise(torch.from_numpy(observation))).numpy()
        return levels


class Critics(nn.Module):
    """Two independent estimates of what is still to come, of a state and a level.

    Parameters
    ----------
    hidden : sequence of int
        Sizes of the hidden layers of each.
    """

    def __init__(self, hidden: Sequence[int]) -> None:
        super().__init__()
        self.each = nn.ModuleList(perceptron(FEATURE_COUNT + 1, hidden, 1) for _ in range(2))

    def forward(self, normalised: Tensor, level: Tensor) -> Tensor:
        """Estimates (2, ...) for normalised observations (..., F) and levels (...)."""
        inputs = torch.cat([normalised, level[..., None]], -1)
        return torch.stack([critic(inputs)[..., 0] for critic in self.each])


def follow(target: nn.Module, source: nn.Module, rate: float) -> None:
    """Move a target network's parameters towards its source by a share ``rate`` of their distance."""
    with torch.no_grad():
        for ours, theirs in zip(target.parameters(), source.parameters(), strict=True):
            ours.lerp_(theirs, rate)
