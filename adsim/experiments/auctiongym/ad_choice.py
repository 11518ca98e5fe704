"""How an advertiser chooses the ad that it bids with, and predicts its click rate.

The learned way is AuctionGym's (Jeunen, Murphy & Allison, AdKDD 2022): a Bayesian logistic regression for each ad.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from adsim.experiments.auctiongym.logistic import laplace
from adsim.types import Floats

Items = NDArray[np.int64]


class Choice(NamedTuple):
    """For each of some opportunities; (n,)."""

    item: Items
    rate: Floats
    """Predicted click rate of the ad."""


class AdChoice(ABC):
    """One advertiser's. Contexts are (n, D + 1), a 1 last."""

    @abstractmethod
    def choose(self, context: Floats) -> Choice:
        """The ad for each context."""

    @abstractmethod
    def learn(self, context: Floats, item: Items, click: NDArray[np.bool_]) -> None:
        """See which ads of the impressions won were clicked."""


class OracleChoice(AdChoice):
    """Knows the true rates.

    Parameters
    ----------
    weights : array (I, D + 1)
        True coefficients of the ads' click logits.
    value : array (I,)
        Of a click.
    """

    def __init__(self, weights: Floats, value: Floats) -> None:
        self.weights, self.value = weights, value

    def choose(self, context: Floats) -> Choice:
        """The ad of the highest true rate times value."""
        rates = expit(context @ self.weights.T)
        item = np.argmax(rates * self.value, axis=1)
        return Choice(item, rates[np.arange(len(item)), item])

    def learn(self, context: Floats, item: Items, click: NDArray[np.bool_]) -> None:
        """Nothing is left to learn."""


class LearnedChoice(AdChoice):
    """Bayesian logistic regression by diagonal Laplace approximation, one for each ad, with Thompson sampling.

    Weights are a posteriori normal, N(mean, 1 / precision), independently (Chapelle & Li, "An Empirical Evaluation of
    Thompson Sampling", NeurIPS 2011, algorithm 3); a priori N(0, 1), from which also the first means are drawn, as
    AuctionGym draws them. The ad is the one with the highest sampled rate times value, the predicted rate that of the
    posterior's mode. Unlike AuctionGym, the prior holds for the intercept, too, so that an ad that was never clicked
    has a finite mode, which Newton's method finds.

    Parameters
    ----------
    value : array (I,)
        Of a click.
    observed : int
        How many features it sees, the first ones.
    rng : Generator
        For the first means and for sampling.
    """

    def __init__(self, value: Floats, observed: int, rng: np.random.Generator) -> None:
        self.value, self.rng = value, rng
        self.mean = rng.standard_normal((value.size, observed + 1))
        self.precision = np.ones_like(self.mean)

    def choose(self, context: Floats) -> Choice:
        """Sample a logit of each ad for each context: N(mean . x, sum x^2 / precision)."""
        seen = self._seen(context)
        logit = seen @ self.mean.T
        spread = np.sqrt(seen**2 @ (1 / self.precision).T)
        sampled = expit(logit + spread * self.rng.standard_normal(logit.shape))
        item = np.argmax(sampled * self.value, axis=1)
        return Choice(item, expit(logit[np.arange(len(item)), item]))

    def learn(self, context: Floats, item: Items, click: NDArray[np.bool_]) -> None:
        """Take over the posterior of each ad that was shown."""
        seen = self._seen(context)
        for i in np.unique(item):
            rows = item == i
            self.mean[i], self.precision[i] = laplace(seen[rows], click[rows], self.mean[i], self.precision[i])

    def _seen(self, context: Floats) -> Floats:
        return np.delete(context, np.s_[self.mean.shape[1] - 1 : -1], axis=1)
