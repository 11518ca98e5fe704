"""Compiled rules against plain twins: arrays over all campaigns, by numpy alone.

Those of rules that decide between auctions stand in `naive_pacing`, and meet them in `test_pacing`.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from adsim import registry
from adsim.agents.base import Agent
from adsim.agents.dispatch import NUMBERS, decide_group
from adsim.agents.rule import MEMORY, PARAMETERS, Rule
from adsim.kernels.landscape import BINS, COLUMNS
from adsim.types import Constraints, Floats, History, Observation, PublicFacts, Totals

# twins


def share_of_rest(market: PublicFacts, tick: int) -> float:
    rest = sum(market.traffic_share[tick:])
    return market.traffic_share[tick] / rest if rest > 0 else 1.0


def start_multiplier(constraints: Constraints, market: PublicFacts) -> Floats:
    if market.history is not None:
        return market.history.cost_per_conversion / constraints.value_per_conversion
    target = constraints.target_roi
    return np.where(target > 0, 1 / np.where(target > 0, target, 1), 1.0)


def sales(observation: Observation, terms: Constraints) -> Floats:
    value, unit = terms.value_per_conversion, terms.stock_unit
    sold = np.where(unit > 0, observation.total.value / np.where(unit > 0, unit, 1), observation.total.conversions)
    predicted = observation.total.predicted_value / value
    return (sold + 20) / (predicted + 20) * observation.last.predicted_value / value


class ConstantTwin(Agent):
    """fixed, truthful, linear and ecpc: the numbers that they say."""

    def __init__(self, multiplier: float = 1.0, b0: float = 0.0, average: float = 0.0, cost: float = 0.0) -> None:
        self.multiplier = b0 / average if b0 else multiplier
        self.cost = cost

    def act(self, observation: Observation) -> Floats:
        value = self.constraints.value_per_conversion
        return self.cost / value if self.cost else np.full(value.size, self.multiplier)


class TargetTwin(Agent):
    """ecpc without a cost of its own."""

    def act(self, observation: Observation) -> Floats:
        if self.market.history is not None:
            return self.market.history.cost_per_conversion / self.constraints.value_per_conversion
        return 1 / self.constraints.target_roi


class PidTwin(Agent):
    def __init__(self, proportional: float = 0.3, integral: float = 0.05, derivative: float = 0.05) -> None:
        self.gains = proportional, integral, derivative

    def reset(self, constraints: Constraints, market: PublicFacts) -> None:
        super().reset(constraints, market)
        self.log = np.log(start_multiplier(constraints, market))
        self.sum, self.error, self.plan = np.zeros((3, self.log.size))

    def act(self, observation: Observation) -> Floats:
        if observation.tick > 0:
            plan = np.maximum(self.plan, 1e-12)
            error = np.clip((plan - observation.last.spend) / plan, -1, 1)
            self.sum = self.sum + error
            terms = error, self.sum, error - self.error
            self.log = np.clip(self.log + np.dot(self.gains, terms), -20, 20)
            self.sum = np.clip(self.sum, -5, 5)
            self.error = error
        self.plan = observation.budget_left * share_of_rest(self.market, observation.tick)
        return np.exp(self.log)


class FeedbackTwin(Agent):
    def __init__(self, step: float = 0.2) -> None:
        self.step = step

    def reset(self, constraints: Constraints, market: PublicFacts) -> None:
        super().reset(constraints, market)
        self.start = np.log(start_multiplier(constraints, market))
        self.logs = np.stack([self.start] * 3)
        targeted = constraints.target_roi > 0
        self.roi_range = (
            np.where(targeted, self.start + np.log(0.5), -np.inf),
            np.where(targeted, self.start + np.log(10.0), np.inf),
        )

    def act(self, observation: Observation) -> Floats:
        if observation.tick > 0:
            self.logs += self.step * self.slacks(observation)
            self.logs[0] = np.clip(self.logs[0], *self.roi_range)
        ceiling = np.where(self.constraints.maximizes_value, np.inf, 0.0)
        bid = np.clip(np.minimum(self.logs.min(axis=0), ceiling), -20, 20)
        self.logs = np.clip(self.logs, bid - self.step, bid + self.step)
        share = share_of_rest(self.market, observation.tick)
        self.plans = observation.budget_left * share, observation.stock_left * share
        return np.exp(bid)

    def slacks(self, observation: Observation) -> Floats:
        value, target = self.constraints.value_per_conversion, self.constraints.target_roi
        last, total = observation.last, observation.total
        trust = (total.value + 20 * value) / (total.predicted_value + 20 * value)
        saved = trust * total.predicted_value - target * total.spend
        due = target * last.spend
        earned = trust * last.predicted_value + share_of_rest(self.market, observation.tick) * saved
        idle = np.where(saved < 0, -1.0, np.clip((self.start - self.logs[0]) / self.step, -1, 1))
        idle = np.where(target > 0, idle, 1.0)
        roi = np.where(due > 0, (earned - due) / np.where(due > 0, due, 1), idle)
        budget = self.relative_slack(self.plans[0], last.spend)
        stock = self.relative_slack(self.plans[1], sales(observation, self.constraints))
        return np.clip(np.stack([roi, budget, stock]), -1, 1)

    @staticmethod
    def relative_slack(plan: Floats, actual: Floats) -> Floats:
        limited = np.isfinite(plan) & (plan > 0)
        safe = np.where(limited, plan, 1.0)
        return np.where(limited, (safe - actual) / safe, np.where(np.isinf(plan), 1.0, -1.0))


class StockDualTwin(Agent):
    def __init__(self, step: float = 0.4) -> None:
        self.step = step

    def reset(self, constraints: Constraints, market: PublicFacts) -> None:
        super().reset(constraints, market)
        self.rate = 1 / constraints.target_roi
        self.dual = np.zeros(self.rate.size)

    def act(self, observation: Observation) -> Floats:
        terms, tick = self.constraints, observation.tick
        limited = np.isfinite(terms.stock) | np.isfinite(terms.budget)
        if tick > 0:
            since, now = (round(self.market.traffic_share[:t].sum() * 1000) for t in (tick - 1, tick))
            plan = np.where(limited, np.maximum(self.left * (now - since) / (1000 - since), 1e-12), 1.0)
            sold, shown = sales(observation, terms), observation.total.exposures
            a_win = sales(observation._replace(last=observation.total), terms) / np.where(shown > 0, shown, np.inf)
            scale = np.maximum(plan, a_win)
            excess = np.clip((sold - plan) / scale, -1, 1) / np.sqrt(np.maximum(tick * plan / scale, 1))
            move = np.clip(self.step * excess, -1, 1)
            self.dual = np.maximum(self.dual + np.where(limited, self.rate * move, 0), 0.0)
        affordable = observation.budget_left * terms.target_roi / terms.value_per_conversion
        self.left = np.minimum(observation.stock_left, affordable)
        multiplier = self.rate - self.dual
        return multiplier if self.market.negative_bids else np.maximum(multiplier, 0.0)


CASES: list[tuple[str, type[Agent], dict[str, float]]] = [
    ("fixed", ConstantTwin, {"multiplier": 0.7}),
    ("truthful", ConstantTwin, {}),
    ("linear", ConstantTwin, {"b0": 3.0, "average": 0.7}),
    ("ecpc", ConstantTwin, {"cost": 0.3}),
    ("ecpc", TargetTwin, {}),
    ("pid", PidTwin, {}),
    ("pid", PidTwin, {"proportional": 3.0, "integral": 1.0, "derivative": 2.0}),
    ("feedback", FeedbackTwin, {}),
    ("feedback", FeedbackTwin, {"step": 1.5}),
    ("stock_dual", StockDualTwin, {}),
    ("stock_dual", StockDualTwin, {"step": 2.0}),
]

PACING: list[tuple[str, dict[str, Any]]] = [
    ("ros", {}),
    ("ros", {"buffer": 0.5}),
    ("mirror_descent", {}),
    ("mirror_descent", {"reference": "entropic"}),
    ("mirror_descent", {"reference": "scaled"}),
    ("adaptive_pacing", {}),
    ("coupled", {}),
    ("coupled", {"coupling": "min"}),
    ("coupled", {"coupling": "sequential"}),
    ("stock_dual", {"update": "subgradient"}),
    ("stock_dual", {"update": "multiplicative"}),
]
"""But for throttling, which tosses another coin in each row."""
ALL = [(name, parameters) for name, _, parameters in CASES] + PACING

# what they see

FACTS = PublicFacts("gsp", False, np.ones(1), 1000, None)


class Period:
    """Campaigns, the market and what happened in it."""

    def __init__(self, terms: Constraints, facts: PublicFacts, seen: list[Observation]) -> None:
        self.terms, self.facts, self.seen = terms, facts, seen

    def alone(self, n: int) -> "Period":
        """The same, of campaign ``n`` only."""
        own = slice(n, n + 1)
        seen = [
            Observation(
                before.tick,
                Totals(*(field[own] for field in before.last)),
                Totals(*(field[own] for field in before.total)),
                *(field[own] for field in before[3:]),
            )
            for before in self.seen
        ]
        return Period(Constraints(*(field[own] for field in self.terms)), self.facts, seen)

    def multipliers(self, agent: Agent) -> Floats:
        """An agent's multipliers for all ticks, (ticks, n)."""
        agent.reset(self.terms, self.facts)
        return np.array([agent.act(observation) for observation in self.seen])


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_subnormal=False)


@st.composite
def periods(draw: st.DrawFn) -> Period:
    """Up to four campaigns over up to 24 ticks, some without traffic, wins or spend."""
    n, ticks = draw(st.integers(1, 4)), draw(st.integers(1, 24))
    limits = st.just(np.inf) | numbers(1, 100)
    terms = Constraints(
        value_per_conversion=draw(arrays(np.float64, n, elements=numbers(0.01, 100))),
        maximizes_value=draw(arrays(np.bool_, n)),
        budget=draw(arrays(np.float64, n, elements=limits)),
        target_roi=draw(arrays(np.float64, n, elements=st.just(0.0) | numbers(0.1, 10))),
        stock=draw(arrays(np.float64, n, elements=limits)),
        stock_unit=draw(arrays(np.float64, n, elements=st.just(0.0) | numbers(0.01, 100))),
    )
    history = draw(st.none() | st.builds(History, numbers(0.01, 1), numbers(0.01, 10)))
    often = draw(st.sampled_from([0.5, 1.0]))
    scale = draw(arrays(np.float64, (8, n), elements=st.sampled_from([0.0, 0.01, 1.0, 50.0])))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    share = rng.uniform(0.01, 1, ticks) * (rng.random(ticks) < often)
    facts = PublicFacts("lpa", draw(st.booleans()), share / max(share.sum(), 0.01), 1000, history)
    happened = scale * rng.uniform(0, 1, (ticks, 8, n)) * (rng.random((ticks, 1, n)) < often)
    to_beat = np.where(rng.random((ticks, n)) < often, rng.uniform(0, 2, (ticks, n)), np.nan)
    happened[0] = 0
    seen = []
    for tick, total in enumerate(happened.cumsum(axis=0)):
        unit = terms.stock_unit
        sold = np.where(unit > 0, total[4] / np.where(unit > 0, unit, 1), total[3])
        left = np.maximum(terms.budget - total[6], 0), np.maximum(terms.stock - sold, 0)
        seen.append(Observation(tick, Totals(*happened[tick]), Totals(*total), to_beat[tick], *left))
    return Period(terms, facts, seen)


def fit(period: Period, name: str) -> Period:
    """Give campaigns what the agent asks for."""
    terms = period.terms
    if name in ("pid", "mirror_descent", "adaptive_pacing"):
        terms = terms._replace(budget=np.minimum(terms.budget, 60.0))
        seen = [before._replace(budget_left=np.minimum(before.budget_left, 60.0)) for before in period.seen]
        return Period(terms, period.facts, seen)
    if name in ("ecpc", "stock_dual", "ros"):
        terms = terms._replace(target_roi=np.maximum(terms.target_roi, 0.1))
    if name in ("feedback", "coupled"):
        free = np.isinf(terms.budget) & (terms.target_roi == 0) & (np.isinf(terms.stock) | (name == "coupled"))
        terms = terms._replace(maximizes_value=terms.maximizes_value & ~free)
    return Period(terms, period.facts, period.seen)


# tests


@pytest.mark.parametrize(("name", "twin", "parameters"), CASES)
@settings(deadline=None, max_examples=200)
@given(period=periods())
def test_a_rule_does_as_its_twin(name: str, twin: type[Agent], parameters: dict[str, Any], period: Period) -> None:
    period = fit(period, name)
    with np.errstate(invalid="ignore"):  # no limit times no traffic
        expected = period.multipliers(twin(**parameters))
    found = period.multipliers(registry.create("agents", name, parameters))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("name", "parameters"), ALL)
@settings(deadline=None, max_examples=20)
@given(period=periods())
def test_a_campaign_is_decided_by_its_own_row(name: str, parameters: dict[str, Any], period: Period) -> None:
    period = fit(period, name)
    together = period.multipliers(registry.create("agents", name, parameters))
    for n in range(together.shape[1]):
        alone = period.alone(n).multipliers(registry.create("agents", name, parameters))
        np.testing.assert_array_equal(together[:, n], alone[:, 0])


@pytest.mark.parametrize("number", sorted(set(NUMBERS.values())))
def test_a_group_leaves_the_others_alone(number: int) -> None:
    rng = np.random.default_rng(number)
    agent = registry.create("agents", "feedback", {})
    agent.reset(
        Constraints(np.ones(5), np.ones(5, bool), *np.ones((4, 5))), PublicFacts("gsp", False, np.ones(1), 1000, None)
    )
    seen = agent._seen._replace(tick=1, elapsed=10, step=10, landscape=np.zeros((5, BINS, COLUMNS)))
    for field in (seen.last, seen.total, seen.budget_left, seen.stock_left, seen.landscape):
        field[:] = rng.uniform(1, 2, field.shape)
    memory, multiplier = rng.uniform(0.1, 0.2, (5, MEMORY)), np.full(5, -7.0)
    before = memory.copy()
    decide_group(number, seen, np.full(PARAMETERS, 0.5), memory, multiplier, 1, 3)
    others = [0, 3, 4]
    np.testing.assert_array_equal(memory[others], before[others])
    assert (multiplier[others] == -7).all()
    assert (multiplier[1:3] != -7).all()


def test_every_agent_that_acts_once_a_tick_is_a_rule_with_a_number_of_its_own() -> None:
    """Or with that of another, of which it has other parameters."""
    built_in = [name for name, place in registry.BUILT_IN["agents"].items() if place.startswith("adsim.")]
    agents = {name: registry.load("agents", name) for name in built_in}
    rules = {name: agent.number for name, agent in agents.items() if issubclass(agent, Rule)}
    assert rules == NUMBERS
    assert sorted(set(rules.values())) == list(range(len(rules) - 2))
    assert rules["adaptive_pacing"] == rules["mirror_descent"]
    assert issubclass(agents["adaptive_pacing"], agents["mirror_descent"])
    assert rules["ss_mdp"] == rules["rlb"]
    assert issubclass(agents["ss_mdp"], agents["rlb"])
    assert {*agents} - {*rules} == {"oracle"}


@pytest.mark.parametrize(("name", "cost_at"), [("ecpc", 1), ("pid", 3), ("feedback", 1)])
def test_parameters_are_padded_and_what_is_not_known_is_nan(name: str, cost_at: int) -> None:
    agent = registry.create("agents", name, {})
    known, unknown = agent.parameters(FACTS._replace(history=History(0.2, 3.0))), agent.parameters(FACTS)
    assert known.shape == (PARAMETERS,)
    assert known.dtype == np.float64
    assert (known[cost_at + 1 :] == 0).all()
    assert known[cost_at] == 3.0
    assert np.isnan(unknown[cost_at])


def test_totals_of_another_number_of_campaigns_are_refused() -> None:
    agent = registry.create("agents", "feedback", {})
    agent.reset(
        Constraints(np.ones(3), np.ones(3, bool), *np.ones((4, 3))), PublicFacts("gsp", False, np.ones(1), 1000, None)
    )
    for totals, rest in ((2, 3), (3, 2), (4, 4)):
        last, left = Totals(*np.zeros((8, totals))), np.ones(rest)
        with pytest.raises(ValueError, match="broadcast"):
            agent.act(Observation(0, last, last, np.ones(3), left, left))
