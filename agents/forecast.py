"""Forecast: what the rest of the period costs and brings at every multiplier, and the highest that keeps the limits.

After GRM ("Generative Response Modelling", arXiv 2605.27811), of which a summary could be read: forecast the traffic
left and the curves of cost and value over the multiplier, then bid the least of the multiplier that spends the budget
and the one that meets the target. Its curves are learned from logs; ours are counted in the period itself, and how
they forget and are calibrated is our own.
"""

import numpy as np

from adsim.agents.base import require_positive
from adsim.agents.estimates import PRIOR_CONVERSIONS, start_multiplier, value_per_predicted
from adsim.agents.online_lp import OnlineLP
from adsim.agents.return_on_spend import HIGHEST
from adsim.agents.rule import FORECAST, cost_known, row
from adsim.kernels.jit import inline, jit
from adsim.kernels.landscape import BINS, GAIN, OCTAVE, highest_ratio
from adsim.kernels.landscape import COST as PAID
from adsim.kernels.settlement import PREDICTED_VALUE, SPEND
from adsim.types import Floats, PublicFacts

KEEP, PENALTY, COST = range(3)
"""Parameters of the rule."""
WEIGHT, BID, BEFORE, FORETOLD = range(4)
"""Memory of the rule: opportunities that the landscape stands for, the last multiplier, what the landscape says it
costs without the last tick, and sums of what it said of each tick.
"""


@inline
def decide(seen, n, parameters, memory):
    """Solve for the rest of the period, then forget some of what was seen."""
    rest = seen.opportunities - seen.elapsed
    multiplier = start_multiplier(seen, n, parameters[COST])
    if seen.elapsed > 0 and rest > 0:
        landscape = seen.landscape[n]
        memory[WEIGHT] += seen.step
        memory[FORETOLD] += _cost(landscape, memory[BID]) - memory[BEFORE]
        multiplier = _solve(seen, n, rest / memory[WEIGHT], memory[FORETOLD], parameters[PENALTY])
        memory[WEIGHT] *= parameters[KEEP]
        for b in range(BINS):
            landscape[b, GAIN] *= parameters[KEEP]
            landscape[b, PAID] *= parameters[KEEP]
        memory[BEFORE] = _cost(landscape, multiplier)
    memory[BID] = multiplier
    return multiplier


@inline
def _solve(seen, n, scale, foretold, penalty):
    """The least of what spends the budget, what meets the target, and what a utility maximizer bids."""
    landscape, target, trust = seen.landscape[n], seen.target_roi[n], value_per_predicted(seen, n)
    price = scale * _spend_per_foretold(seen, n, foretold)
    multiplier = HIGHEST if seen.maximizes_value[n] else 1.0
    if seen.budget[n] < np.inf:
        multiplier = min(multiplier, _affordable(landscape, price, seen.budget_left[n]))
    if target > 0:
        value, cost = trust * seen.total[n, PREDICTED_VALUE], target * seen.total[n, SPEND]
        multiplier = min(multiplier, _rewarding(landscape, scale * trust, target * price, value, cost, penalty))
    return multiplier


@inline
def _spend_per_foretold(seen, n, foretold):
    """Spend per forecast of the landscape, which is exact under GSP; drawn towards 1 while little was won."""
    won = seen.total[n, PREDICTED_VALUE] / seen.value_per_conversion[n]
    ratio = seen.total[n, SPEND] / foretold if foretold > 0 else 1.0
    return 1 + (ratio - 1) * won / (won + PRIOR_CONVERSIONS)


@jit
def _cost(landscape, multiplier):
    """What a multiplier would have paid for the opportunities of a landscape, the last bin in part."""
    cost = 0.0
    for b in range(BINS):
        share = OCTAVE * np.log2(max(multiplier, 1e-30) / highest_ratio(b - 1))
        cost += min(max(share, 0.0), 1.0) * landscape[b, PAID]
    return cost


@jit
def _affordable(landscape, price, money):
    """The multiplier that pays ``money`` for all that is left, at ``price`` times the landscape's cost.

    Twice what wins everything, where that is not enough to pay.
    """
    cost, top, found = 0.0, 0.0, 0.0
    for b in range(BINS):
        if landscape[b, GAIN] > 0:
            step, top = price * landscape[b, PAID], highest_ratio(b)
            if found == 0 and cost + step > money:
                found = highest_ratio(b - 1) * 2.0 ** (max(money - cost, 0.0) / step / OCTAVE)
            cost += step
    return found if found > 0 else 2 * top


@jit
def _rewarding(landscape, worth, price, value, cost, penalty):
    """The best multiplier for the target, budgets aside; ``cost`` is that of the target, spend times target ROI.

    ``value`` and ``cost`` are those so far; ``worth`` and ``price`` turn those of the landscape into those of the
    rest. Tried are the ends of bins, and where value begins to fall short of cost.
    """
    most, best = -np.inf, 0.0
    for b in range(BINS):
        gain, step = worth * landscape[b, GAIN], price * landscape[b, PAID]
        if gain > 0:
            slack, after = value - cost, value + gain - cost - step
            if slack >= 0 > after:
                share = slack / (slack - after)
                if value + share * gain >= most:
                    most, best = value + share * gain, highest_ratio(b - 1) * 2.0 ** (share / OCTAVE)
            value, cost = value + gain, cost + step
            reward = _reward(value, cost, penalty)
            if reward >= most:
                most, best = reward, highest_ratio(b)
    return best


@jit
def _reward(value, cost, penalty):
    """Value where it covers the cost of the target; else lowered by the penalty, or what is missing, below 0."""
    reward = value
    if value < cost:
        reward = value - cost if penalty == np.inf else value * (value / cost) ** penalty
    return reward


class Forecast(OnlineLP):
    """Once a tick, the multiplier whose forecast for the rest of the period keeps budget and target: min of the two.

    The landscape of the auctions so far tells what a multiplier would have won and paid, slot by slot. It is scaled
    to the traffic that is left; value is calibrated by the value realised per predicted, cost by the spend realised
    per foretold, so that it holds under other payment rules than GSP. `online_lp` solves for budget and target
    together and reckons with the last slot alone: all that is won is taken to be seen, and to cost the bid to beat.
    Pacing begins at the cost per conversion of the market's history, else at what the target ROI affords, else at 1.

    Parameters
    ----------
    half_life : float
        Ticks after which what was seen counts half: prices move while rivals pace.
    penalty : float, optional
        Unless given, the target is a limit. Else the multiplier for the target is that with the highest forecast
        of ``value * min((roi / target)**penalty, 1)``: at 2, the score of `adsim.envs.score`, which a little more
        spend than the target allows may well raise.

    Raises
    ------
    AgentError
        On reset, as `online_lp`.
    """

    name = "forecast"
    number = FORECAST

    def __init__(self, half_life: float = 1.0, penalty: float | None = None) -> None:
        self.half_life = require_positive("half_life", half_life)
        self.penalty = np.inf if penalty is None else require_positive("penalty", penalty)

    def parameters(self, market: PublicFacts) -> Floats:
        """See `Rule.parameters`."""
        return row({KEEP: 0.5 ** (1 / self.half_life), PENALTY: self.penalty, COST: cost_known(market)})
