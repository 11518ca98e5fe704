"""True click rates with a prescribed distortion of their logits."""

import numpy as np

from adsim.predictors.checks import require_between, require_positive
from adsim.predictors.distortion import Distortion, ErrorModel
from adsim.types import Floats


class DistortedLogits(Distortion):
    """logit(pCTR) = slope logit(CTR) + bias + spread b + sigma z, with b normal per campaign and z per prediction.

    Shows what miscalibration costs, apart from what a model cannot know: a slope above 1 is over-confident.
    Conversion rates are predicted exactly.

    Parameters
    ----------
    bias, slope : float
        The slope lies above 0.
    sigma, spread : float
        Deviations of a single prediction's error and of a campaign's, from 0 to 3.

    Raises
    ------
    AdsimError
        When a parameter is out of range.
    """

    def __init__(self, bias: float = 0.0, slope: float = 1.0, sigma: float = 0.0, spread: float = 0.0) -> None:
        self.bias, self.slope = require_between("bias", bias, -10, 10), require_positive("slope", slope)
        self.sigma, self.spread = require_between("sigma", sigma, 0, 3), require_between("spread", spread, 0, 3)

    def errors(self, normals: Floats) -> ErrorModel:
        """Biases of the logits, drawn once per campaign."""
        biases = self.bias + self.spread * normals[0]
        return ErrorModel(biases, np.ones_like(biases), self.sigma, 0.0, self.slope)
