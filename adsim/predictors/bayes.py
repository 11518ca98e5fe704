"""Bayesian logistic regression with Thompson sampling."""

import numpy as np

from adsim.kernels.laplace import VARIANCE, learn_laplace
from adsim.kernels.linear import sample_probabilities
from adsim.predictors.checks import require_between, require_count, require_positive
from adsim.predictors.encoding import Encoded
from adsim.predictors.features import Ads, Contexts, Singles
from adsim.predictors.linear import WEIGHT, Linear


class BayesianLogistic(Linear):
    """Logistic regression with a diagonal Laplace posterior (Chapelle & Li 2011, algorithm 3), a row at a time.

    Posterior means make a Newton step of each row's log loss and their prior, where the paper seeks the optimum of a
    batch; then each feature's precision grows by ``p (1 - p) x^2``, p being the prediction before the step.
    Predictions are those of the mean. A sample's logit is normal around it with ``thompson`` times the posterior's
    deviation, ``sqrt(sum x^2 / precision)``: one draw in place of one per weight, with the same distribution.

    Parameters
    ----------
    thompson : float
        Deviations of a sample; 0 does not explore, 1 is Thompson sampling.
    precision : float
        Of each weight before any row is seen; its mean is 0.
    crosses : str
        Pairs of fields that have a weight for each pair of values: ``segment*ad+hour*ad``.
    per : str
        A field of the ad each of whose values has own weights of the context's numbers; or the other way round.
    history : bool
        Whether entries of the browsing history are features.
    bits : int
        The table has ``2**bits`` slots; 1 to 28.

    Raises
    ------
    AdsimError
        When a parameter is out of range or, on `begin`, names a field that the schema has not.
    """

    def __init__(
        self,
        thompson: float = 0.0,
        precision: float = 10.0,
        crosses: str = "",
        per: str = "",
        history: bool = True,
        bits: int = 18,
    ) -> None:
        self.thompson = require_between("thompson", thompson, 0)
        self.precision = require_positive("precision", precision)
        self.crosses, self.per, self.history = crosses, per, history
        self.bits = require_count("bits", bits, 1, 28)

    @property
    def explores(self) -> bool:
        """Whether samples differ from predictions."""
        return self.thompson > 0

    def sample_grid(self, contexts: Contexts, ads: Ads, key: int, first: int, out: Singles) -> None:
        """See `Learner.sample_grid`."""
        grid = out[:, : len(contexts)]
        variances = np.empty(grid.shape, np.float32)
        self._sum_grid(contexts, ads, WEIGHT, grid)
        self._sum_grid(contexts, ads, VARIANCE, variances)
        sample_probabilities(np.uint64(key), first, np.float32(self.thompson), grid, variances)

    def _forget(self, rng: np.random.Generator) -> None:
        self.table = np.zeros((2**self.bits + 1, 2), np.float32)
        self.table[:, VARIANCE] = 1 / self.precision

    def _learn(self, encoded: Encoded, labels: Singles, weights: Singles) -> None:
        learn_laplace(encoded.slots, encoded.values, labels, weights, self.table)
