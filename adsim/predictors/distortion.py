"""Predictors whose error is prescribed: the market applies it to the truth that it alone holds."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from adsim.types import Floats


class ErrorModel(NamedTuple):
    """Predicted rate = true rate * bias * log-normal error of mean 1, at most 1; or a distorted logit."""

    ctr_bias: Floats
    """Mean error of each campaign's pCTR; (n,)."""
    cvr_bias: Floats
    ctr_sigma: float
    """Standard deviation of the logarithm of a single prediction's error."""
    cvr_sigma: float
    ctr_slope: float = 0.0
    """Above 0, pCTR has the logit ``ctr_slope logit(CTR) + ctr_bias + ctr_sigma z`` instead, and pCVR is exact."""


class Distortion(ABC):
    """Turns true rates into predicted ones by an error model; it never sees the rates themselves."""

    @abstractmethod
    def errors(self, normals: Floats) -> ErrorModel:
        """The errors of ``n`` campaigns, given standard normal draws (2, n) of the market's seed."""
