"""Factorization machine on hashed features."""

import numpy as np

from adsim.kernels.factorization import learn_factors, sum_factors
from adsim.kernels.linear import add_outer, add_products, logits_to_probabilities
from adsim.predictors.encoding import Encoded
from adsim.predictors.factorized import Factorized
from adsim.predictors.features import Ads, Contexts, Singles


class FactorizationMachine(Factorized):
    """Second-order factorization machine (Rendle 2010).

    ``logit = b + sum_j w_j x_j + (|sum_j v_j x_j|^2 - sum_j |v_j x_j|^2) / 2``: every two features meet in the inner
    product of their vectors. Parameters as `Factorized`.
    """

    def predict_grid(self, contexts: Contexts, ads: Ads, out: Singles) -> None:
        """See `Learner.predict_grid`: with S of the context and S' of the ad, what they add is ``<S, S'>``."""
        self.check(contexts)
        self.check(ads)
        of_context, context = self._sum(self.code.contexts(contexts), self.table[-1, 0])
        of_ad, ad = self._sum(self.code.ads(ads), np.float32(0))
        grid = out[:, : len(contexts)]
        add_outer(of_context, of_ad, grid)
        add_products(ad, np.ascontiguousarray(context.T), grid)
        logits_to_probabilities(grid)

    def _sum(self, encoded: Encoded, start: np.float32) -> tuple[Singles, Singles]:
        """Logits and vectors."""
        logits, sums = (
            np.empty(len(encoded.slots), np.float32),
            np.empty((len(encoded.slots), self.factors), np.float32),
        )
        sum_factors(*encoded, self.table, self._length, start, logits, sums, np.empty(self.factors, np.float32))
        return logits, sums

    def _learn(self, encoded: Encoded, labels: Singles, weights: Singles) -> None:
        total, squares = np.empty((2, self.factors), np.float32)
        learn_factors(*encoded, labels, weights, self.table, self._rule, self._length, total, squares)

    def _predict(self, encoded: Encoded, out: Singles) -> None:
        out[:], _ = self._sum(encoded, self.table[-1, 0])
        logits_to_probabilities(out[None])
