"""Advertising channels as an advertiser sees them: set a budget and a target ROI, get conversion value and spend."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim.errors import AdsimError
from adsim.market.markets import Markets, make_events
from adsim.market.scenario import Scenario
from adsim.types import Floats, Totals

ROUNDING = 1e-12
"""Relative slack within which a target ROI still counts as kept."""


class Bought(NamedTuple):
    """What levers bought in a period; arrays with one entry per setting."""

    value: Floats
    """Conversion value."""
    spend: Floats


class Channel(Protocol):
    """A black box with two levers, whose own autobidder buys."""

    name: str

    def buy(self, budget: Floats, target_roi: Floats, seeds: NDArray[np.uint64]) -> Bought:
        """Play periods side by side, one per seed; all arguments of shape (E,).

        A budget is money a period; a target ROI is value to spend, 0 for none.
        """

    def means(self, budgets: Floats, samples: int) -> Bought:
        """Expected value and spend in a period with each budget and no target ROI, (A,)."""


class KnapsackChannel:
    """Auctions with known values and costs, bought as a fractional knapsack (Deng et al. 2023, arXiv 2302.01523).

    In a period with auctions of values ``v`` and costs ``d``, the channel solves ``max v'x`` subject to ``v'x >=
    target_roi * d'x``, ``d'x <= budget``, ``0 <= x <= 1``. It takes auctions by falling ``v / d``, which gives the
    most value for any spend; value less ``target_roi`` times spend is concave along this path, so that the path is
    followed until a lever stops it. Auctions without value are never bought.

    Parameters
    ----------
    values, costs : array (n,) or (R, n)
        Of the auctions in each of R equally likely realisations; the seed s shows realisation s mod R. Those with
        fewer auctions are filled up with zeros.
    name : str
        For tables and figures.

    Raises
    ------
    AdsimError
        When shapes differ, or a number is negative or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> channel = KnapsackChannel([4.0, 3.0], [1.0, 2.0])
    >>> channel.buy(np.array([2.0]), np.array([0.0]), np.array([0], np.uint64))
    Bought(value=array([5.5]), spend=array([2.]))
    """

    def __init__(self, values: ArrayLike, costs: ArrayLike, name: str = "knapsack") -> None:
        self.name = name
        self.values = np.atleast_2d(np.asarray(values, np.float64))
        self.costs = np.atleast_2d(np.asarray(costs, np.float64))
        """As given, (R, n)."""
        self._check()
        worth = self.values > 0
        price = np.where(worth, self.costs, np.inf) / np.where(worth, self.values, 1)
        order = np.argsort(price, axis=1, kind="stable")
        self.value = _path(self.values, order)
        """Value after the first k auctions in the order of buying, (R, n + 1)."""
        self.spend = _path(np.where(worth, self.costs, 0), order)
        """Spend likewise."""

    def _check(self) -> None:
        if self.values.shape != self.costs.shape or self.values.ndim != 2 or self.values.size == 0:
            raise AdsimError(
                f"channel '{self.name}': values of shape {self.values.shape} and costs of shape {self.costs.shape} "
                "must both be (auctions,) or (realisations, auctions)."
            )
        if not all(np.isfinite(each).all() and (each >= 0).all() for each in (self.values, self.costs)):
            raise AdsimError(f"channel '{self.name}': values and costs must be finite and at least 0.")

    def buy(self, budget: Floats, target_roi: Floats, seeds: NDArray[np.uint64]) -> Bought:
        """See `Channel.buy`."""
        shown = (seeds % np.uint64(len(self.value))).astype(np.int64)
        spend = np.minimum(budget, self._most_spend(shown, target_roi))
        return Bought(self._value_of(shown, spend), spend)

    def means(self, budgets: Floats, samples: int = 0) -> Bought:
        """See `Channel.means`; exact, whatever ``samples``."""
        spend = np.minimum(budgets, self.spend[:, -1:])
        rows = np.arange(len(self.value))
        value = [self._value_of(rows, column) for column in spend.T]
        return Bought(np.array(value).mean(axis=1), spend.mean(axis=0))

    def _most_spend(self, shown: NDArray[np.int64], target_roi: Floats) -> Floats:
        """How far along the path the target ROI is kept, in money; (E,)."""
        value, spend = self.value[shown], self.spend[shown]
        slack = value - target_roi[:, None] * spend
        kept = np.count_nonzero(slack >= -ROUNDING * value, axis=1) - 1
        rows, beyond = np.arange(shown.size), np.minimum(kept + 1, spend.shape[1] - 1)
        fall = slack[rows, kept] - slack[rows, beyond]
        part = np.maximum(slack[rows, kept], 0) / np.where(fall > 0, fall, 1)
        return np.asarray(spend[rows, kept] + part * (spend[rows, beyond] - spend[rows, kept]))

    def _value_of(self, shown: NDArray[np.int64], spend: Floats) -> Floats:
        """The most value for a spend, (E,)."""
        value = np.empty(shown.size)
        for r in np.unique(shown):
            value[shown == r] = np.interp(spend[shown == r], self.spend[r], self.value[r])
        return value


def _path(amounts: Floats, order: NDArray[np.int64]) -> Floats:
    """Sums of amounts in an order, from 0."""
    sums = np.cumsum(np.take_along_axis(amounts, order, axis=1), axis=1)
    return np.hstack([np.zeros((len(sums), 1)), sums])


class MarketChannel:
    """A market of adsim: a period is one market, bought by the campaign's own agent within the levers.

    The levers take the place of the campaign's budget and target ROI in the scenario; everything else is drawn from
    the period's seed. Periods with other seeds are independent.

    Parameters
    ----------
    scenario : Scenario
        Small, so that thousands of periods can be played.
    campaign : int
        Which one the levers belong to.

    Raises
    ------
    AdsimError
        When there is no such campaign, or its agent has to be shown the truth.
    """

    def __init__(self, scenario: Scenario, campaign: int = 0) -> None:
        if not 0 <= campaign < scenario.size:
            raise AdsimError(f"channel '{scenario.name}': no campaign {campaign} among {scenario.size}.")
        self.name, self._scenario, self._campaign = scenario.name, scenario, campaign
        self._ticks, self._record = scenario.market.ticks, make_events(0, len(scenario.auction.slot_exposure))
        self._markets = Markets(scenario, [0])

    def buy(self, budget: Floats, target_roi: Floats, seeds: NDArray[np.uint64]) -> Bought:
        """See `Channel.buy`. Without budget nothing is bought, not even what is free."""
        markets, own = self._drawn(seeds), self._campaign
        markets.campaigns.constraints.budget[:, own] = np.where(budget > 0, budget, 1)
        markets.campaigns.constraints.target_roi[:, own] = target_roi
        markets.open()
        if markets.privileged:
            raise AdsimError(f"channel '{self.name}': an agent of it is shown the truth; name another.")
        for _ in range(self._ticks):
            markets.run_tick(self._record)
        totals = Totals(*markets.fleet.accounts.ledger[:, own].T)
        return Bought(np.where(budget > 0, totals.value, 0), np.where(budget > 0, totals.spend, 0))

    def means(self, budgets: Floats, samples: int) -> Bought:
        """See `Channel.means`; over the seeds from 2**62, the same ones for every budget."""
        seeds = (2**62 + np.arange(samples)).astype(np.uint64)
        none = np.zeros(samples)
        found = [self.buy(np.full(samples, each), none, seeds) for each in budgets]
        return Bought(*(np.array(amounts).mean(axis=1) for amounts in zip(*found, strict=True)))

    def _drawn(self, seeds: NDArray[np.uint64]) -> Markets:
        """The markets of these seeds."""
        if self._markets.seeds.size == seeds.size:
            self._markets.draw(seeds)
        else:
            self._markets = Markets(self._scenario, seeds)
        return self._markets
