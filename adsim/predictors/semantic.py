"""Codes of an ad's content as further fields, by which a new ad takes after those that resemble it."""

import warnings
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.vq import kmeans2, vq

from adsim.errors import AdsimError
from adsim.predictors.checks import require_count
from adsim.predictors.features import Ads, Contexts, Field, Rows, Schema, Singles
from adsim.predictors.wrapper import Wrapper
from adsim.types import Floats, Ints

CONTENTS = 20_000
"""Distinct contents at most that codes are found from."""
ROUNDS = 25


class SemanticIds(Wrapper):
    """Gives the learner semantic ids in place of the ad's numbers: codes of a residual k-means.

    The first level clusters the ads' numbers, each in units of its deviation, every further one what is left of them
    after the nearest centre is taken off; the codes of all levels, and that of the first two together, are fields of
    the ad. After RQ-VAE semantic ids (Rajput et al. 2023, arXiv 2305.05065), without the network. Centres come from
    the distinct contents in the first rows that are learned from, and stay. A learner that takes the numbers as they
    are finds more where appeal is linear in them; codes are for what is not, and for learners of ids alone.

    Parameters
    ----------
    of : str
        The learner, with slashes for colons: ``fwfm/epochs=8``.
    levels, codes : int
        Clusterings, and clusters of each.

    Raises
    ------
    AdsimError
        When a parameter is out of range or, on `begin`, ``of`` is not a learner or ads have no numbers.
    """

    def __init__(self, of: str, levels: int = 3, codes: int = 16) -> None:
        self.of, self.levels = of, require_count("levels", levels, 1, 8)
        self.codes = require_count("codes", codes, 2, 1024)

    def begin(self, schema: Schema, seed: int = 0) -> Self:
        """See `Learner.begin`."""
        if not schema.ad_numbers:
            raise AdsimError("semantic: ads have no numbers to tell their content; use the inner learner alone.")
        super().begin(schema, seed)
        self._seed = seed
        self._scale = np.zeros((2, schema.ad_numbers))
        self._centres = np.zeros((self.levels, self.codes, schema.ad_numbers))
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
        self._find_codes(rows)
        seen = None if valid is None else (self._with_codes(valid[0]), valid[1])
        self.inner.fit(self._with_codes(rows), labels, weights, valid=seen, seed=seed)
        return self

    def partial_fit(self, rows: Rows, labels: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """See `Learner.partial_fit`."""
        self.check(rows)
        if not self._scale.any() and len(rows):
            self._find_codes(rows)
        self.inner.partial_fit(self._with_codes(rows), labels, weights)
        return self

    def predict_proba(self, rows: Rows) -> Floats:
        """See `Learner.predict_proba`."""
        self.check(rows)
        return self.inner.predict_proba(self._with_codes(rows))

    def predict_grid(self, contexts: Contexts, ads: Ads, out: Singles) -> None:
        """See `Learner.predict_grid`."""
        self.inner.predict_grid(*self._sides(contexts, ads), out)

    def sample_grid(self, contexts: Contexts, ads: Ads, key: int, first: int, out: Singles) -> None:
        """See `Learner.sample_grid`."""
        self.inner.sample_grid(*self._sides(contexts, ads), key, first, out)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Learner.arrays`."""
        return {**super().arrays(), "scale": self._scale, "centres": self._centres}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """See `Learner.restore`."""
        super().restore(arrays)
        self._scale[...], self._centres[...] = arrays["scale"], arrays["centres"]

    def codes_of(self, numbers: Singles) -> Ints:
        """Codes of contents (n, ad numbers): one for each level, and the first two together; (n, levels + 1)."""
        left = self._scaled(numbers)
        codes = np.zeros((len(left), self.levels + 1), np.int32)
        for level, centres in enumerate(self._centres):
            codes[:, level], _ = vq(left, centres)
            left = left - centres[codes[:, level]]
        codes[:, -1] = codes[:, 0] * self.codes + (codes[:, 1] if self.levels > 1 else 0)
        return codes

    def _inner_schema(self, schema: Schema) -> Schema:
        fields = [Field(f"code_{level + 1}", self.codes) for level in range(self.levels)]
        return replace(schema, ad=(*schema.ad, *fields, Field("codes_1_2", self.codes**2)), ad_numbers=0)

    def _find_codes(self, rows: Rows) -> None:
        rng = np.random.default_rng(self._seed)
        contents = np.unique(rows.numbers[:, self.schema.context_numbers :], axis=0)
        contents = rng.permutation(contents)[:CONTENTS]
        spread = contents.std(axis=0)
        self._scale[...] = contents.mean(axis=0), np.where(spread > 0, spread, 1)
        left = self._scaled(contents)
        for centres in self._centres:
            start = left[rng.permutation(len(left))[np.arange(self.codes) % len(left)]]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a cluster may stay empty
                centres[...], code = kmeans2(left, start, iter=ROUNDS, minit="matrix")
            left = left - centres[code]

    def _scaled(self, numbers: Singles) -> Floats:
        scale = np.where(self._scale[1] > 0, self._scale[1], 1)
        return (numbers - self._scale[0]) / scale

    def _with_codes(self, rows: Rows) -> Rows:
        split = self.schema.context_numbers
        codes = self.codes_of(rows.numbers[:, split:])
        ids, numbers = np.hstack([rows.ids, codes]), rows.numbers[:, :split]
        return Rows(self.inner.schema, ids, rows.history, rows.age, numbers)

    def _sides(self, contexts: Contexts, ads: Ads) -> tuple[Contexts, Ads]:
        self.check(contexts)
        self.check(ads)
        schema = self.inner.schema
        found = Ads(schema, np.hstack([ads.ids, self.codes_of(ads.numbers)]), np.empty((len(ads), 0), np.float32))
        return replace(contexts, schema=schema), found
