"""SGD-UCB: learn how to split a budget over channels from what they return."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim.errors import AdsimError
from adsim.experiments.channels.channels import Channel
from adsim.kernels.counter import fill_streams
from adsim.market.markets import check_seeds
from adsim.types import Floats

CONFIDENCE = 0.01
"""Constant of the upper confidence bound, in squared units of what a period brings at most."""
STEP = 2.0
"""Size of dual steps, times sqrt(periods)."""
FIRST_PRICE = 1.0
"""Where the dual of the budget begins, in units of a period's most value per budget; that of the ROI begins at 0."""


class Run(NamedTuple):
    """E runs of T periods over M channels."""

    lever: Floats
    """Budgets set; (E, T, M)."""
    value: Floats
    """Conversion value, (E, T, M)."""
    spend: Floats
    """(E, T, M)"""


def sgd_ucb(
    channels: Sequence[Channel],
    periods: int,
    seeds: ArrayLike,
    *,
    budget: float,
    target_roi: float = 0.0,
    confidence: float = CONFIDENCE,
    step: float = STEP,
    progress: Callable[[int, int], None] | None = None,
) -> Run:
    """Stochastic gradient descent on two duals, an upper confidence bound per channel and budget (bandit feedback).

    Algorithm 1 of Deng, Golrezaei, Jaillet, Liang and Mirrokni 2023 (arXiv 2302.01523), from memory. Budgets to
    choose from are `arms`. Each is set once, in all channels at the same time. Then every channel sets the budget a
    that is best by its own mean value V(a), mean spend D(a) and number of pulls n(a)

        argmax_a (1 + roi) (V(a) + sqrt(confidence log(periods) / n(a))) - (roi target_roi + price) D(a)

    and the duals follow what all channels returned, with eta = step / sqrt(periods):

        roi <- [roi - eta (value - target_roi spend)]_+,    price <- [price - eta (budget - spend)]_+

    Ours: the paper takes a lever to be consumed, where a market may return money, so that realised spend takes its
    place; money counts in budgets and value in the sum over channels of the most that the first round brought, which
    makes the constants free of units; the duals begin to move after the first round.

    Parameters
    ----------
    channels : sequence of Channel
        M of them.
    periods : int
        T, known in advance.
    seeds : sequence of int
        One for each of E runs, side by side; a run's periods are the same whatever T and whatever is set.
    budget : float
        Money a period, on average over periods.
    target_roi : float
        Value to spend over all periods, at least; 0 for none.
    confidence, step : float
        Constants; the paper leaves them to the analysis.
    progress : callable, optional
        Called with the numbers of periods played and to play.

    Returns
    -------
    Run

    Raises
    ------
    AdsimError
        When there are fewer periods than arms, or a number is not what it has to be.
    """
    check_problem(channels, periods, budget, target_roi)
    levels, keys = arms(budget, periods), period_seeds(seeds, periods, len(channels))
    runs = len(keys)
    state = _State(*np.zeros((3, runs, len(channels), levels.size)))
    duals, unit = np.tile([0.0, FIRST_PRICE], (runs, 1)), np.ones(runs)
    record = Run(*np.zeros((3, runs, periods, len(channels))))
    bonus, eta = confidence * np.log(periods), step / np.sqrt(periods)
    for t in range(periods):
        if t < levels.size:
            picks = np.full((runs, len(channels)), t)
        else:
            picks = _best(state, duals, unit, bonus, budget, target_roi)
        _play(channels, levels[picks], keys[:, t], record, t)
        value, spend = record.value[:, t], record.spend[:, t]
        state.add(picks, value, spend)
        if t == levels.size - 1:
            unit = state.value.max(axis=2).sum(axis=1)
            unit[unit == 0] = 1
        elif t >= levels.size:
            slack = [(value - target_roi * spend).sum(axis=1) / unit, 1 - spend.sum(axis=1) / budget]
            duals = np.maximum(duals - eta * np.stack(slack, axis=1), 0)
        if progress:
            progress(t + 1, periods)
    return record


class _State(NamedTuple):
    """Sums by channel and arm, each (E, M, A)."""

    pulls: Floats
    value: Floats
    spend: Floats

    def add(self, picks: NDArray[np.int64], value: Floats, spend: Floats) -> None:
        """Take in a period; all (E, M)."""
        rows, columns = np.indices(picks.shape)
        for sums, amount in zip(self, (1.0, value, spend), strict=True):
            sums[rows, columns, picks] += amount


def _best(
    state: _State, duals: Floats, unit: Floats, bonus: float, budget: float, target_roi: float
) -> NDArray[np.int64]:
    """Each channel's best arm under the duals, (E, M)."""
    roi, price = (duals[:, k, None, None] for k in range(2))
    scale = unit[:, None, None]
    value = state.value / state.pulls + scale * np.sqrt(bonus / state.pulls)
    gain = (1 + roi) * value - (roi * target_roi + price * scale / budget) * state.spend / state.pulls
    return gain.argmax(axis=2)


def arms(budget: float, periods: int) -> Floats:
    """Budgets to choose from: from 0 to the whole one, ``budget * periods ** (-1/3)`` apart at most; (A,)."""
    return np.linspace(0, budget, int(np.ceil(np.round(periods ** (1 / 3), 9))) + 1)


def period_seeds(seeds: ArrayLike, periods: int, channels: int) -> NDArray[np.uint64]:
    """Seeds of every run's periods in every channel, (E, T, M); a longer run begins with a shorter one's."""
    checked = check_seeds(seeds)
    found = np.empty((checked.size, periods * channels), np.uint64)
    fill_streams(checked, 0, found)
    return (found >> np.uint64(1)).reshape(checked.size, periods, channels)


def check_problem(channels: Sequence[Channel], periods: int, budget: float, target_roi: float) -> None:
    """Refuse what no campaign can have.

    Raises
    ------
    AdsimError
        Without channels, a positive budget and periods for every arm.
    """
    if not channels:
        raise AdsimError("no channel given.")
    names = [channel.name for channel in channels]
    if len({*names}) < len(names):
        raise AdsimError(f"channels {', '.join(names)}: give each a name of its own.")
    if not 0 < budget < np.inf:
        raise AdsimError(f"budget = {budget}: must be a positive number, money a period.")
    if not 0 <= target_roi < np.inf:
        raise AdsimError(f"target ROI = {target_roi}: must be a number of at least 0.")
    if periods < 8:
        raise AdsimError(f"periods = {periods}: SGD-UCB takes at least 8, of which it spends 3 on a first look.")


def _play(channels: Sequence[Channel], lever: Floats, keys: NDArray[np.uint64], record: Run, t: int) -> None:
    """Play period t in all channels."""
    record.lever[:, t] = lever
    for j, channel in enumerate(channels):
        bought = channel.buy(lever[:, j], np.zeros(len(lever)), keys[:, j])
        record.value[:, t, j], record.spend[:, t, j] = bought
