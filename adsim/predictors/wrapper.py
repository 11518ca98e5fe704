"""Learners around a learner: calibration, ensembles, other features, other labels."""

import re
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim import registry
from adsim.errors import AdsimError
from adsim.predictors.features import Ads, Contexts, Rows, Schema, Singles
from adsim.predictors.learner import Learner
from adsim.types import Floats

INNER = "of."
"""Before the names of the inner learner's arrays."""


def create_inner(specification: str) -> Learner:
    """The learner that a wrapper's parameter ``of`` specifies, with slashes for colons: ``fwfm/epochs=8``.

    Each further level takes one slash more: ``isotonic/of=fwfm//epochs=8``.

    Raises
    ------
    AdsimError
        When it cannot be made, or does not learn.
    """
    text = re.sub("/+", lambda found: found[0][1:] or ":", specification)
    learner = registry.create("predictors", *registry.parse(text))
    if not isinstance(learner, Learner):
        raise AdsimError(f"of = {specification}: does not learn; name a learned predictor, as in of=ftrl/alpha=0.1.")
    return learner


class Wrapper(Learner):
    """Hands everything on to the learner ``of``; subclasses change what goes in or comes out."""

    of: str
    inner: Learner

    def begin(self, schema: Schema, seed: int = 0) -> Self:
        """See `Learner.begin`."""
        self.schema = schema
        self.inner = create_inner(self.of).begin(self._inner_schema(schema), seed)
        return self

    def partial_fit(self, rows: Rows, labels: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """See `Learner.partial_fit`."""
        self.check(rows)
        self.inner.partial_fit(rows, labels, weights)
        return self

    def predict_proba(self, rows: Rows) -> Floats:
        """See `Learner.predict_proba`."""
        self.check(rows)
        return self.inner.predict_proba(rows)

    def predict_grid(self, contexts: Contexts, ads: Ads, out: Singles) -> None:
        """See `Learner.predict_grid`."""
        self.inner.predict_grid(contexts, ads, out)

    @property
    def explores(self) -> bool:
        """Whether the inner learner does."""
        return self.inner.explores

    def sample_grid(self, contexts: Contexts, ads: Ads, key: int, first: int, out: Singles) -> None:
        """See `Learner.sample_grid`."""
        self.inner.sample_grid(contexts, ads, key, first, out)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Learner.arrays`."""
        return {INNER + name: array for name, array in self.inner.arrays().items()}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """See `Learner.restore`."""
        self.inner.restore(
            {name.removeprefix(INNER): array for name, array in arrays.items() if name.startswith(INNER)}
        )

    def _inner_schema(self, schema: Schema) -> Schema:
        return schema


def logits(p: NDArray[np.floating]) -> Floats:
    """Logits of probabilities, in float64, between -16 and 16."""
    held = np.clip(p.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.log(held) - np.log1p(-held)


def sigmoid(logit: Floats) -> Floats:
    """Probabilities of logits, between 1e-7 and 1 - 1e-7."""
    return 1 / (1 + np.exp(-np.clip(logit, -16.1, 16.1)))
