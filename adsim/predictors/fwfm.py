"""Field-weighted factorization machine on hashed features."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from adsim.kernels.field_factorization import LANES, learn_fields, mix_fields, sum_fields
from adsim.kernels.linear import add_outer, add_products, logits_to_probabilities
from adsim.predictors.encoding import AD, BOTH, CONTEXT, Encoded
from adsim.predictors.factorized import Factorized
from adsim.predictors.features import Ads, Contexts, Singles


class FieldWeightedMachine(Factorized):
    """Field-weighted factorization machine (Pan et al. 2018).

    ``logit = b + sum_j w_j x_j + sum_{f < g} r_fg <E_f, E_g>`` with ``E_f`` the sum of ``v_j x_j`` over a field's
    features; each pair of fields learns how strong it is, from ``r = 1/2``. Parameters as `Factorized`.
    """

    def predict_grid(self, contexts: Contexts, ads: Ads, out: Singles) -> None:
        """See `Learner.predict_grid`: contexts' vectors are weighted once for each field of the ad."""
        self.check(contexts)
        self.check(ads)
        of_context, context = self._sum(self.code.contexts(contexts), CONTEXT, self.table[-1, 0])
        of_ad, ad = self._sum(self.code.ads(ads), AD, np.float32(0))
        mixed = np.empty((len(contexts), *ad.shape[1:]), np.float32)
        mix_fields(context, self._between(CONTEXT, AD), mixed)
        grid = out[:, : len(contexts)]
        add_outer(of_context, of_ad, grid)
        met = np.ascontiguousarray(mixed.reshape(len(contexts), -1).T)
        add_products(ad.reshape(len(ads), -1), met, grid)
        logits_to_probabilities(grid)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Learner.arrays`."""
        return {**super().arrays(), "strength": self.strength, "squares": self.squares}

    def _forget(self, rng: np.random.Generator) -> None:
        super()._forget(rng)
        of_columns = [self.code.fields(side) for side in (CONTEXT, AD, BOTH)]
        self._fields = [np.unique(fields) for fields in of_columns]
        self._places = [
            np.searchsorted(*pair).astype(np.int32) for pair in zip(self._fields, of_columns, strict=True)
        ]
        fields = self._fields[BOTH].size
        self.strength, self.squares = np.zeros((2, _filled(fields), _filled(fields)), np.float32)
        self.strength[:fields, :fields] = 0.5 * (1 - np.eye(fields))
        self.squares[...] = 1

    def _between(self, first: int, second: int) -> Singles:
        """Strengths of the pairs of a field of one side and a field of another."""
        rows, columns = self._fields[first], self._fields[second]
        found = np.zeros((_filled(rows.size), _filled(columns.size)), np.float32)
        found[: rows.size, : columns.size] = self.strength[np.ix_(rows, columns)]
        return found

    def _sum(self, encoded: Encoded, side: int, start: np.float32) -> tuple[Singles, Singles]:
        """Logits and the fields' vectors (n, k, fields of the side)."""
        strength = self._between(side, side)
        count, shape = len(encoded.slots), (self.factors, len(strength))
        logits, vectors = np.empty(count, np.float32), np.empty((count, *shape), np.float32)
        scratch = np.empty(shape, np.float32), np.empty(shape[1], np.float32)
        sum_fields(*encoded, self._places[side], self.table, start, strength, logits, vectors, *scratch)
        return logits, vectors

    def _learn(self, encoded: Encoded, labels: Singles, weights: Singles) -> None:
        state = self.table, self.strength, self.squares
        shape = self.factors, len(self.strength)
        scratch = tuple(np.empty(each, np.float32) for each in (shape, shape, shape[1], shape[0]))
        learn_fields(*encoded, self._places[BOTH], labels, weights, *state, self._rule, scratch)

    def _predict(self, encoded: Encoded, out: Singles) -> None:
        out[:], _ = self._sum(encoded, BOTH, self.table[-1, 0])
        logits_to_probabilities(out[None])


def _filled(fields: int) -> int:
    """Fields with those that fill up the last lanes."""
    return -(-fields // LANES) * LANES
