"""Field-weighted factorization machine on hashed features."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from adsim.kernels.field_factorization import learn_fields, mix_fields, sum_fields
from adsim.kernels.linear import add_outer, add_products, logits_to_probabilities
from adsim.predictors.encoding import AD, CONTEXT, Encoded
from adsim.predictors.factorized import Factorized
from adsim.predictors.features import Ads, Contexts, Singles
from adsim.types import Ints


class FieldWeightedMachine(Factorized):
    """Field-weighted factorization machine (Pan et al. 2018).

    ``logit = b + sum_j w_j x_j + sum_{f < g} r_fg <E_f, E_g>`` with ``E_f`` the sum of ``v_j x_j`` over a field's
    features; each pair of fields learns how strong it is, from ``r = 1/2``. Parameters as `Factorized`.
    """

    def predict_grid(self, contexts: Contexts, ads: Ads, out: Singles) -> None:
        """See `Learner.predict_grid`: contexts' vectors are weighted once for each field of the ad."""
        self.check(contexts)
        self.check(ads)
        mine, theirs = (np.unique(self.code.side_fields(side)) for side in (CONTEXT, AD))
        of_context, context = self._sum(
            self.code.contexts(contexts), self.code.side_fields(CONTEXT), self.table[-1, 0]
        )
        of_ad, ad = self._sum(self.code.ads(ads), self.code.side_fields(AD), np.float32(0))
        mixed = np.empty((len(contexts), theirs.size, self.factors), np.float32)
        mix_fields(context[:, mine], np.ascontiguousarray(self.strength[np.ix_(mine, theirs)]), self._length, mixed)
        grid = out[:, : len(contexts)]
        add_outer(of_context, of_ad, grid)
        width = theirs.size * self.factors
        add_products(
            ad[:, theirs].reshape(len(ads), width), np.ascontiguousarray(mixed.reshape(len(contexts), width).T), grid
        )
        logits_to_probabilities(grid)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Learner.arrays`."""
        return {**super().arrays(), "strength": self.strength, "squares": self.squares}

    def _forget(self, rng: np.random.Generator) -> None:
        super()._forget(rng)
        self._fields = self.code.fields
        size = int(self._fields.max()) + 1
        self.strength = np.full((size, size), 0.5, np.float32)
        np.fill_diagonal(self.strength, 0)
        self.squares = np.ones((size, size), np.float32)

    def _sum(self, encoded: Encoded, fields: Ints, start: np.float32) -> tuple[Singles, Singles]:
        """Logits and the fields' vectors."""
        count, shape = len(encoded.slots), (len(self.strength), self.factors)
        logits, vectors = np.empty(count, np.float32), np.empty((count, *shape), np.float32)
        scratch = np.empty(shape, np.float32)
        sum_fields(*encoded, fields, self.table, start, self.strength, self._length, logits, vectors, scratch)
        return logits, vectors

    def _learn(self, encoded: Encoded, labels: Singles, weights: Singles) -> None:
        vectors, mixed = np.empty((2, len(self.strength), self.factors), np.float32)
        learn_fields(
            *encoded, self._fields, labels, weights, self.table, self.strength, self.squares, self._rule,
            self._length, vectors, mixed,
        )  # fmt: skip

    def _predict(self, encoded: Encoded, out: Singles) -> None:
        out[:], _ = self._sum(encoded, self._fields, self.table[-1, 0])
        logits_to_probabilities(out[None])
