"""What factorization machines share: a table of weights and vectors."""

import numpy as np

from adsim.kernels.factorization import Adagrad
from adsim.predictors.checks import require_between, require_count, require_positive
from adsim.predictors.encoding import Encoder
from adsim.predictors.features import Schema
from adsim.predictors.hashed import Hashed


class Factorized(Hashed):
    """A weight and a vector for each slot, each number with its own Adagrad.

    Parameters
    ----------
    factors : int
        Length of a vector, 1 to 256; multiples of 8 are fastest.
    rate : float
        Learning rate of Adagrad, whose sums begin at 1.
    l2 : float
        Penalty on the numbers that a row touches, whenever it does.
    spread : float
        Standard deviation of the vectors' first values; those of unknown values and of numbers begin at 0.
    epochs : int, optional
        Passes of `fit` over its rows. Unless given 1, or with ``valid`` as many as help, at most 10. Several without
        ``valid`` learn the rows by heart.
    patience : int
        Passes in a row that may fail to lower the log loss on ``valid`` before `fit` stops at the best one.
    history : bool
        Whether entries of the browsing history are features.
    bits : int
        The table has ``2**bits`` slots; 1 to 28.

    Raises
    ------
    AdsimError
        When a parameter is out of range.
    """

    def __init__(
        self,
        factors: int = 8,
        rate: float = 0.08,
        l2: float = 2e-4,
        spread: float = 0.1,
        epochs: int | None = None,
        patience: int = 1,
        history: bool = True,
        bits: int = 18,
    ) -> None:
        self.factors, self.rate = require_count("factors", factors, 1, 256), require_positive("rate", rate)
        self.l2 = require_between("l2", l2, 0)
        self.spread = require_between("spread", spread, 0)
        self.epochs = None if epochs is None else require_count("epochs", epochs)
        self.patience, self.history = require_count("patience", patience), history
        self.bits = require_count("bits", bits, 1, 28)

    def _encoder(self, schema: Schema) -> Encoder:
        return Encoder(schema, self.bits, history=self.history)

    def _forget(self, rng: np.random.Generator) -> None:
        k = self.factors
        self.table = np.zeros((2**self.bits + 1, 2 + 2 * k), np.float32)
        self.table[:, 1], self.table[:, 2 + k :] = 1, 1
        self.table[:-1, 2 : 2 + k] = self.spread * rng.standard_normal((2**self.bits, k), np.float32)
        self.table[self.code.neutral, 2 : 2 + k] = 0

    @property
    def _length(self) -> np.uint64:
        """The number of factors as kernels take it."""
        return np.uint64(self.factors)

    @property
    def _rule(self) -> Adagrad:
        return Adagrad(np.float32(self.rate), np.float32(self.l2))
