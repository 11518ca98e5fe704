"""What happened to the winners, and who pays what: drawn or taken in expectation, settled in order of time."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.kernels.auction import LEFT
from adsim.kernels.counter import draw, uniform_double
from adsim.kernels.jit import inline, jit

EXPOSURE, CLICK, CONVERSION = range(3)
"""Charging events."""
WINS, EXPOSURES, CLICKS, CONVERSIONS, VALUE, PREDICTED_VALUE, SPEND, EXPERIENCE = range(8)
"""Columns of the ledger, as in `adsim.types.Totals`."""
ROUNDING = np.float32(1.0001)
"""More than the relative error of a bid in float32."""
EXHAUSTED = 1e-6
"""Share of its budget below which a campaign leaves; also the margin that keeps rounding from overspending."""

Doubles = NDArray[np.float64]


class Accounts(NamedTuple):
    """Running totals of ``N`` campaigns, and the terms they are kept by."""

    ledger: Doubles
    """(N, 8)"""
    budget: Doubles
    """(N,), inf without a budget."""
    budget_left: Doubles
    """(N,)"""
    stock_left: Doubles
    """Units; (N,), inf without a limit."""
    stock_unit: Doubles
    """Money of sales that is a unit of stock; 0 where a conversion is one; (N,)."""
    to_beat: Doubles
    """Sum of the last slots' scores, at N; what is more for those who won a slot themselves, at n < N; (N + 1,)."""
    liquid_rate: Doubles
    """1 / target ROI in full precision; (N,)."""
    click_key: NDArray[np.uint64]
    """(N,)"""
    conversion_key: NDArray[np.uint64]
    """(N,)"""
    scan_key: NDArray[np.uint64]
    """(1,)"""
    exposure: Doubles
    """(K,)"""
    charge_on: int
    expected: bool
    pays_liquid_value: bool
    shown: NDArray[np.int32]
    """What predictors may learn from: of each opportunity, modulo W, and slot `shown_code`, -1 where nothing was
    shown or outcomes are not drawn; (W, K), or without rows where nobody learns."""


class Events(NamedTuple):
    """A record of every slot of a period, or arrays without rows; all (T, K)."""

    winner: NDArray[np.int32]
    price: Doubles
    shown: Doubles
    clicks: Doubles
    conversions: Doubles
    charge: Doubles


@jit
def settle(accounts, candidates, ranking, rule, truth, bound, events, first, start, stop):
    """Book the opportunities from ``start`` on, in order; returns the one after the last booked.

    Booking stops early when an auction changes what a campaign may bid in a later one of the window: what was
    solved for those no longer holds.
    """
    size, last = accounts.budget.size, rule.slots - 1
    floor = rule.reserve if rule.plain else rule.zero
    for t in range(start, stop):
        opportunity = first + t
        last_score = ranking.score[last, t] if ranking.winner[last, t] >= 0 else floor
        accounts.to_beat[size] += last_score
        depth = uniform_double(draw(accounts.scan_key[0], np.uint64(opportunity)))
        changed = False
        for k in range(rule.slots):
            n = ranking.winner[k, t]
            if 0 <= n < size:
                accounts.to_beat[n] += np.float64(max(ranking.score[rule.slots, t], floor)) - last_score
                exposure = accounts.exposure[k]
                shown, clicks, conversions = _outcome(accounts, truth, exposure, depth, opportunity, n, t)
                charge = _charge(accounts, candidates, truth, ranking.price[k, t], shown, clicks, conversions, n, t)
                value = conversions * np.float64(truth.amount[n, t])
                row = accounts.ledger[n]
                row[WINS] += 1
                row[EXPOSURES] += shown
                row[CLICKS] += clicks
                row[CONVERSIONS] += conversions
                row[VALUE] += value
                row[PREDICTED_VALUE] += shown * np.float64(candidates.value[n, t])
                row[SPEND] += charge
                row[EXPERIENCE] += shown * np.float64(candidates.experience[n, t])
                if charge > 0 and accounts.budget[n] < np.inf:
                    changed |= _take_money(accounts, candidates, bound[n], charge, n, t + 1, stop)
                if conversions > 0 and accounts.stock_left[n] < np.inf:
                    sold = units_sold(conversions, value, accounts.stock_unit[n])
                    changed |= _take_stock(accounts, candidates, sold, n)
                if accounts.shown.shape[0] > 0 and shown > 0 and not accounts.expected:
                    accounts.shown[opportunity % accounts.shown.shape[0], k] = shown_code(n, clicks, conversions)
                if events.winner.shape[0] > 0:
                    events.winner[opportunity, k] = n
                    events.price[opportunity, k] = ranking.price[k, t]
                    events.shown[opportunity, k] = shown
                    events.clicks[opportunity, k] = clicks
                    events.conversions[opportunity, k] = conversions
                    events.charge[opportunity, k] = charge
        if changed:
            return t + 1
    return stop


@inline
def shown_code(n, clicks, conversions):
    """Campaign, click and conversion in one number: ``4 n + 2 click + conversion``."""
    return np.int32(4 * n + 2 * (clicks > 0) + (conversions > 0))


@inline
def _outcome(accounts, truth, exposure, depth, opportunity, n, t):
    """Exposures, clicks and conversions of the winner of one slot.

    A user scans to a depth: a slot is seen when the opportunity's draw is below its exposure. Whether a user clicks
    a campaign's ad, and converts, is drawn for the pair: the same whichever auction shows it.
    """
    shown = clicks = conversions = 0.0
    ctr, cvr = np.float64(truth.ctr[n, t]), np.float64(truth.cvr[n, t])
    if accounts.expected:
        shown = exposure
        clicks = shown * ctr
        conversions = clicks * cvr
    elif depth < exposure:
        shown = 1.0
        if uniform_double(draw(accounts.click_key[n], np.uint64(opportunity))) < ctr:
            clicks = 1.0
            if uniform_double(draw(accounts.conversion_key[n], np.uint64(opportunity))) < cvr:
                conversions = 1.0
    return shown, clicks, conversions


@inline
def _charge(accounts, candidates, truth, price, shown, clicks, conversions, n, t):
    """Money due: charged events times price per exposure over predicted events per exposure.

    A liquid payment is charged in full precision, so that spend is sales / target whatever the rounding of bids.
    """
    count = shown
    if accounts.charge_on == CLICK:
        count = clicks
    elif accounts.charge_on == CONVERSION:
        count = conversions
    charge = 0.0
    if accounts.charge_on == EXPOSURE and not accounts.pays_liquid_value:
        charge = count * np.float64(price)
    elif count > 0 and price > 0:
        rate, amount = np.float64(candidates.rate[n, t]), np.float64(truth.amount[n, t])
        if not accounts.pays_liquid_value:
            charge = count * np.float64(price) / rate
        elif accounts.charge_on == CONVERSION:
            charge = count * amount * accounts.liquid_rate[n]
        else:
            charge = count * np.float64(candidates.value[n, t]) / rate * accounts.liquid_rate[n]
    return charge


@jit
def _take_money(accounts, candidates, bound, charge, n, start, stop):
    """Lower campaign ``n``'s budget and cap; whether that lowers a bid between ``start`` and ``stop``."""
    left = accounts.budget_left[n] - charge
    accounts.budget_left[n] = left
    if candidates.cap[n] >= 0:
        candidates.cap[n] = cap_of(left, accounts.budget[n])
    return _cap_binds(candidates, bound, n, start, stop)


@inline
def cap_of(left, budget):
    """The most that one charging event may cost with so much money left; LEFT where that is as good as nothing."""
    return LEFT if left < EXHAUSTED * budget else left * (1 - EXHAUSTED)


@inline
def units_sold(conversions, value, stock_unit):
    """Units of stock that conversions of a total value take; see `adsim.types.Constraints`."""
    return value / stock_unit if stock_unit > 0 else conversions


@jit
def _take_stock(accounts, candidates, sold, n):
    """Lower campaign ``n``'s stock by ``sold`` units; whether those were the last."""
    accounts.stock_left[n] -= sold
    if accounts.stock_left[n] <= 0:
        candidates.cap[n] = LEFT
        return True
    return False


@jit
def _cap_binds(candidates, bound, n, start, stop):
    """Whether the cap of campaign ``n`` lowers one of its bids between ``start`` and ``stop``.

    Rates are at most 1, so no charging event can cost more than ``bound`` times the bid per unit of value, but for
    the rounding of float32.
    """
    cap = candidates.cap[n]
    multiplier = max(candidates.multiplier[n], candidates.liquid_rate[n])
    if cap >= multiplier * bound * ROUNDING:
        return False
    value, rate = candidates.value[n], candidates.rate[n]
    binding = 0
    for t in range(np.uint64(start), np.uint64(stop)):
        binding += np.int64(multiplier * value[t] > cap * rate[t])
    return binding > 0
