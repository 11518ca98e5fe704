"""Learning from bags of rows of which only the number of events is known."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from adsim.errors import AdsimError, UnknownName
from adsim.predictors.checks import require_count
from adsim.predictors.features import Rows
from adsim.predictors.wrapper import Wrapper, logits, sigmoid
from adsim.types import Floats, Ints

METHODS = "loss", "tilt"
BATCH = 256
"""Rows at least between predictions of the loss."""
REACH, HALVINGS = 40.0, 50


class LabelProportions(Wrapper):
    """Teaches a learner from counts per bag, as aggregated reports give them; with labels it is just that learner.

    Both methods start from the rate of each row's bag as a soft label, and pass over the rows again and again.
    ``loss`` descends the divergence ``n KL(k / n, P)`` of a bag of n rows with k events and mean prediction P: a
    row's soft label ``p - p (1 - p) (P - k / n) / (P (1 - P))`` hands its gradient to any learner (our own form).
    ``tilt`` is expectation maximisation with a mean-field posterior, which belief propagation (Havaldar et al. 2023,
    arXiv 2310.08056) refines: soft labels ``sigmoid(l_i + c)``, l the learner's logits and c what makes them add up
    to k.

    Parameters
    ----------
    of : str
        The learner, with slashes for colons: ``fwfm/epochs=2``.
    method : str
        loss or tilt.
    rounds : int
        Passes after the first.

    Raises
    ------
    AdsimError
        When a parameter is out of range or, on `begin`, ``of`` is not a learner.
    """

    def __init__(self, of: str, method: str = "loss", rounds: int = 8) -> None:
        if method not in METHODS:
            raise UnknownName("method", str(method), METHODS)
        self.of, self.method, self.rounds = of, method, require_count("rounds", rounds)

    def fit_bags(self, rows: Rows, bag: ArrayLike, counts: ArrayLike, *, seed: int = 0) -> Self:
        """Learn from scratch, from counts alone.

        Parameters
        ----------
        rows : Rows
        bag : array (n,)
            The bag of each row, from 0.
        counts : array (bags,)
            Events in each bag.
        seed : int
            Of the learner's initial weights.

        Raises
        ------
        AdsimError
            When a row has no bag, or a count is negative or larger than its bag.
        """
        which, events, size = _checked(rows, bag, counts)
        self.begin(rows.schema, seed)
        rate = events / np.maximum(size, 1)
        self.inner.fit(rows, rate[which], seed=seed)
        for _ in range(self.rounds):
            if self.method == "tilt":
                self.inner.partial_fit(rows, self._tilted(rows, which, events))
            else:
                self._descend(rows, which, rate)
        return self

    def _tilted(self, rows: Rows, bag: Ints, events: Floats) -> Floats:
        """Soft labels that add up to each bag's count, by bisection."""
        logit = logits(self.inner.predict_proba(rows))
        low, high = np.full(events.size, -REACH), np.full(events.size, REACH)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            above = np.bincount(bag, sigmoid(logit + middle[bag]), events.size) > events
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return sigmoid(logit + high[bag])

    def _descend(self, rows: Rows, bag: Ints, rate: Floats) -> None:
        order = np.argsort(bag, kind="stable")
        ends = np.flatnonzero(np.diff(bag[order], append=-1)) + 1
        start = np.int64(0)
        for end in ends:
            if end - start < BATCH and end < order.size:
                continue
            part = order[start:end]
            seen, which = rows.take(part), bag[part]
            p, first = self.inner.predict_proba(seen), which[0]
            size = np.bincount(which - first)
            mean = np.bincount(which - first, p)[which - first] / size[which - first]
            soft = p - p * (1 - p) * (mean - rate[which]) / (mean * (1 - mean))
            self.inner.partial_fit(seen, np.clip(soft, 0, 1))
            start = end


def _checked(rows: Rows, bag: ArrayLike, counts: ArrayLike) -> tuple[Ints, Floats, Floats]:
    """Bags as numbers, events and sizes of bags."""
    which, events = np.asarray(bag), np.asarray(counts, np.float64)
    if which.shape != (len(rows),) or not np.issubdtype(which.dtype, np.integer) or which.min(initial=0) < 0:
        raise AdsimError(f"bag: must hold a whole number from 0 for each of the {len(rows)} rows.")
    if events.ndim != 1 or which.max(initial=-1) >= events.size:
        raise AdsimError(f"counts: has {events.size} numbers, must have one for each bag up to {which.max()}.")
    size = np.bincount(which, minlength=events.size).astype(np.float64)
    wrong = np.flatnonzero(~((events >= 0) & (events <= size)))
    if wrong.size:
        first = wrong[0]
        raise AdsimError(f"counts: bag {first} of {size[first]:.0f} rows cannot have {events[first]:g} events.")
    return which.astype(np.int32), events, size
