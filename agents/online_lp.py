"""Online linear programming: each tick, the best multiplier in hindsight for what is left, by what was seen.

Agrawal, Wang & Ye, "A Dynamic Near-Optimal Algorithm for Online Linear Programming" (Operations Research 2014), with
the right-hand side re-solved for what is left; AuctionNet's baseline OnlineLp (Su et al. 2024, arXiv 2412.10798) does
the same by a table from an earlier log. For one bidder the program is a walk along the price per value.
"""

from typing import ClassVar

import numpy as np

from adsim.agents.estimates import start_multiplier, value_per_predicted
from adsim.agents.return_on_spend import HIGHEST
from adsim.agents.rule import ONLINE_LP, Rule, cost_known, row
from adsim.errors import AgentError
from adsim.kernels.jit import inline
from adsim.kernels.landscape import BINS, OCTAVE, PRICE, WORTH, highest_ratio
from adsim.kernels.settlement import PREDICTED_VALUE, SPEND
from adsim.types import Constraints, Floats, PublicFacts

COST = 0
"""Parameter of the rule."""


@inline
def decide(seen, n, parameters, memory):
    """Solve for the rest of the period as if it were like what was seen."""
    rest = seen.opportunities - seen.elapsed
    if seen.elapsed == 0 or rest <= 0:
        multiplier = start_multiplier(seen, n, parameters[COST])
    else:
        multiplier = _solve(seen, n, seen.elapsed / rest)
    return multiplier


@inline
def _solve(seen, n, scale):
    """Buy from the cheapest price per value up, until money or return is used up; bins are bought in part."""
    target, trust = seen.target_roi[n], value_per_predicted(seen, n)
    money = seen.budget_left[n] * scale
    saved = (trust * seen.total[n, PREDICTED_VALUE] - target * seen.total[n, SPEND]) * scale
    multiplier, bought = 0.0, True
    for b in range(BINS):
        worth, price = trust * seen.landscape[n, b, WORTH], seen.landscape[n, b, PRICE]
        if bought and worth > 0:
            share, short = 1.0, target * price - worth
            if price > money:
                share = money / price
            if short > 0 and short * share > saved:
                share = max(saved, 0.0) / short
            money -= share * price
            saved -= share * short
            bought = share == 1.0
            multiplier = highest_ratio(b - 1) * 2.0 ** (share / OCTAVE)
    if bought and multiplier > 0:
        multiplier *= 2.0
    ceiling = HIGHEST if seen.maximizes_value[n] else 1.0
    return min(multiplier, ceiling)


class OnlineLP(Rule):
    """The multiplier that would have spent, on the traffic so far, its share of the budget and return that are left.

    Once a tick: maximise value subject to ``sum price <= budget left * elapsed / rest`` and ``sum (value - tau price)
    >= -(what was earned beyond tau) * elapsed / rest`` over the opportunities so far, sorted into bins 9 % of price
    per value wide. The price is that of the last slot, so the rule suits auctions that charge the bid to beat.

    Raises
    ------
    AgentError
        On reset, when nothing holds back a value maximizer, or in a log replay, which does not tell the bids to beat.
    """

    name: ClassVar[str] = "online_lp"
    number = ONLINE_LP
    landscape = True

    def check(self, constraints: Constraints, market: PublicFacts) -> None:
        """Refuse a value maximizer that nothing holds back."""
        free = np.isinf(constraints.budget) & (constraints.target_roi == 0)
        if np.any(free & constraints.maximizes_value):
            raise AgentError("a value maximizer without budget and target ROI has no best bid: give it one of them.")

    def reset(self, constraints: Constraints, market: PublicFacts) -> None:
        """Refuse to begin outside of a live market."""
        raise AgentError(f"{self.name} needs the bids to beat of every auction: it plays in live markets only.")

    def parameters(self, market: PublicFacts) -> Floats:
        """See `Rule.parameters`."""
        return row({COST: cost_known(market)})
