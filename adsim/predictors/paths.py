"""Several predictions of a row, each with other rare values hidden, averaged."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim.predictors.checks import require_count, require_positive
from adsim.predictors.features import Ads, Contexts, Rows, Schema, Singles
from adsim.predictors.wrapper import Wrapper, logits, sigmoid
from adsim.types import Floats, Ints

UNKNOWN = -1


class PathEnsemble(Wrapper):
    """Averages the logits of paths that each hide rare values: nothing is trained again.

    A value that was seen n times is known in about ``n / (n + kappa)`` of the paths and unknown in the others: which,
    is drawn once for each value. After the idea of test-time path ensembles (UTTSI, MATT-CTR); the rule of counts is
    our own.

    Parameters
    ----------
    of : str
        The learner, with slashes for colons: ``fwfm/epochs=8``.
    kappa : float
        How often a value that half of the paths know was seen.
    paths : int

    Raises
    ------
    AdsimError
        When a parameter is out of range or, on `begin`, ``of`` is not a learner.
    """

    def __init__(self, of: str, kappa: float = 50.0, paths: int = 8) -> None:
        self.of, self.kappa, self.paths = of, require_positive("kappa", kappa), require_count("paths", paths)

    def begin(self, schema: Schema, seed: int = 0) -> Self:
        """See `Learner.begin`."""
        super().begin(schema, seed)
        self._counts = [np.zeros(field.size) for field in schema.fields]
        rng = np.random.default_rng(0)
        self._order = [
            rng.permuted(np.tile(np.arange(self.paths), (field.size, 1)), axis=1) + rng.random((field.size, 1))
            for field in schema.fields
        ]
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
        """See `Learner.fit`."""
        self.begin(rows.schema, seed)
        self.inner.fit(rows, labels, weights, valid=valid, seed=seed)
        self._count(rows)
        return self

    def partial_fit(self, rows: Rows, labels: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """See `Learner.partial_fit`."""
        super().partial_fit(rows, labels, weights)
        self._count(rows)
        return self

    def predict_proba(self, rows: Rows) -> Floats:
        """See `Learner.predict_proba`."""
        self.check(rows)
        total = np.zeros(len(rows))
        for path in range(self.paths):
            ids = self._hidden(rows.ids, path, 0)
            total += logits(self.inner.predict_proba(Rows(rows.schema, ids, rows.history, rows.age, rows.numbers)))
        return sigmoid(total / self.paths)

    def predict_grid(self, contexts: Contexts, ads: Ads, out: Singles) -> None:
        """See `Learner.predict_grid`."""
        self._average(contexts, ads, out, self.inner.predict_grid)

    def sample_grid(self, contexts: Contexts, ads: Ads, key: int, first: int, out: Singles) -> None:
        """See `Learner.sample_grid`: all paths share a draw."""
        self._average(
            contexts, ads, out, lambda some, others, grid: self.inner.sample_grid(some, others, key, first, grid)
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Learner.arrays`."""
        return {**super().arrays(), **{f"counts_{f}": counts for f, counts in enumerate(self._counts)}}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """See `Learner.restore`."""
        super().restore(arrays)
        for f, counts in enumerate(self._counts):
            counts[...] = arrays[f"counts_{f}"]

    def _average(self, contexts: Contexts, ads: Ads, out: Singles, predict: Any) -> None:
        self.check(contexts)
        self.check(ads)
        grid = np.empty((len(ads), len(contexts)), np.float32)
        total = np.zeros(grid.shape)
        for path in range(self.paths):
            some = Contexts(
                contexts.schema,
                self._hidden(contexts.ids, path, 0),
                contexts.history,
                contexts.age,
                contexts.numbers,
            )
            others = Ads(ads.schema, self._hidden(ads.ids, path, len(ads.schema.context)), ads.numbers)
            predict(some, others, grid)
            total += logits(grid)
        out[:, : len(contexts)] = sigmoid(total / self.paths)

    def _count(self, rows: Rows) -> None:
        for f, counts in enumerate(self._counts):
            ids = rows.ids[:, f]
            counts += np.bincount(ids[(ids >= 0) & (ids < counts.size)], minlength=counts.size)

    def _hidden(self, ids: Ints, path: int, first: int) -> Ints:
        """Values as a path sees them; fields from number ``first``."""
        seen = np.empty_like(ids)
        for column in range(ids.shape[1]):
            counts, order = self._counts[first + column], self._order[first + column][:, path]
            known = np.append(order < self.paths * counts / (counts + self.kappa), False)
            value = np.where((ids[:, column] >= 0) & (ids[:, column] < counts.size), ids[:, column], counts.size)
            seen[:, column] = np.where(known[value], ids[:, column], UNKNOWN)
        return seen
