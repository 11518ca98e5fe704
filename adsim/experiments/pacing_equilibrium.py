"""The first-price pacing equilibrium: where budget-paced bidders of first-price auctions come to rest.

Conitzer, Kroer, Panigrahi, Schrijvers, Sodomka, Stier-Moses and Wilkens (2019, arXiv 1811.07166): utility maximizers
with budgets bid beta v. In equilibrium the highest bid wins, the winner pays it, budgets hold, and beta < 1 only where
the budget is spent. Multipliers and prices are unique and solve the dual of an Eisenberg-Gale program,

    min  sum_j p_j - sum_i B_i log beta_i    subject to  p_j >= beta_i v_ji,  0 < beta_i <= 1,

whose multipliers x_ji of the first constraint are the allocation. A linear program with tangents of the logarithm
would leave the multipliers uncertain by the square root of its tolerance, so this is a primal-dual interior-point
method, whose Newton steps reduce to N equations: derived here, with the certificate `PacingEquilibrium.gap`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy

from adsim.errors import AdsimError
from adsim.experiments.amounts import amounts
from adsim.types import Floats

TOLERANCE = 1e-13
"""Complementarity at which the method stops, of the sum of prices."""
STEPS = 200
"""Newton steps at most; some 25 are usual."""
CENTRING = 0.1
"""Complementarity that a step aims at, of the present one."""
TIE = 1e-6
"""Bids this much below the highest, relatively, count as equal to it."""


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
    floor = np.max(values[:, multiplier.astype(bool) & ~paced], axis=1, initial=0.0)
    share = np.zeros_like(values)
    if paced.any():
        multiplier[paced], share[:, paced] = _solve(values[:, paced], budgets[paced], floor)
    return _settled(values, budgets, multiplier, share)
