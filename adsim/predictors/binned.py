"""Calibration by a correction for each bin of predictions."""

import numpy as np

from adsim.predictors.calibration import Calibrated
from adsim.predictors.checks import require_count
from adsim.predictors.wrapper import logits
from adsim.types import Floats


class Binned(Calibrated):
    """Histogram binning (Zadrozny & Elkan 2001) that keeps the learner's order within a bin.

    All logits of a bin are shifted by the difference between the logit of its share of events and its mean logit; the
    paper predicts the share itself, by which all candidates of a bin would tie. Parameters as `Calibrated`, and:

    Parameters
    ----------
    bins : int
        Of about equal weight.
    """

    def __init__(self, of: str, holdout: float = 0.2, half_life: float = 100_000.0, bins: int = 20) -> None:
        super().__init__(of, holdout, half_life)
        self.bins = require_count("bins", bins)

    def _fit_curve(self) -> None:
        found = self._bins(self.bins)
        self._edges = (found.logit[1:] + found.logit[:-1]) / 2
        self._shift = logits(found.rate) - found.logit if found.weight.size else np.zeros(1)

    def _curve(self, logit: Floats) -> Floats:
        return logit + self._shift[np.searchsorted(self._edges, logit)]
