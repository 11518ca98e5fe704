"""Perfect predictions: the upper end that learned predictors are measured against."""

import numpy as np

from adsim.predictors.distortion import Distortion, ErrorModel
from adsim.types import Floats


class Oracle(Distortion):
    """pCTR = CTR, pCVR = CVR."""

    def errors(self, normals: Floats) -> ErrorModel:
        """No errors."""
        ones = np.ones(normals.shape[1])
        return ErrorModel(ones, ones, 0.0, 0.0)
