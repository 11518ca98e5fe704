"""The lower end that learned predictors are measured against: one rate for all."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim.predictors.features import Ads, Contexts, Rows, Schema, Singles
from adsim.predictors.learner import Learner, check_labels
from adsim.types import Floats


class Constant(Learner):
    """The mean of the labels so far, of which half an event and half a non-event are made up.

    Those keep it between 0 and 1 without any rows (Krichevsky & Trofimov 1981).
    """

    def begin(self, schema: Schema, seed: int = 0) -> Self:
        """See `Learner.begin`."""
        self.schema, self.counts = schema, np.array([0.5, 1.0])
        return self

    def partial_fit(self, rows: Rows, labels: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """See `Learner.partial_fit`."""
        self.check(rows)
        happened, importance = check_labels(rows, labels, weights)
        self.counts += np.sum(happened * importance, dtype=np.float64), np.sum(importance, dtype=np.float64)
        return self

    def predict_proba(self, rows: Rows) -> Floats:
        """See `Learner.predict_proba`."""
        self.check(rows)
        return np.full(len(rows), self._rate())

    def predict_grid(self, contexts: Contexts, ads: Ads, out: Singles) -> None:
        """See `Learner.predict_grid`."""
        self.check(contexts)
        self.check(ads)
        out[:, : len(contexts)] = self._rate()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Learner.arrays`."""
        return {"counts": self.counts}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """See `Learner.restore`."""
        self.counts[...] = arrays["counts"]

    def _rate(self) -> float:
        return float(self.counts[0] / self.counts[1])
