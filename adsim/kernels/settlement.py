"""What happened to the winners, and who pays what: drawn or taken in expectation, settled in order of time."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.kernels.auction import LEFT
from adsim.kernels.counter import draw, uniform_double
from adsim.kernels.jit import jit

EXPOSURE, CLICK, CONVERSION = range(3)
"""Charging events."""
WINS, EXPOSURES, CLICKS, CONVERSIONS, VALUE, PREDICTED_VALUE, SPEND, EXPERIENCE = range(8)
"""Columns of the ledger, as in `adsim.types.Totals`."""
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
    """(N,), inf without a limit."""
    liquid_rate: Doubles
    """1 / target ROI in full precision; (N,)."""
    click_key: NDArray[np.uint64]
    """(N,)"""
    conversion_key: NDArray[np.uint64]
    """(N,)"""
    scan_key: NDArray[np.uint64]
    """(1,)"""
    charge_on: int
    expected: bool
    pays_liquid_value: bool


class Outcome(NamedTuple):
    """What becomes of a tile's winners; all (K, B)."""

    shown: Doubles
    clicks: Doubles
    conversions: Doubles
    charge: Doubles


class Events(NamedTuple):
    """A record of every slot of a period, or arrays without rows; all (T, K)."""

    winner: NDArray[np.int32]
    price: Doubles
    shown: Doubles
    clicks: Doubles
    conversions: Doubles
    charge: Doubles


@jit
def outcomes(accounts, candidates, ranking, rule, truth, outcome, first, start, stop):
    """Exposures, clicks, conversions and charges of the winners of ``start`` to ``stop``.

    A user scans to a depth: slot k is seen when the opportunity's draw is below its exposure. Whether a user
    clicks a campaign's ad, and converts, is drawn for the pair: the same whichever auction shows it.
    """
    ctr, cvr, amount = truth
    for k in range(rule.slots):
        exposure = np.float64(rule.exposure[k])
        for t in range(start, stop):
            n = ranking.winner[k, t]
            shown = clicks = conversions = charge = 0.0
            if 0 <= n < accounts.budget.size:
                opportunity = np.uint64(first + t)
                if accounts.expected:
                    shown = exposure
                    clicks = shown * np.float64(ctr[n, t])
                    conversions = clicks * np.float64(cvr[n, t])
                elif uniform_double(draw(accounts.scan_key[0], opportunity)) < exposure:
                    shown = 1.0
                    if uniform_double(draw(accounts.click_key[n], opportunity)) < ctr[n, t]:
                        clicks = 1.0
                        if uniform_double(draw(accounts.conversion_key[n], opportunity)) < cvr[n, t]:
                            conversions = 1.0
                count = shown
                if accounts.charge_on == CLICK:
                    count = clicks
                elif accounts.charge_on == CONVERSION:
                    count = conversions
                if count > 0:
                    charge = count * _charge_per_event(accounts, candidates, ranking, amount, k, n, t)
            outcome.shown[k, t] = shown
            outcome.clicks[k, t] = clicks
            outcome.conversions[k, t] = conversions
            outcome.charge[k, t] = charge


@jit
def _charge_per_event(accounts, candidates, ranking, amount, k, n, t):
    """Price per exposure over predicted events per exposure; a liquid payment in full precision."""
    price, rate = np.float64(ranking.price[k, t]), np.float64(candidates.rate[n, t])
    if price == 0:
        return 0.0
    if not accounts.pays_liquid_value:
        return price / rate
    sale = accounts.liquid_rate[n] * np.float64(amount[n, t])
    if accounts.charge_on == CONVERSION:
        return sale
    return sale * (np.float64(candidates.value[n, t]) / np.float64(amount[n, t]) / rate)


@jit
def settle(accounts, candidates, ranking, rule, amount, bound, outcome, events, first, start, stop):
    """Book the opportunities from ``start`` on, in order; returns the one after the last booked.

    Booking stops early when an auction changes what a campaign may bid in a later one of the window: what was
    solved for those no longer holds.
    """
    for t in range(start, stop):
        changed = False
        for k in range(rule.slots):
            n = ranking.winner[k, t]
            if 0 <= n < accounts.budget.size:
                _book(accounts.ledger[n], candidates, amount, outcome, k, n, t)
                changed |= _deduct(accounts, candidates, bound, outcome, k, n, t, stop)
        if events.winner.shape[0] > 0:
            _record(events, ranking, rule, outcome, first + t, t)
        if changed:
            return t + 1
    return stop


@jit
def _book(row, candidates, amount, outcome, k, n, t):
    row[WINS] += 1
    row[EXPOSURES] += outcome.shown[k, t]
    row[CLICKS] += outcome.clicks[k, t]
    row[CONVERSIONS] += outcome.conversions[k, t]
    row[VALUE] += outcome.conversions[k, t] * np.float64(amount[n, t])
    row[PREDICTED_VALUE] += outcome.shown[k, t] * np.float64(candidates.value[n, t])
    row[SPEND] += outcome.charge[k, t]
    row[EXPERIENCE] += outcome.shown[k, t] * np.float64(candidates.experience[n, t])


@jit
def _deduct(accounts, candidates, bound, outcome, k, n, t, stop):
    """Take money and stock from campaign ``n``; whether a later bid in the window changes."""
    changed = False
    if outcome.charge[k, t] > 0 and accounts.budget[n] < np.inf:
        left = accounts.budget_left[n] - outcome.charge[k, t]
        accounts.budget_left[n] = left
        cap = np.float32(left * (1 - EXHAUSTED))
        candidates.cap[n] = LEFT if left < EXHAUSTED * accounts.budget[n] else cap
        changed = _cap_binds(candidates, bound[n], n, t + 1, stop)
    if outcome.conversions[k, t] > 0 and accounts.stock_left[n] < np.inf:
        accounts.stock_left[n] -= outcome.conversions[k, t]
        if accounts.stock_left[n] <= 0:
            candidates.cap[n] = LEFT
            changed = True
    return changed


@jit
def _cap_binds(candidates, bound, n, start, stop):
    """Whether the cap of campaign ``n`` lowers one of its bids between ``start`` and ``stop``.

    Rates are at most 1, so no charging event can cost more than ``bound`` times the bid per unit of value.
    """
    cap = candidates.cap[n]
    multiplier = max(candidates.multiplier[n], candidates.liquid_rate[n])
    if cap >= multiplier * bound:
        return False
    value, rate = candidates.value[n], candidates.rate[n]
    binding = 0
    for t in range(np.uint64(start), np.uint64(stop)):
        binding += np.int64(multiplier * value[t] > cap * rate[t])
    return binding > 0


@jit
def _record(events, ranking, rule, outcome, opportunity, t):
    for k in range(rule.slots):
        events.winner[opportunity, k] = ranking.winner[k, t]
        events.price[opportunity, k] = ranking.price[k, t]
        events.shown[opportunity, k] = outcome.shown[k, t]
        events.clicks[opportunity, k] = outcome.clicks[k, t]
        events.conversions[opportunity, k] = outcome.conversions[k, t]
        events.charge[opportunity, k] = outcome.charge[k, t]
