"""What learners on hashed features share: encoding, chunks of rows, several passes, one table of numbers per slot."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim.predictors.encoding import Encoded, Encoder
from adsim.predictors.features import Rows, Schema, Singles
from adsim.predictors.learner import Learner, check_labels
from adsim.types import Floats

MOST_EPOCHS = 10
"""With rows to stop by, unless `epochs` says otherwise."""


class Hashed(Learner):
    """A table with a row of numbers per slot and one for the intercept, behind an `Encoder`.

    Subclasses name themselves in the table's layout and leave the arithmetic to a kernel.
    """

    bits: int
    epochs: int | None = 1
    """Passes of `fit`; None for 1, or with rows to stop by as many as help."""
    patience: int = 1
    """Passes in a row that may fail to lower the log loss on those rows."""
    table: Singles
    """(2**bits + 1, numbers of a slot)"""
    code: Encoder

    def begin(self, schema: Schema, seed: int = 0) -> Self:
        """See `Learner.begin`."""
        self.schema = schema
        self.code = self._encoder(schema)
        self._forget(np.random.default_rng(seed))
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
        """See `Learner.fit`: passes over the rows in their order, until the log loss on ``valid`` stops falling."""
        self.begin(rows.schema, seed)
        if valid is None or self.epochs == 1:
            for _ in range(self.epochs or 1):
                self.partial_fit(rows, labels, weights)
            return self
        least, kept, failed = np.inf, self.arrays(), 0
        for _ in range(self.epochs or MOST_EPOCHS):
            loss = self.partial_fit(rows, labels, weights)._loss(*valid)
            if loss < least:
                least, failed = loss, 0
                kept = {name: array.copy() for name, array in self.arrays().items()}
            else:
                failed += 1
            if failed >= self.patience:
                break
        self.restore(kept)
        return self

    def _loss(self, rows: Rows, labels: ArrayLike) -> float:
        happened, _ = check_labels(rows, labels, None)
        p = self.predict_proba(rows)
        return float(-np.mean(happened * np.log(p) + (1 - happened) * np.log1p(-p)))

    def partial_fit(self, rows: Rows, labels: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """See `Learner.partial_fit`."""
        self.check(rows)
        happened, importance = check_labels(rows, labels, weights)
        for part, encoded in self.code.chunks(rows):
            self._learn(encoded, happened[part], importance[part])
        return self

    def predict_proba(self, rows: Rows) -> Floats:
        """See `Learner.predict_proba`."""
        self.check(rows)
        found = np.empty(len(rows), np.float32)
        for part, encoded in self.code.chunks(rows):
            self._predict(encoded, found[part])
        return found.astype(np.float64)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Learner.arrays`."""
        return {"table": self.table}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """See `Learner.restore`."""
        for name, mine in self.arrays().items():
            mine[...] = arrays[name]

    @abstractmethod
    def _encoder(self, schema: Schema) -> Encoder: ...

    @abstractmethod
    def _forget(self, rng: np.random.Generator) -> None:
        """Make a fresh table."""

    @abstractmethod
    def _learn(self, encoded: Encoded, labels: Singles, weights: Singles) -> None: ...

    @abstractmethod
    def _predict(self, encoded: Encoded, out: Singles) -> None: ...
