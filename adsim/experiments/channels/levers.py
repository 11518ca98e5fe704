"""What the levers of several channels can reach, exactly: linear and mixed-integer programs (HiGHS through scipy)."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import block_diag, csr_array, hstack

from adsim.errors import AdsimError
from adsim.experiments.channels.channels import ROUNDING, Bought, KnapsackChannel
from adsim.types import Floats


class Choice(NamedTuple):
    """The best levers and what they bring in a period."""

    value: float
    spend: float
    weights: list[Floats]
    """For each channel, the probability of each of its settings; (A,)."""


def global_optimum(
    channels: Sequence[KnapsackChannel], budget: float = np.inf, target_roi: float = 0.0
) -> tuple[float, float]:
    """The most value that buying single auctions anywhere can bring, GL-OPT of Deng et al. 2023 (arXiv 2302.01523).

    What is bought of each auction may depend on the channel's realisation; budget and target ROI hold in expectation.

    Parameters
    ----------
    channels : sequence of KnapsackChannel
    budget : float
        Expected spend in a period, at most.
    target_roi : float
        Expected value to expected spend, at least.

    Returns
    -------
    value, spend : float
        Expected, in a period.

    Raises
    ------
    AdsimError
        When no channel is given.
    """
    _check(channels)
    value = np.concatenate([channel.values.ravel() / len(channel.values) for channel in channels])
    cost = np.concatenate([channel.costs.ravel() / len(channel.costs) for channel in channels])
    shares = _solve(value, _global(value, cost, budget, target_roi), np.zeros(value.size, np.int64))
    return float(value @ shares), float(cost @ shares)


def lever_optimum(
    channels: Sequence[KnapsackChannel],
    levers: Literal["budget", "roi"],
    budget: float = np.inf,
    target_roi: float = 0.0,
) -> tuple[float, float]:
    """The most value with one constant lever per channel, CH-OPT of Deng et al. 2023 (arXiv 2302.01523).

    Exact: the points (spend, value) that a channel's lever can reach are segments, a binary variable chooses among
    them. With one realisation per channel, budgets reach `global_optimum`; with several, a constant budget can't
    follow what is drawn, and may reach less.

    Parameters
    ----------
    channels : sequence of KnapsackChannel
        For ``levers="roi"`` of one realisation each: with several, what a target reaches is curved.
    levers : {"budget", "roi"}
        A budget for each channel, or a target ROI for each.
    budget, target_roi : float
        As in `global_optimum`.

    Returns
    -------
    value, spend : float
        Expected, in a period.

    Raises
    ------
    AdsimError
        For a channel of several realisations under ROI levers, or when no channel is given.
    """
    _check(channels)
    segments = [_budget_segments(channel) if levers == "budget" else _roi_segments(channel) for channel in channels]
    ends = [Bought(part.value.ravel(), part.spend.ravel()) for part in segments]
    pairs: Any = block_diag([np.repeat(np.eye(len(part.value)), 2, axis=1) for part in segments])
    chosen = pairs.shape[0]
    value, spend = (np.concatenate([*(each[k] for each in ends), np.zeros(chosen)]) for k in range(2))
    one: Any = block_diag([np.ones((1, len(part.value))) for part in segments])
    size = value.size - chosen
    limits = [
        *_global(value, spend, budget, target_roi),
        LinearConstraint(_beside(pairs, -np.eye(chosen)), 0, 0),
        LinearConstraint(_beside(np.zeros((len(channels), size)), one), 1, 1),
    ]
    found = _solve(value, limits, np.repeat([0, 1], [size, chosen]))
    return float(value @ found), float(spend @ found)


def best_arms(
    means: Sequence[Bought], budget: float = np.inf, target_roi: float = 0.0, *, mixed: bool = True
) -> Choice:
    """The best settings of all channels, given what each brings on average.

    Parameters
    ----------
    means : sequence of Bought
        For each channel, expected value and spend of its settings (arms), (A,). One of them has to spend nothing.
    budget, target_roi : float
        As in `global_optimum`.
    mixed : bool
        Whether a channel's setting may be drawn anew every period, constraints holding in expectation (a linear
        program), or has to stay (a mixed-integer one).

    Returns
    -------
    Choice
    """
    value, spend = (np.concatenate([each[k] for each in means]) for k in range(2))
    one: Any = block_diag([np.ones((1, each.value.size)) for each in means])
    limits = [*_global(value, spend, budget, target_roi), LinearConstraint(one, 1, 1)]
    found = _solve(value, limits, np.full(value.size, 0 if mixed else 1))
    cuts = np.cumsum([each.value.size for each in means])[:-1]
    return Choice(float(value @ found), float(spend @ found), np.split(found, cuts))


def _budget_segments(channel: KnapsackChannel) -> Bought:
    """Ends of segments between the budgets at which an auction is bought up in some realisation; (S, 2) each."""
    reached = channel.means(np.unique(channel.spend))
    if reached.value.size == 1:
        return Bought(np.repeat(reached.value[None], 2, axis=1), np.repeat(reached.spend[None], 2, axis=1))
    return Bought(*(np.stack([each[:-1], each[1:]], axis=1) for each in reached))


def _roi_segments(channel: KnapsackChannel) -> Bought:
    """Ends of segments that some target ROI reaches, nothing being one.

    Without a free auction, the auctions of the highest ratio are bought all at once or not at all.
    """
    if len(channel.values) > 1:
        raise AdsimError(
            f"channel '{channel.name}': {len(channel.values)} realisations; ROI levers are solved for one only."
        )
    value, spend = channel.value[0], channel.spend[0]
    free = int(np.flatnonzero(spend == 0)[-1])
    first = free
    if value[free] == 0 and free + 1 < value.size:
        ratio = value[free + 1 :] / spend[free + 1 :]
        first += int(np.count_nonzero(ratio >= ratio[0] * (1 - ROUNDING)))
    path = np.stack([value[first:], spend[first:]])
    ends = np.stack([path[:, :-1], path[:, 1:]], axis=2) if path.shape[1] > 1 else path[:, :, None].repeat(2, axis=2)
    return Bought(*np.concatenate([np.zeros((2, 1, 2)), ends], axis=1))


def _global(value: Floats, spend: Floats, budget: float, target_roi: float) -> list[LinearConstraint]:
    """Budget and target ROI of the campaign."""
    rows = np.stack([spend, value - target_roi * spend])
    return [LinearConstraint(rows, [-np.inf, 0], [budget, np.inf])]


def _beside(left: Any, right: Any) -> csr_array:
    return csr_array(hstack([csr_array(left), csr_array(right)]))


def _solve(value: Floats, limits: Sequence[LinearConstraint], integral: NDArray[np.int64]) -> Floats:
    """The variables in [0, 1] that maximise value."""
    found = milp(-value, constraints=limits, integrality=integral, bounds=Bounds(0, 1), options={"mip_rel_gap": 0})
    if found.x is None:
        raise AdsimError(f"no levers keep budget and target ROI ({found.message}).")
    return np.asarray(found.x)


def _check(channels: Sequence[KnapsackChannel]) -> None:
    if not channels:
        raise AdsimError("no channel given.")
