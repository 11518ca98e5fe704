"""What calibration layers share: a histogram of predictions on rows not yet learned from, and of their labels."""

from abc import abstractmethod
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim.predictors.checks import require_between, require_positive
from adsim.predictors.features import Ads, Contexts, Rows, Schema, Singles
from adsim.predictors.learner import check_labels
from adsim.predictors.wrapper import Wrapper, logits, sigmoid
from adsim.types import Floats

CELLS, REACH = 2048, 16.0
"""Cells of the histogram, between logits of -16 and 16."""
COUNT, EVENTS, LOGIT = range(3)
"""Rows of the histogram: sums of weights, of weighted labels, of weighted logits."""


class Bins(NamedTuple):
    """Bins of about equal weight, in the order of their logits; (bins,) each."""

    weight: Floats
    logit: Floats
    """Mean prediction, as a logit."""
    rate: Floats
    """Share of events, with one made-up row at the mean prediction, so that it is never 0 or 1."""


class Calibrated(Wrapper):
    """A learner whose predictions go through a curve, fitted to what happened where they were made.

    `fit` keeps the last share ``holdout`` of its rows for the curve, or takes ``valid`` where that is given.
    `partial_fit` first predicts its rows, which nothing was learned from yet, and refits the curve, then learns them.

    Parameters
    ----------
    of : str
        The learner, with slashes for colons: ``fwfm/epochs=8``.
    holdout : float
        Share of the rows of `fit`, above 0 and at most 0.9.
    half_life : float
        Rows of `partial_fit` after which an earlier one counts half.

    Raises
    ------
    AdsimError
        When a parameter is out of range or, on `begin`, ``of`` is not a learner.
    """

    def __init__(self, of: str, holdout: float = 0.2, half_life: float = 100_000.0) -> None:
        self.of, self.holdout = of, require_between("holdout", require_positive("holdout", holdout), 0, 0.9)
        self.half_life = require_positive("half_life", half_life)

    def begin(self, schema: Schema, seed: int = 0) -> Self:
        """See `Learner.begin`."""
        super().begin(schema, seed)
        self.histogram = np.zeros((3, CELLS))
        self._fit_curve()
        return self

    def fit(
        self,
        rows: Rows,
        labels: ArrayLike,
        weights: ArrayLike | None = None,
        *,
        valid: tuple[Rows, ArrayLike] | None = None,
        seed: int = 0,
    ) -> Self:
        """See `Learner.fit`; ``valid`` also calibrates."""
        self.begin(rows.schema, seed)
        happened, importance = check_labels(rows, labels, weights)
        if valid is not None:
            self.inner.fit(rows, happened, importance, valid=valid, seed=seed)
            self._count(valid[0], *check_labels(*valid, None))
        else:
            cut = round(len(rows) * (1 - self.holdout))
            first, last = slice(cut), slice(cut, None)
            self.inner.fit(rows.take(first), happened[first], importance[first], seed=seed)
            self._count(rows.take(last), happened[last], importance[last])
        self._fit_curve()
        return self

    def partial_fit(self, rows: Rows, labels: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """See `Learner.partial_fit`."""
        self.histogram *= 0.5 ** (len(rows) / self.half_life)
        self._count(rows, *check_labels(rows, labels, weights))
        self._fit_curve()
        return super().partial_fit(rows, labels, weights)

    def predict_proba(self, rows: Rows) -> Floats:
        """See `Learner.predict_proba`."""
        return sigmoid(self._curve(logits(super().predict_proba(rows))))

    def predict_grid(self, contexts: Contexts, ads: Ads, out: Singles) -> None:
        """See `Learner.predict_grid`."""
        super().predict_grid(contexts, ads, out)
        self._bend(out[:, : len(contexts)])

    def sample_grid(self, contexts: Contexts, ads: Ads, key: int, first: int, out: Singles) -> None:
        """See `Learner.sample_grid`."""
        super().sample_grid(contexts, ads, key, first, out)
        self._bend(out[:, : len(contexts)])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Learner.arrays`."""
        return {**super().arrays(), "histogram": self.histogram}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """See `Learner.restore`."""
        super().restore(arrays)
        self.histogram[...] = arrays["histogram"]
        self._fit_curve()

    @abstractmethod
    def _fit_curve(self) -> None:
        """Find the curve from the histogram; without any rows it changes nothing."""

    @abstractmethod
    def _curve(self, logit: Floats) -> Floats:
        """Calibrated logits."""

    def _cells(self) -> tuple[Floats, Floats, Floats]:
        """Weight, events and mean logit of the cells that are not empty."""
        found = self.histogram[:, self.histogram[COUNT] > 0]
        return found[COUNT], found[EVENTS], found[LOGIT] / found[COUNT]

    def _bins(self, bins: int) -> Bins:
        """Cells merged into bins."""
        weight, events, logit = self._cells()
        if not weight.size:
            return Bins(weight, logit, weight)
        middle = np.cumsum(weight) - weight / 2
        _, which = np.unique((middle / weight.sum() * bins).astype(int), return_inverse=True)
        sums = [np.bincount(which, each) for each in (weight, events, weight * logit, weight * sigmoid(logit))]
        total = sums[0].astype(np.float64)
        return Bins(total, sums[2] / total, (sums[1] + sums[3] / total) / (total + 1))

    def _count(self, rows: Rows, labels: Singles, weights: Singles) -> None:
        logit = logits(self.inner.predict_proba(rows))
        cell = np.clip((logit + REACH) * (CELLS / (2 * REACH)), 0, CELLS - 1).astype(int)
        for row, amount in enumerate((weights, weights * labels, weights * logit)):
            self.histogram[row] += np.bincount(cell, amount, CELLS)

    def _bend(self, grid: Singles) -> None:
        grid[...] = sigmoid(self._curve(logits(grid)))
