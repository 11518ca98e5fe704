"""The papers' pseudo-code of the rules that decide between auctions, a campaign at a time, in plain numbers."""

from collections.abc import Sequence
from math import copysign, exp, inf, log, sqrt
from typing import Any, NamedTuple

import numpy as np
from naive import EXHAUSTED


class Terms(NamedTuple):
    """A campaign and its period."""

    opportunities: int
    budget: float = inf
    target: float = 0.0
    utility: bool = False
    stock: float = inf
    in_value: bool = False
    """Whether stock is counted in value; a conversion is worth 1 on average."""

    @property
    def rate(self) -> float:
        return self.budget / self.opportunities


class TargetDual:
    """lambda of Feng, Padmanabhan & Wang 2023: algorithm 1, with a buffer algorithm 2."""

    def __init__(self, terms: Terms, step: float, start: float, buffer: float) -> None:
        pace = sqrt(terms.opportunities)
        self.terms, self.alpha, self.log = terms, step / pace, log(start)
        self.needed, self.saved, self.truthful = buffer * pace, 0.0, buffer > 0

    def learn(self, value: float, payment: float, unit: float) -> None:
        gain = (value - self.terms.target * payment) / unit
        self.saved += gain
        if self.truthful:
            self.truthful = self.saved < self.needed
        else:
            self.log -= self.alpha * gain

    @property
    def inverse(self) -> float:
        """1 / lambda, huge but finite where the target does not bind."""
        if self.terms.target == 0:
            return exp(600)
        return 0.0 if self.truthful else exp(min(-self.log, 600))


class BudgetDual:
    """mu of Balseiro, Lu & Mirrokni 2023, or of Balseiro & Gur 2019 with the ceiling None: unit / rate."""

    def __init__(
        self, terms: Terms, reference: str, step: float, start: float | None, ceiling: float | None = inf
    ) -> None:
        self.terms, self.reference, self.eta = terms, reference, step / sqrt(terms.opportunities)
        self.ceiling = ceiling
        truthful = 0.0 if terms.utility else terms.target or 1.0
        self.mu = (1.0 if reference == "entropic" else truthful) if start is None else start
        if terms.budget == inf:
            self.mu = 0.0

    def learn(self, payment: float, unit: float, auctions: int) -> None:
        rho = self.terms.rate
        if rho == inf:
            return
        slack = (rho * auctions - payment) / unit
        if self.reference == "entropic":
            self.mu *= float(np.exp(-self.eta * slack))
        elif self.reference == "euclidean":
            self.mu = max(self.mu - self.eta * slack, 0.0)
        else:
            self.mu = max(self.mu - self.eta * slack / (rho / unit) ** 2, 0.0)
        self.mu = min(self.mu, unit / rho if self.ceiling is None else self.ceiling)


class Units:
    """Sales in units of stock: those of the last auctions by prediction, corrected, and those of an average win."""

    def __init__(self) -> None:
        self.shown = self.predicted = self.sold = self.last = 0.0

    def learn(self, shown: float, value: float, sold: float) -> None:
        self.shown, self.predicted, self.sold = self.shown + shown, self.predicted + value, self.sold + sold
        self.last = self.calibration * value

    @property
    def calibration(self) -> float:
        return (self.sold + 20) / (self.predicted + 20)

    @property
    def a_win(self) -> float:
        return self.calibration * self.predicted / self.shown if self.shown else 0.0


def excess(units: Units, stock: float, opportunities: int, auctions: int) -> float:
    """Portions sold beyond the stock's rate, over the root of the portions in the stock."""
    rate = stock / opportunities
    portion = max(units.a_win, auctions * rate, rate)
    return (units.last - auctions * rate) / portion / sqrt(stock / portion)


def within(x: float, bound: float) -> float:
    return min(max(x, -bound), bound)


def ratio(above: float, below: float) -> float:
    return min(above / below, 1e9) if below > 0 else copysign(1e9, above)


class Bidder:
    """What the rules share: the unit of money, and the two duals, either of which may be missing."""

    target: TargetDual | None = None
    budget: BudgetDual | None = None

    def __init__(self, terms: Terms, unit: float | None = None) -> None:
        self.terms, self.given = terms, unit
        self.shown = self.won = 0.0
        self.units = Units()

    def multiplier(self) -> float:
        raise NotImplementedError

    def learn(
        self, auctions: int, shown: float, value: float, payment: float, trust: float = 1.0, sold: float = 0.0
    ) -> None:
        """What the last auctions brought.

        Exposures, their predicted value, the payment, all sales so far per predicted ones, and units of stock sold.
        """
        self.shown, self.won = self.shown + shown, self.won + value
        self.units.learn(shown, value, sold)
        unit = self.given
        if unit is None:
            rate = self.terms.rate if self.terms.rate < inf else 0.0
            unit = max(self.won / self.shown if self.shown else 0.0, rate)
        if unit > 0 and self.target:
            self.target.learn(trust * value, payment, unit)
        if unit > 0 and self.budget:
            self.budget.learn(payment, unit, auctions)


class Ros(Bidder):
    def __init__(
        self, terms: Terms, step: float = 1.0, start: float = 1.0, buffer: float = 0.0, unit: float | None = None
    ) -> None:
        super().__init__(terms, unit)
        self.target = TargetDual(terms, step, start, buffer)

    def multiplier(self) -> float:
        assert self.target
        inverse = self.target.inverse
        return ratio(1 + inverse, self.terms.utility * inverse + self.terms.target)


class MirrorDescent(Bidder):
    def __init__(
        self,
        terms: Terms,
        reference: str = "euclidean",
        step: float = 1.0,
        start: float | None = None,
        unit: float | None = None,
        ceiling: float | None = inf,
    ) -> None:
        super().__init__(terms, unit)
        self.budget = BudgetDual(terms, reference, step, start, ceiling)

    def multiplier(self) -> float:
        assert self.budget
        return ratio(1.0, self.terms.utility + self.budget.mu)


class AdaptivePacing(MirrorDescent):
    def __init__(
        self,
        terms: Terms,
        step: float = 1.0,
        start: float | None = None,
        unit: float | None = None,
        ceiling: float | None = None,
    ) -> None:
        super().__init__(terms, "euclidean", step, start, unit, ceiling)


class Coupled(Bidder):
    """Balseiro et al. 2024; coupled optimally, algorithms 3 and 4 of Feng, Padmanabhan & Wang 2023."""

    def __init__(
        self,
        terms: Terms,
        coupling: str = "optimal",
        target_step: float = 1.0,
        budget_step: float = 1.0,
        target_start: float = 1.0,
        budget_start: float | None = None,
        reference: str = "euclidean",
        buffer: float = 0.0,
        unit: float | None = None,
        stock_step: float = 1.0,
        stock_start: float = 0.0,
    ) -> None:
        super().__init__(terms, unit)
        self.stock_step, self.nu = stock_step, stock_start if terms.stock < inf else 0.0
        if coupling == "sequential" and budget_start is None and reference != "entropic":
            budget_start = 0.0
        self.coupling = coupling
        self.target = TargetDual(terms, target_step, target_start, buffer)
        self.budget = BudgetDual(terms, reference, budget_step, budget_start)

    def learn(
        self, auctions: int, shown: float, value: float, payment: float, trust: float = 1.0, sold: float = 0.0
    ) -> None:
        super().learn(auctions, shown, value, payment, trust, sold)
        if self.terms.stock < inf:
            move = self.stock_step * excess(self.units, self.terms.stock, self.terms.opportunities, auctions)
            self.nu = max(self.nu + within(move, 1.0), 0.0)

    def multiplier(self) -> float:
        assert self.target
        assert self.budget
        inverse, mu, own, tau = self.target.inverse, self.budget.mu, self.terms.utility, self.terms.target
        alone = ratio(1 + inverse, own * inverse + tau)
        if self.coupling == "optimal":
            return max(ratio(1 + (1 - self.nu) * inverse, (own + mu) * inverse + tau), 0.0)
        if self.coupling == "min" or tau == 0:
            of_stock = ratio(1.0, own + (tau or 1.0) * self.nu) if self.nu > 0 else 1e9
            return min(alone, ratio(1.0, own + mu), of_stock)
        return ratio(1 + inverse, (own * inverse + tau) * (1 + mu) * (1 + self.nu))


class StockDual(Bidder):
    """Our derivation of LPA's stock dual, in units of 1 / target."""

    def __init__(
        self, terms: Terms, update: str = "resolving", step: float | None = None, start: float | None = None
    ) -> None:
        super().__init__(terms)
        self.update, self.decisions, self.elapsed = update, 0, 0
        self.step = (0.4 if update == "resolving" else 1.0) if step is None else step
        self.stock = min(terms.stock, terms.budget * terms.target)
        self.left, self.money = terms.stock, terms.budget
        self.dual = 0.0
        if self.stock < inf:
            self.dual = (0.3 if update == "multiplicative" else 0.0) if start is None else start

    def learn(
        self, auctions: int, shown: float, value: float, payment: float, trust: float = 1.0, sold: float = 0.0
    ) -> None:
        super().learn(auctions, shown, value, payment, trust, sold)
        left = min(self.left, self.money * self.terms.target)
        self.left, self.money = self.left - sold, self.money - payment
        self.decisions, rest = self.decisions + 1, self.terms.opportunities - self.elapsed
        self.elapsed += auctions
        if self.stock == inf:
            return
        if self.update == "resolving":
            plan = max(left * auctions / rest, 1e-12)
            scale = max(plan, self.units.a_win)
            pace = sqrt(max(self.decisions * plan / scale, 1.0))
            move = self.step * within((self.units.last - plan) / scale, 1.0) / pace
        else:
            move = self.step * excess(self.units, self.stock, self.terms.opportunities, auctions)
        move = within(move, 1.0)
        if self.update == "multiplicative":
            self.dual = max(self.dual * exp(move), 1e-3)
        else:
            self.dual = max(self.dual + move, 0.0)

    def multiplier(self) -> float:
        return max((1 - self.dual) / self.terms.target, 0.0)


class Throttling(Bidder):
    """One coin an auction, or for several: enters where ``coin(opportunity)`` falls below the share."""

    def __init__(self, terms: Terms, coin: Any, step: float = 1.0) -> None:
        super().__init__(terms)
        self.coin, self.step = coin, step / sqrt(terms.opportunities)
        self.log_share, self.elapsed = 0.0, 0

    def learn(
        self, auctions: int, shown: float, value: float, payment: float, trust: float = 1.0, sold: float = 0.0
    ) -> None:
        self.elapsed += auctions
        self.log_share += self.step * (auctions - payment / self.terms.rate)
        self.log_share = min(max(self.log_share, log(1e-4)), 0.0)

    def multiplier(self) -> float:
        bid = 1 / self.terms.target if self.terms.target else 1.0
        return bid if self.coin(self.elapsed) < exp(self.log_share) else 0.0


class Played(NamedTuple):
    won: list[int]
    value: float
    """Predicted."""
    spend: float
    multipliers: list[float]
    """One more than auctions: the last one is for the auction after the period."""


def play(
    bidder: Bidder, predicted: Sequence[float], value: Sequence[float], price: Sequence[float], every: int = 1
) -> Played:
    """One auction after the other against posted prices; bids and caps are rounded to float32 as the market does."""
    budget, left, stock = bidder.terms.budget, bidder.terms.budget, bidder.terms.stock
    won, bids, total, sales, spend = [], [bidder.multiplier()], 0.0, 0.0, 0.0
    shown = worth = paid = units = 0.0
    for t, competing in enumerate(price):
        bid = np.float32(bids[-1]) * np.float32(predicted[t])
        cap = np.float32(left * (1 - EXHAUSTED)) if budget < inf else bid
        solvent = budget == inf or left >= EXHAUSTED * budget
        if min(bid, cap) >= competing and solvent and stock > 0:
            taken = value[t] if bidder.terms.in_value else 1.0
            stock, units = stock - taken, units + taken
            won.append(t)
            left, spend, paid = left - competing, spend + competing, paid + competing
            shown, worth, total = shown + 1, worth + predicted[t], total + predicted[t]
            sales += value[t]
        if (t + 1) % every == 0:
            bidder.learn(every, shown, worth, paid, (sales + 20) / (total + 20), units)
            shown = worth = paid = units = 0.0
            bids.append(bidder.multiplier())
    return Played(won, total, spend, bids)
