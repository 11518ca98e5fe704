"""What the built-in agents share: a compiled rule for each campaign, called from Python or from a compiled market."""

from abc import abstractmethod
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.agents.base import Agent
from adsim.agents.estimates import share_of_rest
from adsim.types import Constraints, Floats, Observation, PublicFacts, Totals

MEMORY = 8
"""Numbers that a rule remembers of a campaign."""
PARAMETERS = 8
"""Numbers that a rule takes from its agent."""
FIXED, TRUTHFUL, LINEAR, ECPC, PID, FEEDBACK, STOCK_DUAL = range(7)
"""Numbers of the rules, for `adsim.agents.dispatch`."""


class Seen(NamedTuple):
    """What the rules of ``N`` campaigns know before a tick; the rule of campaign ``n`` uses row ``n`` alone."""

    tick: int
    share: float
    """The coming tick's expected share of the opportunities that are left."""
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
    """Conversions for the period, inf without a limit; (N,)."""
    last: Floats
    """Totals of the last tick; (N, 8), columns as in `adsim.types.Totals`, named in `adsim.kernels.settlement`."""
    total: Floats
    """Totals since the period began; same columns."""
    to_beat: Floats
    """`adsim.types.Observation.score_to_beat`; (N,)."""
    budget_left: Floats
    """(N,)"""
    stock_left: Floats
    """(N,)"""


class Rule(Agent):
    """An agent whose rule is a compiled function of one campaign, ``decide(seen, n, parameters, memory)``.

    ``decide`` stands in the agent's file and has a branch in `adsim.agents.dispatch`. It returns the multiplier of
    campaign ``n`` of ``seen`` for the coming tick. ``parameters``, of shape (PARAMETERS,), are those of the agent;
    ``memory``, of shape (MEMORY,), is the campaign's own and holds zeros before tick 0.

    Attributes
    ----------
    number : int
        The rule's number in `adsim.agents.dispatch`.
    """

    number: ClassVar[int]

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
            negative_bids=bool(market.negative_bids),
            value_per_conversion=np.array(constraints.value_per_conversion, np.float64),
            maximizes_value=np.array(constraints.maximizes_value, np.bool_),
            budget=np.array(constraints.budget, np.float64),
            target_roi=np.array(constraints.target_roi, np.float64),
            stock=np.array(constraints.stock, np.float64),
            last=last,
            total=total,
            to_beat=to_beat,
            budget_left=budget_left,
            stock_left=stock_left,
        )
        self._parameters = self.parameters(market)
        self._memory = np.zeros((n, MEMORY))

    def act(self, observation: Observation) -> Floats:
        """Multipliers for the coming tick, each campaign's by the rule; shape (n,)."""
        from adsim.agents.dispatch import decide  # which imports all rules, and they this module

        share = share_of_rest(self.market, observation.tick)
        seen = self._seen._replace(tick=int(observation.tick), share=share)
        seen.last.T[:] = observation.last
        seen.total.T[:] = observation.total
        seen.to_beat[:] = observation.score_to_beat
        seen.budget_left[:] = observation.budget_left
        seen.stock_left[:] = observation.stock_left
        multiplier = np.empty(len(seen.budget))
        decide(self.number, seen, self._parameters, self._memory, multiplier)
        return multiplier


def row(*values: float) -> Floats:
    """Parameters, padded with zeros; (PARAMETERS,)."""
    parameters = np.zeros(PARAMETERS)
    parameters[: len(values)] = values
    return parameters


def cost_known(market: PublicFacts) -> float:
    """Money per conversion in the market's history; NaN without one."""
    return np.nan if market.history is None else market.history.cost_per_conversion
