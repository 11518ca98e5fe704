"""A learner small enough to see through: the mean label per ad, which tells what it was given."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from adsim.predictors.features import Rows, Schema
from adsim.predictors.learner import Learner, check_labels
from adsim.types import Floats


class AdMean(Learner):
    """Smoothed mean label of each ad."""

    def __init__(self, prior: float = 0.1) -> None:
        self.prior = prior

    def begin(self, schema: Schema, seed: int = 0) -> Self:
        self.schema, self.seed = schema, seed
        self._column = len(schema.context)
        self.sums = np.tile([10 * self.prior, 10.0], (schema.ad[0].size, 1))
        self.lessons: list[tuple[Rows, Any, Any]] = []
        return self

    def partial_fit(self, rows: Rows, labels: ArrayLike, weights: ArrayLike | None = None) -> Self:
        self.check(rows)
        found, importance = check_labels(rows, labels, weights)
        ads = rows.ids[:, self._column]
        np.add.at(self.sums, (ads, 0), found * importance)
        np.add.at(self.sums, (ads, 1), importance)
        self.lessons.append((rows, found, importance))
        return self

    def predict_proba(self, rows: Rows) -> Floats:
        self.check(rows)
        ads = rows.ids[:, self._column]
        return self.sums[ads, 0] / self.sums[ads, 1]

    def arrays(self) -> dict[str, Any]:
        return {"sums": self.sums}

    def restore(self, arrays: dict[str, Any]) -> None:
        self.sums = arrays["sums"]
