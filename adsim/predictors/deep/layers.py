"""Layers that several models have."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn


class Perceptron(nn.Sequential):
    """Linear layers with ReLU between them; the last one is linear."""

    def __init__(self, *widths: int) -> None:
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        super().__init__(*layers[:-1])


class Score(nn.Module):
    """A perceptron with one output, (..., inputs) to (...)."""

    def __init__(self, inputs: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.layers = Perceptron(inputs, *hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """One number a row."""
        y: Tensor = self.layers(x).squeeze(-1)
        return y
