"""Predictions of a prescribed quality: unbiased log-normal noise, and bias, as knobs."""

import numpy as np

from adsim.errors import AdsimError
from adsim.predictors.distortion import Distortion, ErrorModel
from adsim.types import Floats


class LogNormalNoise(Distortion):
    """Predicted rate = true rate * bias * exp(sigma z - c), c making the error's mean exactly 1.

    Parameters
    ----------
    ctr_error, cvr_error : float
        Sigma of a single prediction, from 0 to 3.
    ctr_bias, cvr_bias : float
        Median bias of a campaign's predictions; 1.2 predicts a fifth too much.
    bias_spread : float
        Sigma of the log-normal spread of that bias across campaigns.
    """

    def __init__(
        self,
        ctr_error: float = 0.2,
        cvr_error: float = 0.2,
        ctr_bias: float = 1.0,
        cvr_bias: float = 1.0,
        bias_spread: float = 0.0,
    ) -> None:
        for name, value in (("ctr_error", ctr_error), ("cvr_error", cvr_error), ("bias_spread", bias_spread)):
            if not 0 <= value <= 3:
                raise AdsimError(f"{name} = {value}: must lie between 0 and 3.")
        for name, value in (("ctr_bias", ctr_bias), ("cvr_bias", cvr_bias)):
            if not 0 < value < np.inf:
                raise AdsimError(f"{name} = {value}: must be a positive number.")
        self.sigmas = ctr_error, cvr_error
        self.biases = ctr_bias, cvr_bias
        self.bias_spread = bias_spread

    def errors(self, normals: Floats) -> ErrorModel:
        """Biases drawn once per campaign."""
        ctr_bias, cvr_bias = (
            bias * np.exp(self.bias_spread * z) for bias, z in zip(self.biases, normals, strict=True)
        )
        return ErrorModel(ctr_bias, cvr_bias, *self.sigmas)
