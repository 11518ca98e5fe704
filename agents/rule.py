"""What the built-in agents share: a compiled rule for each campaign, called from Python or from a compiled market."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.agents.base import Agent
from adsim.agents.estimates import opportunities_before, share_of_rest
from adsim.kernels.counter import stream
from adsim.kernels.landscape import BINS, COLUMNS
from adsim.types import Constraints, Floats, Observation, PublicFacts, Totals

MEMORY = 8
"""Numbers that a rule remembers of a campaign."""
PARAMETERS = 12
"""Numbers that a rule takes from its agent."""
(
    FIXED,
    TRUTHFUL,
    LINEAR,
    ECPC,
    PID,
    FEEDBACK,
    STOCK_DUAL,
    RETURN_ON_SPEND,
    MIRROR_DESCENT,
    COUPLED,
    THROTTLING,
    ONLINE_LP,
    FORECAST,
    VALUE_TABLE,
) = range(14)
"""Numbers of the rules, for `adsim.agents.dispatch`."""


class Seen(NamedTuple):
    """What the rules of ``N`` campaigns know when they decide; the rule of campaign ``n`` uses row ``n`` alone."""

    tick: int
    share: float
    """The tick's expected share of the opportunities that were left when it began."""
    elapsed: int
    """Opportunities so far."""
    step: int
    """Opportunities since the last decision."""
    opportunities: int
    """Of the period."""
    negative_bids: bool
    """Whether the mechanism takes them."""
    value_per_conversion: Floats
    """Money; (N,)."""
    maximizes_value: NDArray[np.bool_]
    """(N,)"""
    budget: Floats
    """Money for the period, inf without a budget; (N,)."""
    target_roi: Floats
    """Value to spend, at least; 0 without a target; (N,)."""
    stock: Floats
    """Units for the period, inf without a limit; (N,)."""
    stock_unit: Floats
    """Money of sales that is a unit of stock; 0 where a conversion is one; (N,)."""
    last: Floats
    """Totals since the last decision; (N, 8), columns as in `adsim.types.Totals`, see `adsim.kernels.settlement`."""
    total: Floats
    """Totals since the period began; same columns."""
    to_beat: Floats
    """`adsim.types.Observation.score_to_beat`; (N,)."""
    budget_left: Floats
    """(N,)"""
    stock_left: Floats
    """(N,)"""
    key: NDArray[np.uint64]
    """Of a random stream of its own; (N,)."""
    landscape: Floats
    """Of all opportunities so far, see `adsim.kernels.landscape`; (N, BINS, COLUMNS), or (0, BINS, COLUMNS)."""


class Rule(Agent):
    """An agent whose rule is a compiled function of one campaign, ``decide(seen, n, parameters, memory)``.

    ``decide`` stands in the agent's file and has a branch in `adsim.agents.dispatch`. It returns the multiplier of
    campaign ``n`` of ``seen`` for the coming tick. ``parameters``, of shape (PARAMETERS,), are those of the agent;
    ``memory``, of shape (MEMORY,), is the campaign's own and holds zeros before tick 0.

    Attributes
    ----------
    number : int
        The rule's number in `adsim.agents.dispatch`.
    every : int
        Opportunities between decisions; 0 for a rule that decides once a tick. Where the market is not compiled, in
        a log replay, every rule decides once a tick.
    landscape : bool
        Whether the rule reads ``seen.landscape``.
    """

    number: ClassVar[int]
    landscape: ClassVar[bool] = False
    every: int = 0

    @abstractmethod
    def parameters(self, market: PublicFacts) -> Floats:
        """What ``decide`` takes from the agent and the market; (PARAMETERS,), NaN for what is not known."""

    def check(self, constraints: Constraints, market: PublicFacts) -> None:
        """Refuse campaigns that lack what the rule needs; constraints of shape (n,).

        Raises
        ------
        AgentError
            When one does.
        """

    def reset(self, constraints: Constraints, market: PublicFacts) -> None:
        """Begin a period without memory; see `Agent.reset`."""
        super().reset(constraints, market)
        self.check(constraints, market)
        n = len(constraints.budget)
        last, total = np.empty((2, n, len(Totals._fields)))
        to_beat, budget_left, stock_left = np.empty((3, n))
        self._seen = Seen(
            tick=0,
            share=1.0,
            elapsed=0,
            step=0,
            opportunities=int(market.opportunities),
            negative_bids=bool(market.negative_bids),
            value_per_conversion=np.array(constraints.value_per_conversion, np.float64),
            maximizes_value=np.array(constraints.maximizes_value, np.bool_),
            budget=np.array(constraints.budget, np.float64),
            target_roi=np.array(constraints.target_roi, np.float64),
            stock=np.array(constraints.stock, np.float64),
            stock_unit=np.array(constraints.stock_unit, np.float64),
            last=last,
            total=total,
            to_beat=to_beat,
            budget_left=budget_left,
            stock_left=stock_left,
            key=np.array([stream(0, i) for i in range(n)], np.uint64),
            landscape=np.zeros((0, BINS, COLUMNS)),
        )
        self._parameters = self.parameters(market)
        self._memory = np.zeros((n, MEMORY))

    def act(self, observation: Observation) -> Floats:
        """Multipliers for the coming tick, each campaign's by the rule; shape (n,)."""
        from adsim.agents.dispatch import decide_group  # which imports all rules, and they this module

        tick = int(observation.tick)
        elapsed = opportunities_before(self.market, tick)
        step = elapsed - opportunities_before(self.market, tick - 1) if tick > 0 else 0
        seen = self._seen._replace(tick=tick, share=share_of_rest(self.market, tick), elapsed=elapsed, step=step)
        seen.last.T[:] = observation.last
        seen.total.T[:] = observation.total
        seen.to_beat[:] = observation.score_to_beat
        seen.budget_left[:] = observation.budget_left
        seen.stock_left[:] = observation.stock_left
        multiplier = np.empty(len(seen.budget))
        decide_group(self.number, seen, self._parameters, self._memory, multiplier, 0, multiplier.size)
        return multiplier


def row(values: Mapping[int, float | None]) -> Floats:
    """Parameters at their places, NaN for None, zeros elsewhere; (PARAMETERS,)."""
    parameters = np.zeros(PARAMETERS)
    for place, value in values.items():
        parameters[place] = np.nan if value is None else value
    return parameters


def cost_known(market: PublicFacts) -> float:
    """Money per conversion in the market's history; NaN without one."""
    return np.nan if market.history is None else market.history.cost_per_conversion
