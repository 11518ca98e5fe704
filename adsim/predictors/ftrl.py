"""Logistic regression on hashed features, learned by FTRL-proximal."""

import numpy as np

from adsim.kernels.ftrl import Rule, learn_ftrl
from adsim.predictors.checks import require_between, require_count, require_positive
from adsim.predictors.encoding import Encoded
from adsim.predictors.features import Singles
from adsim.predictors.linear import Linear


class FollowTheRegularizedLeader(Linear):
    """Logistic regression by FTRL-proximal (McMahan et al. 2013), a row at a time.

    With ``g = (p - y) x`` for each feature: ``z += g - (sqrt(n + g^2) - sqrt(n)) w / alpha``, ``n += g^2``, and
    ``w = (sgn(z) l1 - z) / ((beta + sqrt(n)) / alpha + l2)``, or 0 while ``|z| <= l1``.

    Parameters
    ----------
    alpha, beta : float
        Learning rate, and what smooths it for rare features.
    l1, l2 : float
        Penalties: the first keeps rare features out, the second pulls weights to 0.
    crosses : str
        Pairs of fields that have a weight for each pair of values: ``segment*ad+hour*ad``.
    per : str
        A field of the ad each of whose values has own weights of the context's numbers; or the other way round.
    epochs : int
        Passes of `fit` over its rows, at most; with ``valid`` it stops when the log loss there no longer falls.
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
        alpha: float = 0.1,
        beta: float = 1.0,
        l1: float = 0.0,
        l2: float = 1.0,
        crosses: str = "",
        per: str = "",
        epochs: int = 1,
        history: bool = True,
        bits: int = 18,
    ) -> None:
        self.alpha, self.beta = require_positive("alpha", alpha), require_between("beta", beta, 0)
        self.l1, self.l2 = require_between("l1", l1, 0), require_between("l2", l2, 0)
        self.crosses, self.per, self.history = crosses, per, history
        self.epochs = require_count("epochs", epochs)
        self.bits = require_count("bits", bits, 1, 28)

    def _forget(self, rng: np.random.Generator) -> None:
        self.table = np.zeros((2**self.bits + 1, 4), np.float32)

    def _learn(self, encoded: Encoded, labels: Singles, weights: Singles) -> None:
        rule = Rule(*(np.float32(number) for number in (1 / self.alpha, self.beta, self.l1, self.l2)))
        learn_ftrl(encoded.slots, encoded.values, labels, weights, self.table, rule)
