"""Conversions that come late: a stream of clicks as weighted examples in the order in which they are known.

A learner that waits for all conversions is late; one that takes clicks without any for negatives is biased. Both
remedies here learn at once and weight examples so that the expected gradient is that of the final labels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim.errors import AdsimError, UnknownName
from adsim.predictors.features import Rows, Schema, Singles
from adsim.predictors.learner import Learner
from adsim.types import Floats

METHODS = ("oracle", "wait", "duplicates", "fnw", "esdfm")

Longs = NDArray[np.integer]


class Arrivals(NamedTuple):
    """Examples in the order of time, (m,) each; a click may come twice."""

    click: Longs
    """Which."""
    time: Floats
    """When its label is taken for this."""
    label: Singles
    """0 or 1."""


@dataclass(frozen=True)
class Delayed:
    """How examples are made of clicks.

    With p the predicted rate of conversions within the window:

    - ``oracle``: the final label at the click, which nobody knows.
    - ``wait``: once, after ``wait``, as a negative unless it has converted by then, and never again. Unbiased if
      ``wait`` is the window, but late by as much.
    - ``duplicates``: after ``wait`` likewise; a conversion that comes later is a second, positive example.
    - ``fnw``: as duplicates, positives weighted by 1 + p, negatives by (1 - p) (1 + p). Exact if ``wait`` is 0: then
      p / (1 + p) of the examples are positive. Ktena et al. 2019, "Addressing Delayed Feedback for Continuous
      Training with Neural Networks in CTR prediction" (arXiv 1907.06558).
    - ``esdfm``: as duplicates, positives weighted by 1 + p_dp, negatives by (1 + p_dp) p_rn. p_dp is the rate of
      clicks that convert after ``wait`` but within the window, p_rn that of clicks without conversion by ``wait``
      that never convert; two learners of their own predict them, from clicks older than the window, and before there
      are any examples weigh 1. Yang et al. 2021, "Capturing Delayed Feedback in Conversion Rate Prediction via
      Elapsed-Time Sampling" (arXiv 2012.03245).

    Weights are constants: no gradient goes through them.

    Parameters
    ----------
    method : str
        One of the above.
    window : float
        Attribution window: later conversions do not count. Same unit as all times.
    wait : float
        From 0 to the window.

    Raises
    ------
    AdsimError
        When the method is unknown, or a time is impossible.
    """

    method: str
    window: float
    wait: float = 0.0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UnknownName("method", self.method, METHODS)
        if not 0 <= self.wait <= self.window < np.inf:
            raise AdsimError(f"wait = {self.wait}: must lie between 0 and the window, {self.window}.")

    def arrivals(self, clicked: ArrayLike, delay: ArrayLike) -> Arrivals:
        """Examples of clicks.

        Parameters
        ----------
        clicked : array (n,)
            Times of clicks.
        delay : array (n,)
            Time from click to conversion, NaN without one.

        Raises
        ------
        AdsimError
            When shapes differ.
        """
        times, delays = np.asarray(clicked, np.float64), np.asarray(delay, np.float64)
        if times.ndim != 1 or times.shape != delays.shape:
            raise AdsimError(f"delay: has shape {delays.shape}, must have {times.shape}, one for each click.")
        converts = delays <= self.window
        every = np.arange(times.size)
        if self.method == "oracle":
            return _in_order(every, times, converts)
        early = delays <= self.wait
        if self.method == "wait":
            return _in_order(every, times + self.wait, early)
        late = np.flatnonzero(converts & ~early)
        return _in_order(
            np.concatenate([every, late]),
            np.concatenate([times + self.wait, (times + delays)[late]]),
            np.concatenate([early, np.ones(late.size, bool)]),
        )

    def weights(self, labels: Singles, rate: Floats, late: Floats, negative: Floats) -> Floats:
        """Of examples, given predicted p, p_dp and p_rn; (n,) each."""
        if self.method == "fnw":
            return np.where(labels > 0, 1 + rate, (1 - rate) * (1 + rate))
        if self.method == "esdfm":
            return np.where(labels > 0, 1 + late, (1 + late) * negative)
        return np.ones(len(labels))


def _in_order(click: Longs, time: Floats, label: NDArray[np.bool_]) -> Arrivals:
    order = np.argsort(time, kind="stable")
    return Arrivals(click[order], time[order], label[order].astype(np.float32))


class Lateness:
    """p_dp and p_rn of `Delayed`, learned from clicks older than the window; 0 and 1 before there are any."""

    def __init__(self, rule: Delayed, make: Callable[[], Learner], schema: Schema, seed: int) -> None:
        self.rule, self.known = rule, False
        self.late, self.negative = make().begin(schema, seed), make().begin(schema, seed)

    def learn(self, rows: Rows, delay: Floats) -> None:
        """From clicks whose delays (n,) are final."""
        if not len(rows):
            return
        early, converts = delay <= self.rule.wait, delay <= self.rule.window
        self.late.partial_fit(rows, converts & ~early)
        self.negative.partial_fit(rows.take(~early), ~converts[~early])
        self.known = True

    def predict(self, rows: Rows) -> tuple[Floats, Floats]:
        """p_dp and p_rn, (n,) each."""
        if not self.known:
            return np.zeros(len(rows)), np.ones(len(rows))
        return self.late.predict_proba(rows), self.negative.predict_proba(rows)


def stream(
    rows: Rows,
    clicked: ArrayLike,
    delay: ArrayLike,
    rule: Delayed,
    make: Callable[[], Learner],
    *,
    step: float,
    seed: int = 0,
) -> Floats:
    """Learn from clicks as time goes by, each having been predicted before.

    Parameters
    ----------
    rows : Rows
        Of clicks, in the order of time.
    clicked, delay : array (n,)
        Times of clicks, and from click to conversion, NaN without one.
    rule : Delayed
        What is learned when, with which weight.
    make : callable
        Makes a learner; ES-DFM has three.
    step : float
        Time between updates: clicks are predicted by what was known when their step began.
    seed : int
        Of initial weights.

    Returns
    -------
    array (n,)
        Predicted conversion rates.

    Raises
    ------
    AdsimError
        When clicks are not in order, or the step is not positive.
    """
    times, delays = np.asarray(clicked, np.float64), np.asarray(delay, np.float64)
    if not 0 < step < np.inf:
        raise AdsimError(f"step = {step}: must be a positive time.")
    if len(times) != len(rows) or (np.diff(times) < 0).any():
        raise AdsimError("clicked: must be a time for each row, none before the one above it.")
    examples, learner = rule.arrivals(times, delays), make().begin(rows.schema, seed)
    lateness = Lateness(rule, make, rows.schema, seed) if rule.method == "esdfm" else None
    predictions = np.empty(len(rows))
    count = int((times[-1] - times[0]) // step) + 1 if len(times) else 0
    ends = times[:1] + step * np.arange(1, count + 1)
    for fresh, arrived, final in zip(
        *(_parts(known, ends) for known in (times, examples.time, times + rule.window)), strict=True
    ):
        predictions[fresh] = learner.predict_proba(rows.take(fresh))
        if lateness:
            lateness.learn(rows.take(final), delays[final])
        given, labels = rows.take(examples.click[arrived]), examples.label[arrived]
        late = lateness.predict(given) if lateness else (np.zeros(len(given)), np.ones(len(given)))
        learner.partial_fit(given, labels, rule.weights(labels, learner.predict_proba(given), *late))
    return predictions


def _parts(times: Floats, ends: Floats) -> list[slice]:
    """Which of some times in order come before each end, and not before the one before it."""
    cuts = [0, *np.searchsorted(times, ends, side="left")]
    return [slice(first, last) for first, last in pairwise(cuts)]
