"""What learners on hashed features share: encoding, chunks of rows, one table of numbers per slot."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim.predictors.encoding import Encoded, Encoder
from adsim.predictors.features import Rows, Schema, Singles
from adsim.predictors.learner import Learner, check_labels
from adsim.types import Floats


class Hashed(Learner):
    """A table with a row of numbers per slot and one for the intercept, behind an `Encoder`.

    Subclasses name themselves in the table's layout and leave the arithmetic to a kernel.
    """

    bits: int
    table: Singles
    """(2**bits + 1, numbers of a slot)"""
    code: Encoder

    def begin(self, schema: Schema, seed: int = 0) -> Self:
        """See `Learner.begin`."""
        self.schema = schema
        self.code = self._encoder(schema)
        self._forget(np.random.default_rng(seed))
        return self

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
