"""The same work as plain numpy and plain Python do it."""

from typing import Any

import numpy as np
from scipy.stats import truncnorm

from adsim.market.scenario import Scenario


def clear_argpartition(bids: Any, slots: int, reserve: float) -> tuple[Any, Any]:
    """GSP over a batch (T, N): the best K + 1 by argpartition, then sorted; second price at K = 1."""
    top = np.argpartition(bids, -(slots + 1), axis=1)[:, -(slots + 1) :]
    values = np.take_along_axis(bids, top, 1)
    order = np.argsort(-values, axis=1)
    winners = np.take_along_axis(top, order, 1)[:, :slots]
    values = np.take_along_axis(values, order, 1)
    sold = values[:, :slots] >= reserve
    return np.where(sold, winners, -1), np.where(sold, np.maximum(values[:, 1:], reserve), 0)


def clear_argsort(bids: Any, slots: int, reserve: float) -> tuple[Any, Any]:
    """The same by sorting all bids."""
    winners = np.argsort(-bids, axis=1)[:, : slots + 1]
    values = np.take_along_axis(bids, winners, 1)
    sold = values[:, :slots] >= reserve
    return np.where(sold, winners[:, :slots], -1), np.where(sold, np.maximum(values[:, 1:], reserve), 0)


def clear_python(bids: list[list[float]], slots: int, reserve: float) -> list[tuple[list[int], list[float]]]:
    """The same by a loop over lists."""
    results = []
    for row in bids:
        ranked = sorted((-bid, n) for n, bid in enumerate(row) if bid >= reserve)
        prices = [max(-ranked[k + 1][0], reserve) if k + 1 < len(ranked) else reserve for k in range(slots)]
        results.append(([n for _, n in ranked[:slots]], prices[: len(ranked)]))
    return results


class NumpyMarket:
    """A contextual GSP market with budgets, a tick at a time over whole matrices, as AuctionNet works.

    Everything is drawn for every campaign of every opportunity of the tick; whoever overspends loses just as many of
    its wins at random and the whole tick is auctioned again, until nobody overspends. Our own restatement of that way
    of working, on adsim's traffic model. With ``scipy`` the true values around the predicted ones and the conversions
    are drawn as AuctionNet draws them, by `truncnorm` and `binomial`, in float64; without, by the fastest numpy that
    we know: float32 throughout, and argpartition where it beats sorting.
    """

    def __init__(self, scenario: Scenario, multipliers: Any, budgets: Any, values: Any, *, scipy: bool) -> None:
        self.scenario, self.rng, self.scipy = scenario, np.random.default_rng(0), scipy
        self.budgets, self.values = budgets, values
        kind = np.float64 if scipy else np.float32
        directions = self.rng.normal(size=(2, values.size, 8)) / np.sqrt(8)
        self.ctr_direction, self.cvr_direction = directions.astype(kind)
        self.worth = (values * multipliers).astype(kind)
        few = scipy or values.size < 100
        self.clear = clear_argsort if few else clear_argpartition

    def run(self) -> float:
        """One period; returns revenue."""
        self.left = self.budgets.copy()
        ticks, total = self.scenario.market.ticks, self.scenario.market.opportunities
        for tick in range(ticks):
            self._tick(tick, total * (tick + 1) // ticks - total * tick // ticks)
        return float((self.budgets - self.left).sum())

    def _rates(self, count: int) -> tuple[Any, Any]:
        """Probability of a conversion given exposure: predicted, true."""
        if self.scipy:
            return self._truncated_rates(count)
        shape = count, self.values.size

        def normal(*size: int) -> Any:
            return self.rng.standard_normal(size, np.float32)

        context = normal(count, 8)
        ctr = 1 / (1 + np.exp(3 - context @ (0.6 * self.ctr_direction.T) - np.float32(0.3) * normal(*shape)))
        rate = ctr / (1 + np.exp(3 - context @ (0.3 * self.cvr_direction.T)))
        spread = np.float32(0.15 * np.sqrt(2))  # two independent errors make one
        return np.minimum(1, rate * np.exp(spread * normal(*shape) - np.float32(0.0225))), rate

    def _truncated_rates(self, count: int) -> tuple[Any, Any]:
        rng, shape = self.rng, (count, self.values.size)
        context = rng.normal(size=(count, 8))
        ctr = 1 / (1 + np.exp(3 - 0.6 * context @ self.ctr_direction.T - 0.3 * rng.normal(size=shape)))
        rate = ctr / (1 + np.exp(3 - 0.3 * context @ self.cvr_direction.T))
        reach = 2 * rng.random(shape[1])
        return rate, truncnorm.rvs(-reach, reach, loc=rate, scale=0.15 * rate, size=shape, random_state=rng)

    def _tick(self, tick: int, count: int) -> None:
        rng, size = self.rng, self.values.size
        predicted, true = self._rates(count)
        bids = predicted * self.worth[tick]
        bids[:, self.left <= 0] = 0
        exposure = np.asarray(self.scenario.auction.slot_exposure)
        seen = rng.random(count)[:, None] < exposure
        if self.scipy:
            buys = rng.binomial(1, np.clip(true, 0, 1)) == 1
        else:
            buys = rng.random((count, size), np.float32) < true
        while True:
            winners, prices = self.clear(bids, exposure.size, self.scenario.auction.reserve)
            shown = seen & (winners >= 0)
            cost = np.bincount(winners[shown], prices[shown], size)
            over = np.maximum((cost - self.left) / (cost + 1e-4), 0)
            if not over.any():
                break
            for n in np.flatnonzero(over):
                won = np.flatnonzero((winners == n).any(axis=1))
                bids[rng.choice(won, int(np.ceil(won.size * over[n])), replace=False), n] = 0
        self.left -= cost
        bought = shown & np.take_along_axis(buys, np.maximum(winners, 0), 1)
        self.conversions = np.bincount(winners[bought], minlength=size)


class NumpyEpisode:
    """An episode of AuctionNet as its published code plays it: a tick at a time over whole matrices.

    Predicted values and their uncertainties are drawn for every campaign of every opportunity; an auction call draws
    exposures, what really converts (`truncnorm`) and conversions (`binomial`) for all of them and sorts all bids;
    whoever overspends loses just as many of its wins at random and the tick is called again, until nobody does.
    Our own restatement, on the means that adsim drew for its own episode.
    """

    def __init__(self, market: Any, multiplier: float) -> None:
        from adsim.market.markets import Markets

        world = Markets(market.scenario, [market.seed]).world.forecast
        self.mean, self.spread, self.uncertainty = (table[0].astype(float) for table in world[1:4])
        self.counts = np.diff(world.cuts[0])
        self.budgets = market.campaigns.constraints.budget
        self.reserve, self.multiplier = market.scenario.auction.reserve, multiplier
        self.reach = np.random.default_rng(1).random((2, self.budgets.size)) * 2

    def run(self) -> float:
        """One period; returns conversions."""
        self.rng, self.left = np.random.default_rng(0), self.budgets.copy()
        return sum(self._tick(tick, count) for tick, count in enumerate(self.counts))

    def _tick(self, tick: int, count: int) -> float:
        shape, rng = (count, self.budgets.size), self.rng
        values = np.clip(rng.normal(self.mean[:, tick], self.spread[:, tick], shape), 0, 1)
        ratio = np.minimum(np.abs(rng.normal(self.uncertainty, self.uncertainty / 2, shape)), 0.3)
        bids = np.where(self.left >= 0.1, values * self.multiplier, 0)
        while True:
            winners, prices, shown, bought = self._auction(values, ratio * values, bids)
            cost = np.bincount(winners[shown], prices[shown], self.budgets.size)
            over = np.maximum((cost - self.left) / (cost + 1e-4), 0)
            if not over.any():
                break
            for n in np.flatnonzero(over):
                for k in range(3):
                    won = np.flatnonzero(winners[:, k] == n)
                    bids[rng.choice(won, int(np.ceil(won.size * over[n])), replace=False), n] = 0
        self.left -= cost
        return float(bought.sum())

    def _auction(self, values: Any, sigma: Any, bids: Any) -> tuple[Any, Any, Any, Any]:
        winners, prices = clear_argsort(bids, 3, self.reserve)
        shown = self.rng.random(winners.shape) < np.array([1.0, 0.8, 0.6])
        shown[:, 2] &= shown[:, 1]
        shown &= winners >= 0
        below, above = self.reach
        true = truncnorm.rvs(
            -below, above, loc=values, scale=np.maximum(sigma, 1e-12), size=values.shape, random_state=self.rng
        )
        converts = self.rng.binomial(1, np.clip(true, 0, 1))
        return winners, prices, shown, shown & (np.take_along_axis(converts, np.maximum(winners, 0), 1) == 1)


class ObjectAuction:
    """A contextual second-price auction an opportunity at a time, small numpy arrays in Python objects.

    Our own restatement of how AuctionGym works: contexts and participants drawn for each auction, each participant
    choosing its best ad and bidding truthfully by true rates, one click drawn, outcomes and regrets booked.
    """

    def __init__(self, weights: Any, value: Any, participants: int, rng: Any) -> None:
        self.rng, self.participants = rng, participants
        self.agents = [ObjectAgent(*own) for own in zip(weights, value, strict=True)]

    def sell(self) -> None:
        """One auction."""
        context = np.append(self.rng.normal(size=self.agents[0].weights.shape[1] - 1), 1.0)
        chosen = self.rng.choice(len(self.agents), self.participants, replace=False)
        bids = np.array([self.agents[n].bid(context) for n in chosen])
        order = np.argsort(-bids)
        winner, price = self.agents[chosen[order[0]]], bids[order[1]]
        winner.charge(price, bool(self.rng.random() < winner.rate))


class ObjectAgent:
    """An advertiser of `ObjectAuction`."""

    def __init__(self, weights: Any, value: Any) -> None:
        self.weights, self.value = weights, value
        self.earned = self.spent = self.allocation_regret = self.estimation_regret = 0.0

    def bid(self, context: Any) -> float:
        """Choose an ad and bid its value."""
        rates = 1 / (1 + np.exp(-(self.weights @ context)))
        worth = rates * self.value
        self.item = np.argmax(worth)
        self.rate = rates[self.item]
        bid = self.rate * self.value[self.item]
        self.allocation_regret += worth.max() - worth[self.item]
        self.estimation_regret += bid - worth[self.item]
        return float(bid)

    def charge(self, price: float, clicked: bool) -> None:
        """Book a win."""
        self.earned += self.value[self.item] * clicked
        self.spent += price
