"""Calibration by a straight line through the logits."""

import numpy as np

from adsim.predictors.calibration import Calibrated
from adsim.predictors.wrapper import sigmoid
from adsim.types import Floats

STEPS = 50


class Platt(Calibrated):
    """``p' = sigmoid(a logit(p) + c)`` (Platt 1999), a and c of the largest posterior around a = 1, c = 0.

    The prior, a normal of deviation 1 for each, keeps them finite where all labels are equal; Newton's method finds
    them. Parameters as `Calibrated`.
    """

    def _fit_curve(self) -> None:
        weight, events, logit = self._cells()
        features, prior = np.stack([logit, np.ones_like(logit)]), np.array([1.0, 0.0])
        line = prior.copy()
        for _ in range(STEPS):
            p = sigmoid(line @ features)
            gradient = features @ (weight * p - events) + line - prior
            curvature = (features * (weight * p * (1 - p))) @ features.T + np.eye(2)
            move = np.linalg.solve(curvature, gradient)
            line -= move / max(1, np.abs(move).max())
            if np.abs(move).max() < 1e-9:
                break
        self.slope, self.shift = line

    def _curve(self, logit: Floats) -> Floats:
        return self.slope * logit + self.shift
