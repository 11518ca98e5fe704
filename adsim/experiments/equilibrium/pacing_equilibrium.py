"""The first-price pacing equilibrium: where budget-paced bidders of first-price auctions come to rest.

Conitzer, Kroer, Panigrahi, Schrijvers, Sodomka, Stier-Moses and Wilkens (2019, arXiv 1811.07166): utility maximizers
with budgets bid beta v. In equilibrium the highest bid wins, the winner pays it, budgets hold, and beta < 1 only
where the budget is spent. Multipliers and prices are unique and solve the dual of an Eisenberg-Gale program,

    min  sum_j p_j - sum_i B_i log beta_i    subject to  p_j >= beta_i v_ji,  0 < beta_i <= 1,

whose multipliers x_ji of the first constraint are the allocation. A linear program with tangents of the logarithm
would leave the multipliers uncertain by the square root of its tolerance, so this is a primal-dual interior-point
method, whose Newton steps reduce to N equations: derived here, with the certificate `PacingEquilibrium.gap`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim.errors import AdsimError
from adsim.experiments.optimum.amounts import amounts
from adsim.types import Floats

TOLERANCE = 1e-13
"""Complementarity at which the method stops, of all prices and budgets."""
RESIDUAL = 1e-9
"""Relative violation of the other optimality conditions at which it stops."""
STEPS = 500
"""Newton steps at most; some 40 are usual."""
CENTRING = 0.3
"""Complementarity that a step aims at, of the present one."""
TO_BOUNDARY = 0.9
"""Part of the way to the nearest bound that a step goes."""


class PacingEquilibrium(NamedTuple):
    """Multipliers, prices and who wins."""

    multiplier: Floats
    """beta, (N,): campaign i bids multiplier[i] x value; 0 only without any money."""
    price: Floats
    """The highest bid for each opportunity, (T,)."""
    allocation: Floats
    """Share of each opportunity that each campaign wins, (T, N); ties are split, a price of 0 leaves it unsold."""
    spend: Floats
    """Money, (N,)."""
    gap: float
    """Between the objectives of the two programs, in money: 0 at an exact equilibrium."""


def first_price_pacing_equilibrium(value: ArrayLike, budget: ArrayLike) -> PacingEquilibrium:
    """Equilibrium of a market whose opportunities are each sold in one first-price auction.

    Budgets below a millionth of all prices may be lost in rounding.

    Parameters
    ----------
    value : array (T, N)
        Value of winning an opportunity to each campaign.
    budget : array (N,)
        Money for all of them; inf for none.

    Raises
    ------
    AdsimError
        When an input is NaN or negative, a value infinite, or the shapes differ; when the method does not converge.

    Examples
    --------
    >>> equilibrium = first_price_pacing_equilibrium([[2.0, 1.0], [2.0, 1.0]], [3.0, 9.0])
    >>> equilibrium.multiplier.round(6), equilibrium.price.round(6)
    (array([0.75, 1.  ]), array([1.5, 1.5]))
    """
    values = amounts("value", value, (None, None))
    budgets = amounts("budget", budget, (values.shape[1],), unlimited=True)
    multiplier = np.where(budgets > 0, 1.0, 0.0)
    paced = (budgets > 0) & (budgets < values.sum(axis=0))
    unpaced = np.flatnonzero((budgets > 0) & ~paced)
    share, rest = np.zeros_like(values), np.ones(len(values))
    if paced.any():
        floor = values[:, unpaced].max(axis=1, initial=0.0)
        multiplier[paced], share[:, paced], rest = _solve(values[:, paced], budgets[paced], floor)
    if unpaced.size:
        share[np.arange(len(values)), unpaced[values[:, unpaced].argmax(axis=1)]] = rest
    return _settled(values, budgets, paced, multiplier, share)


class _Point(NamedTuple):
    """Of the interior: all positive. The last five come in pairs whose products vanish at the optimum."""

    multiplier: Floats
    """beta, (N,)."""
    price: Floats
    """p, (T,)."""
    share: Floats
    """x, (T, N); 0 where the campaign is no candidate."""
    margin: Floats
    """p - beta v, (T, N); 1 where the campaign is no candidate."""
    rest: Floats
    """Share of each opportunity that goes to the floor, (T,)."""
    above: Floats
    """p - floor, (T,)."""
    leftover: Floats
    """Dual of beta <= 1: unspent budget, (N,)."""
    shading: Floats
    """1 - beta, (N,)."""

    @property
    def complementarity(self) -> float:
        return float((self.share * self.margin).sum() + self.rest @ self.above + self.leftover @ self.shading)


def _solve(value: Floats, budget: Floats, floor: Floats) -> tuple[Floats, Floats, Floats]:
    """Multipliers and shares of campaigns that compete with a floor on each opportunity, and what they leave."""
    candidate = value > floor[:, None]
    live = candidate.any(axis=1)
    candidate, value = candidate[live], np.where(candidate, value, 0.0)[live]
    point = _start(value, budget, floor[live], candidate)
    for _ in range(STEPS):
        sold = 1 - point.share.sum(axis=1) - point.rest
        spent = budget / point.multiplier - (value * point.share).sum(axis=0) - point.leftover
        residual = max(np.abs(sold).max(initial=0.0), np.abs(spent * point.multiplier / budget).max())
        if point.complementarity <= TOLERANCE * (point.price.sum() + budget.sum()) and residual <= RESIDUAL:
            break
        point = _step(point, _direction(point, value, budget, candidate, sold, spent))
    else:
        raise AdsimError(
            f"no equilibrium after {STEPS} steps: values or budgets are too many orders of magnitude apart."
        )
    share, rest = np.zeros((live.size, budget.size)), np.ones(live.size)
    share[live], rest[live] = point.share, point.rest
    return np.minimum(point.multiplier, 1.0), share, rest


def _start(value: Floats, budget: Floats, floor: Floats, candidate: NDArray[np.bool_]) -> _Point:
    """A well-centred point: all products of pairs are equal."""
    multiplier = (1 + budget / np.maximum(value.sum(axis=0), 2 * budget)) / 2  # in [1/2, 3/4]
    bids = multiplier * value
    top = np.maximum(floor, bids.max(axis=1, initial=0.0))
    centre = top.mean() if top.size else 1.0
    price = top + centre * (1 + candidate.sum(axis=1))
    margin, above, shading = np.where(candidate, price[:, None] - bids, 1.0), price - floor, 1 - multiplier
    share = np.where(candidate, centre / margin, 0.0)
    return _Point(multiplier, price, share, margin, centre / above, above, centre / shading, shading)


def _direction(
    point: _Point, value: Floats, budget: Floats, candidate: NDArray[np.bool_], sold: Floats, spent: Floats
) -> _Point:
    """Newton's, towards less complementarity; prices and shares are eliminated, N equations remain."""
    pairs = np.count_nonzero(candidate) + point.price.size + budget.size
    aim = CENTRING * point.complementarity / pairs
    share = np.where(candidate, aim / point.margin - point.share, 0.0)
    rest = aim / point.above - point.rest
    leftover = aim / point.shading - point.leftover
    weight, floor_weight = point.share / point.margin, point.rest / point.above
    total = weight.sum(axis=1) + floor_weight
    weighted = weight * value
    surplus = share.sum(axis=1) + rest - sold
    curvature = (weighted * value).sum(axis=0) + budget / point.multiplier**2 + point.leftover / point.shading
    multiplier = np.linalg.solve(
        np.diag(curvature) - weighted.T @ (weighted / total[:, None]),
        spent - (value * share).sum(axis=0) - leftover + weighted.T @ (surplus / total),
    )
    price = (surplus + weighted @ multiplier) / total
    margin = np.where(candidate, price[:, None] - value * multiplier, 0.0)
    return _Point(
        multiplier,
        price,
        share - weight * margin,
        margin,
        rest - floor_weight * price,
        price,
        leftover + point.leftover / point.shading * multiplier,
        -multiplier,
    )


def _step(point: _Point, direction: _Point) -> _Point:
    reach = min((-x[d < 0] / d[d < 0]).min(initial=np.inf) for x, d in zip(point, direction, strict=True))
    length = min(1.0, TO_BOUNDARY * reach)
    return _Point(*(x + length * d for x, d in zip(point, direction, strict=True)))


def _settled(
    values: Floats, budgets: Floats, paced: NDArray[np.bool_], multiplier: Floats, share: Floats
) -> PacingEquilibrium:
    """Every opportunity sold whole, to the highest bids only.

    An interior point gives every candidate a share. Those have won whose share is larger than the relative distance
    of their bid to the highest: in equilibrium one of the two is 0.
    """
    bids = multiplier * values
    price = bids.max(axis=1, initial=0.0)
    share = np.where(share * price[:, None] > price[:, None] - bids, share, 0.0)
    total = share.sum(axis=1, keepdims=True)
    share = np.divide(share, total, out=share, where=total > 0)
    utility, money = (values * share).sum(axis=0), budgets[paced]
    # With these shares, beta u - B log beta is least at beta = min(1, B / u).
    least = utility.copy()
    least[paced] = np.minimum(utility[paced], money) + money * np.log(np.maximum(utility[paced] / money, 1.0))
    gap = price.sum() - money @ np.log(multiplier[paced]) - least.sum()
    return PacingEquilibrium(multiplier, price, share, (bids * share).sum(axis=0), max(float(gap), 0.0))
