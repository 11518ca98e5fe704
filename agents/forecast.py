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
from adsim.kernels.settlement import PREDICTED_VALUE, SPEND, VALUE
from adsim.types import Floats, PublicFacts

KEEP, COST = range(2)
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
        multiplier = _solve(seen, n, rest / memory[WEIGHT], _spend_per_foretold(seen, n, memory[FORETOLD]))
        memory[WEIGHT] *= parameters[KEEP]
        for b in range(BINS):
            landscape[b, GAIN] *= parameters[KEEP]
            landscape[b, PAID] *= parameters[KEEP]
        memory[BEFORE] = _cost(landscape, multiplier)
    memory[BID] = multiplier
    return multiplier


@inline
def _solve(seen, n, scale, charged):
    """The least of what spends the budget, what meets the target, and what a utility maximizer bids."""
    landscape, target = seen.landscape[n], seen.target_roi[n]
    worth, price = scale * value_per_predicted(seen, n), scale * charged
    multiplier = HIGHEST if seen.maximizes_value[n] else 1.0
    if seen.budget[n] < np.inf:
        multiplier = min(multiplier, _affordable(landscape, price, seen.budget_left[n]))
    if target > 0:
        saved = seen.total[n, VALUE] - target * seen.total[n, SPEND]
        multiplier = min(multiplier, _rewarding(landscape, worth, target * price, saved))
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
    """The multiplier that pays ``money`` for all that is left, at ``price`` times the landscape's cost."""
    cost, found = 0.0, HIGHEST
    for b in range(BINS):
        step = price * landscape[b, PAID]
        if found == HIGHEST and cost + step > money:
            found = highest_ratio(b - 1) * 2.0 ** (max(money - cost, 0.0) / step / OCTAVE)
        cost += step
    return found


@jit
def _rewarding(landscape, worth, price, saved):
    """The highest multiplier whose value, with what was saved, covers target times cost; where none does, the best.

    ``worth`` and ``price`` turn the landscape's value and cost into those of the rest, the latter times the target.
    """
    slack, most, best, found = saved, -np.inf, 0.0, 0.0
    for b in range(BINS):
        gain, step = worth * landscape[b, GAIN], price * landscape[b, PAID]
        if gain > 0:
            after = slack + gain - step
            if after >= 0:
                found = HIGHEST
            elif slack >= 0:
                found = highest_ratio(b - 1) * 2.0 ** (slack / (slack - after) / OCTAVE)
            if after > most:
                most, best = after, highest_ratio(b)
            slack = after
    return found if found > 0 else best


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

    Raises
    ------
    AgentError
        On reset, as `online_lp`.
    """

    number = FORECAST

    def __init__(self, half_life: float = 4.0) -> None:
        self.half_life = require_positive("half_life", half_life)

    def parameters(self, market: PublicFacts) -> Floats:
        """See `Rule.parameters`."""
        return row({KEEP: 0.5 ** (1 / self.half_life), COST: cost_known(market)})
