"""Calibration by a rising curve."""

import numpy as np
from scipy.optimize import isotonic_regression

from adsim.predictors.calibration import Calibrated
from adsim.predictors.checks import require_count
from adsim.predictors.wrapper import logits
from adsim.types import Floats


class Isotonic(Calibrated):
    """The non-decreasing curve nearest to the shares of events in bins of predictions (Zadrozny & Elkan 2002).

    Between the bins' mean logits it is straight, beyond the first and last it is parallel to the learner's own.
    Parameters as `Calibrated`, and:

    Parameters
    ----------
    bins : int
        Of about equal weight.
    """

    def __init__(self, of: str, holdout: float = 0.2, half_life: float = 100_000.0, bins: int = 200) -> None:
        super().__init__(of, holdout, half_life)
        self.bins = require_count("bins", bins)

    def _fit_curve(self) -> None:
        found = self._bins(self.bins)
        self._x, self._y = found.logit, found.logit
        if found.weight.size:
            self._y = logits(isotonic_regression(found.rate, weights=found.weight).x)

    def _curve(self, logit: Floats) -> Floats:
        if not self._x.size:
            return logit
        held = np.clip(logit, self._x[0], self._x[-1])
        return np.interp(held, self._x, self._y) + logit - held
