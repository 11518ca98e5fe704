"""Agents hold what they are there to hold, and say what they lack."""

import inspect
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsim import registry
from adsim.agents.base import Agent, require_positive
from adsim.errors import AdsimError, AgentError, ScenarioError, UnknownName
from adsim.market import metrics
from adsim.market.market import Market
from adsim.market.result import Result
from adsim.market.scenario import Scenario, read_scenario
from adsim.types import Constraints, Floats, Hindsight, History, Observation, PublicFacts, Totals

TICKS = 48


def between(low: float, high: float) -> dict[str, Any]:
    return {"distribution": "uniform", "low": low, "high": high}


def make(mechanism: str, agent: str, *, opportunities: int = 40_000, slots: int = 2, **terms: Any) -> Scenario:
    """Eight campaigns with expected outcomes and perfect predictions over a day."""
    exposure = [1.0, 0.7, 0.5][: 1 if mechanism == "second_price" else slots]
    return read_scenario(
        {
            "market": {"ticks": TICKS, "opportunities": opportunities, "outcomes": "expected"},
            "auction": {"mechanism": mechanism, "exposure": exposure},
            "traffic": {
                "source": "contextual",
                "curve": "day",
                "ctr": between(0.03, 0.08),
                "cvr": between(0.05, 0.15),
                "ctr_noise": 0.4,
                "experience": {"mean": 0.01},
            },
            "campaigns": [{"count": 8, "agent": agent, "value": between(5.0, 15.0), **terms}],
        },
        "test",
    )


def against_prices(mechanism: str, agent: str, *, opportunities: int = 40_000, **terms: Any) -> Scenario:
    """One campaign of value 1 per exposure on average, against posted prices whose median is 1."""
    return read_scenario(
        {
            "market": {"ticks": TICKS, "opportunities": opportunities, "outcomes": "expected"},
            "auction": {"mechanism": mechanism, "exposure": [1.0]},
            "traffic": {"source": "independent", "curve": "day", "value": between(0.0, 2.0)},
            "competition": {"price": {"distribution": "lognormal", "median": 1.0, "sigma": 0.5}},
            "campaigns": [{"agent": agent, **terms}],
        },
        "test",
    )


def run(scenario: Scenario, seed: int = 0) -> Result:
    return Market(scenario, seed).run()


def constraints(result: Result) -> Constraints:
    return result.constraints


# feedback


@pytest.mark.parametrize("value", [0.001, 1.0, 1000.0])
def test_feedback_spends_a_budget_whatever_a_conversion_is_worth(value: float) -> None:
    """Without a target, value is only a unit: the multiplier that spends the budget may lie far from 1."""
    scenario = against_prices("second_price", "feedback", budget=2000.0, value=value)
    totals = run(scenario.replace({"market.ticks": 200})).totals
    assert 0.95 < totals.spend[0] / 2000.0 <= 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mechanism", ["second_price", "gsp", "vcg"])
def test_feedback_meets_its_target_roi_against_prices(mechanism: str, seed: int) -> None:
    totals = run(against_prices(mechanism, "feedback", target_roi=1.3), seed).totals
    assert totals.value[0] / totals.spend[0] == pytest.approx(1.3, rel=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_feedback_bids_the_inverse_of_its_target_under_first_price(seed: int) -> None:
    result = run(against_prices("first_price", "feedback", target_roi=1.3), seed)
    assert result.totals.value[0] / result.totals.spend[0] == pytest.approx(1.3, rel=0.03)
    np.testing.assert_allclose(result.multipliers[TICKS // 2 :], 1 / 1.3, rtol=0.05)


@pytest.mark.parametrize("mechanism", ["first_price", "second_price", "gsp", "vcg"])
def test_feedback_spends_its_budget_as_the_traffic_comes(mechanism: str) -> None:
    result = run(against_prices(mechanism, "feedback", budget=3000.0))
    spent = result.history[:, 0, Totals._fields.index("spend")] / 3000
    assert 0.98 <= spent[-1] <= 1
    assert np.abs(spent[1:] - np.cumsum(result.traffic_share)).max() < 0.15


CLICKS = {
    "traffic": {"source": "contextual", "curve": "day", "ctr": 0.5, "cvr": 0.6, "ctr_noise": 0.5},
    "competition": {"price": {"distribution": "lognormal", "median": 0.3, "sigma": 0.5}},
}
"""About 0.3 conversions of equal worth per exposure, and prices to match."""


@pytest.mark.parametrize("mechanism", ["first_price", "second_price", "gsp", "vcg"])
def test_feedback_sells_its_stock_as_the_traffic_comes(mechanism: str) -> None:
    result = run(against_prices(mechanism, "feedback", stock=2500.0).replace(CLICKS))
    sold = result.history[:, 0, Totals._fields.index("conversions")] / 2500
    assert 0.98 <= sold[-1] <= 1 + 1 / 2500
    assert np.abs(sold[1:] - np.cumsum(result.traffic_share)).max() < 0.15


def test_feedback_counts_stock_in_units_whatever_they_are_worth() -> None:
    """Won sales are worth more than the average, and yet one unit each."""
    result = run(against_prices("second_price", "feedback", stock=5000.0))
    assert result.totals.conversions[0] > 0.98 * 5000


def test_stock_dual_counts_stock_in_units_whatever_they_are_worth() -> None:
    result = run(against_prices("lpa", "stock_dual", target_roi=1.0, stock=5000.0))
    assert result.totals.conversions[0] > 0.98 * 5000


@pytest.mark.parametrize("mechanism", ["first_price", "second_price", "gsp", "vcg"])
@pytest.mark.parametrize(
    "terms",
    [
        {"budget": 9000.0, "target_roi": 3.0, "stock": 30_000.0},
        {"budget": 1000.0, "target_roi": 1.1, "stock": 30_000.0},
        {"budget": 30_000.0, "target_roi": 1.1, "stock": 1500.0},
    ],
)
def test_the_tightest_constraint_decides(mechanism: str, terms: dict[str, float]) -> None:
    result = run(against_prices(mechanism, "feedback", **terms).replace(CLICKS))
    totals = result.totals
    roi = totals.value[0] / totals.spend[0]
    assert totals.spend[0] <= terms["budget"]
    assert roi >= 0.98 * terms["target_roi"]
    assert totals.conversions[0] <= terms["stock"] + 1
    use = totals.spend[0] / terms["budget"], terms["target_roi"] / roi, totals.conversions[0] / terms["stock"]
    assert max(use) > 0.95


@pytest.mark.parametrize("mechanism", ["first_price", "second_price", "gsp", "vcg", "split", "lpa"])
@pytest.mark.parametrize("seed", range(2))
def test_feedback_holds_all_constraints_in_competition(mechanism: str, seed: int) -> None:
    """What a campaign falls short of its target is small against the market's spend; the rest holds exactly."""
    terms = {"target_roi": between(1.5, 4.0), "budget": between(20.0, 60.0), "relative_stock": between(0.5, 2.0)}
    result = run(make(mechanism, "feedback", **terms), seed)
    totals, limits = result.totals, constraints(result)
    debt = np.maximum(0, limits.target_roi * totals.spend - totals.value)
    assert debt.sum() <= 0.02 * totals.value.sum()
    assert (totals.spend <= limits.budget).all()
    assert (totals.conversions <= limits.stock + 1).all()


@pytest.mark.parametrize("mechanism", ["first_price", "second_price", "gsp", "vcg"])
@pytest.mark.parametrize("count", [3, 8])
def test_no_campaign_on_feedback_misses_its_target_by_more_than_a_few_percent(mechanism: str, count: int) -> None:
    scenario = make(mechanism, "feedback", target_roi=between(1.5, 4.0)).replace({"campaigns.0.count": count})
    for seed in range(3):
        result = run(scenario, seed)
        assert metrics.roi_shortfall(constraints(result), result.totals).max() < 0.05


def test_a_utility_maximizer_on_feedback_never_bids_above_its_value() -> None:
    result = run(against_prices("second_price", "feedback", objective="utility", budget=50_000.0))
    assert (result.multipliers <= 1).all()
    assert result.multipliers[-1, 0] == 1


def test_feedback_needs_a_constraint_of_a_value_maximizer() -> None:
    with pytest.raises(AgentError, match=r"campaign 'campaign'.*give it a constraint"):
        run(against_prices("gsp", "feedback"))


# stock dual


@pytest.mark.parametrize("seed", range(3))
def test_stock_dual_sells_its_stock_and_no_more(seed: int) -> None:
    result = run(make("lpa", "stock_dual", target_roi=2.0, relative_stock=between(0.2, 0.8)), seed)
    sold = result.totals.conversions / constraints(result).stock
    assert (sold > 0.98).all()
    assert (result.totals.conversions <= constraints(result).stock + 1).all()


def test_a_stock_dual_rises_ahead_of_plan_and_falls_behind_it() -> None:
    """Of two campaigns, the second without a limit."""
    terms = Constraints(
        value_per_conversion=np.array([10.0, 10.0]),
        maximizes_value=np.ones(2, bool),
        budget=np.full(2, np.inf),
        target_roi=np.array([2.0, 4.0]),
        stock=np.array([100.0, np.inf]),
        stock_unit=np.zeros(2),
    )
    agent = registry.create("agents", "stock_dual", {"step": 0.5})
    agent.reset(terms, PublicFacts("lpa", True, np.full(4, 0.25), 1000, None))
    multipliers, total = [], np.zeros((8, 2))
    for tick, sold in enumerate([0.0, 50.0, 1.0]):
        last = np.zeros((8, 2))
        last[[3, 4, 5]] = [[sold] * 2, [10 * sold] * 2, [10 * sold] * 2]
        total = total + last
        seen = Observation(tick, Totals(*last), Totals(*total), np.zeros(1), terms.budget, terms.stock - total[3])
        multipliers.append(agent.act(seen))
    start, ahead, behind = np.array(multipliers)
    assert start.tolist() == [0.5, 0.25]
    assert ahead.tolist() == [0.5 - 0.5 * 0.5, 0.25]
    assert ahead[0] < behind[0] <= start[0]
    assert behind[1] == 0.25


def test_stock_dual_bids_its_liquid_value_while_stock_is_plenty() -> None:
    result = run(make("lpa", "stock_dual", target_roi=between(1.5, 4.0)))
    assert (result.multipliers == 1 / constraints(result).target_roi).all()


def test_stock_dual_needs_a_target() -> None:
    with pytest.raises(AgentError, match=r"stock_dual.*target ROI or CPA"):
        run(make("gsp", "stock_dual"))


# pid


@pytest.mark.parametrize("mechanism", ["first_price", "second_price", "gsp", "vcg"])
def test_pid_spends_each_ticks_share_of_the_budget(mechanism: str) -> None:
    result = run(against_prices(mechanism, "pid", budget=3000.0))
    spend, share = result.ticks.spend.to_numpy() / 3000, result.traffic_share
    assert spend.sum() > 0.98
    settled = slice(TICKS // 4, TICKS - 4)
    assert np.abs(spend / share - 1)[settled].mean() < 0.2


def test_pid_needs_a_budget() -> None:
    with pytest.raises(AgentError, match="pid paces a budget"):
        run(against_prices("gsp", "pid"))


# fixed, truthful, linear, ecpc


@pytest.mark.parametrize(("agent", "multiplier"), [("fixed", 1.0), ("fixed:multiplier=0.3", 0.3), ("truthful", 1.0)])
def test_a_multiplier_that_never_moves(agent: str, multiplier: float) -> None:
    assert (run(make("gsp", agent, opportunities=500)).multipliers == multiplier).all()


def test_linear_bids_its_parameter_for_the_average() -> None:
    assert (run(make("gsp", "linear:b0=3:average=2", opportunities=500)).multipliers == 1.5).all()


def test_linear_needs_an_average() -> None:
    with pytest.raises(AgentError, match=r"average value is not known.*average=\.\.\."):
        run(make("gsp", "linear:b0=3", opportunities=500))


def test_ecpc_pays_the_same_for_every_conversion() -> None:
    result = run(make("gsp", "ecpc:cost=2", opportunities=500))
    np.testing.assert_allclose(result.multipliers[0] * constraints(result).value_per_conversion, 2.0)


def test_ecpc_pays_what_the_target_allows() -> None:
    result = run(make("gsp", "ecpc", opportunities=500, target_cpa=3.0))
    np.testing.assert_allclose(result.multipliers[0] * constraints(result).value_per_conversion, 3.0)


BY_A_FACTOR = [("ecpc:factor=0.5", {"target_cpa": 3.0}), ("ecpc:cost=0.5:factor=3", {})]


@pytest.mark.parametrize(("agent", "target"), BY_A_FACTOR)
def test_ecpc_bids_a_factor_of_that(agent: str, target: dict[str, float]) -> None:
    result = run(make("gsp", agent, opportunities=500, **target))
    np.testing.assert_allclose(result.multipliers[0] * constraints(result).value_per_conversion, 1.5)


def test_ecpc_needs_a_cost_or_a_target() -> None:
    with pytest.raises(AgentError, match=r"cost=\.\.\."):
        run(make("gsp", "ecpc", opportunities=500))


# what any agent says when it is given nonsense

NUMBERS = {
    "fixed": ["multiplier"],
    "linear": ["b0", "average"],
    "ecpc": ["cost", "factor"],
    "pid": ["proportional", "integral", "derivative"],
    "feedback": ["step"],
    "stock_dual": ["step"],
    "truthful": [],
    "ros": ["step", "start", "unit"],
    "mirror_descent": ["step", "unit"],
    "adaptive_pacing": ["step", "ceiling", "unit"],
    "coupled": ["target_step", "budget_step", "target_start", "stock_step", "unit"],
    "throttling": ["step"],
    "online_lp": [],
    "forecast": ["half_life"],
    "rlb": [],
    "ss_mdp": [],
    "oracle": [],
}
"""Parameters that are positive."""
OTHERS = {
    "ros": {"buffer", "every"},
    "mirror_descent": {"reference", "start", "every"},
    "adaptive_pacing": {"start", "every"},
    "coupled": {"coupling", "budget_start", "stock_start", "reference", "buffer", "every"},
    "stock_dual": {"update", "start", "every"},
    "throttling": {"every"},
    "forecast": {"penalty"},
    "rlb": {"rows", "values", "table"},
    "ss_mdp": {"rows", "table"},
}
"""Parameters that may be 0, are counted, or are words."""
PARAMETERS = [(agent, name) for agent, names in NUMBERS.items() for name in names]
AT_LEAST_0 = [
    ("ros", "buffer"),
    ("mirror_descent", "start"),
    ("adaptive_pacing", "start"),
    ("coupled", "budget_start"),
]
REQUIRED = {"linear": {"b0": 1.0}}


def test_all_agents_are_tested() -> None:
    built_in = {name for name, place in registry.BUILT_IN["agents"].items() if place.startswith("adsim.")}
    assert built_in == set(NUMBERS)
    for agent, names in NUMBERS.items():
        assert set(inspect.signature(registry.load("agents", agent)).parameters) == {*names, *OTHERS.get(agent, ())}


@pytest.mark.parametrize(("agent", "name"), PARAMETERS)
@pytest.mark.parametrize("bad", [0, -1.0, float("nan"), float("inf"), "fast"])
def test_parameters_are_positive_numbers(agent: str, name: str, bad: Any) -> None:
    with pytest.raises(AgentError, match=rf"{name} = .*must be a positive number"):
        registry.create("agents", agent, REQUIRED.get(agent, {}) | {name: bad})


@pytest.mark.parametrize(("agent", "name"), [*AT_LEAST_0, ("coupled", "buffer")])
@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf"), "fast"])
def test_some_parameters_may_be_0(agent: str, name: str, bad: Any) -> None:
    assert getattr(registry.create("agents", agent, {name: 0.0}), name) == 0
    with pytest.raises(AgentError, match=rf"{name} = .*must be a number of at least 0"):
        registry.create("agents", agent, {name: bad})


@pytest.mark.parametrize(("agent", "name"), [("mirror_descent", "start"), ("coupled", "budget_start")])
def test_an_entropic_step_cannot_leave_0(agent: str, name: str) -> None:
    with pytest.raises(AgentError, match=rf"{name} = 0: must be a positive number"):
        registry.create("agents", agent, {"reference": "entropic", name: 0})
    assert getattr(registry.create("agents", agent, {"reference": "entropic"}), name) == 1


def test_a_multiplicative_step_cannot_leave_0() -> None:
    with pytest.raises(AgentError, match="start = 0: must be a positive number"):
        registry.create("agents", "stock_dual", {"update": "multiplicative", "start": 0})


@pytest.mark.parametrize("agent", sorted(agent for agent, names in OTHERS.items() if "every" in names))
@pytest.mark.parametrize("bad", [0, -3, 1.5, float("nan"), float("inf"), "often", True])
def test_auctions_between_decisions_are_counted(agent: str, bad: Any) -> None:
    assert registry.create("agents", agent, {"every": 8.0}).every == 8
    with pytest.raises(AgentError, match=r"every = .*must be a whole number of at least 1"):
        registry.create("agents", agent, {"every": bad})


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("coupled:coupling=optimum", "unknown coupling 'optimum'. Did you mean 'optimal'?"),
        ("coupled:coupling=foo", "unknown coupling 'foo'"),
        ("stock_dual:update=subgradent", "unknown update 'subgradent'. Did you mean 'subgradient'?"),
        ("coupled:reference=x", "unknown reference 'x'"),
        ("mirror_descent:reference=x", "unknown reference 'x'"),
        ("mirror_descent:reference=entropik", "unknown reference 'entropik'. Did you mean 'entropic'?"),
    ],
)
def test_a_coupling_or_reference_is_one_of_few(agent: str, words: str) -> None:
    with pytest.raises(ScenarioError) as fault:
        make("gsp", agent)
    assert words in str(fault.value)
    assert "campaigns.0" in str(fault.value)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize(
    ("agent", "terms", "words"),
    [
        ("ros", {"budget": 3.0}, "ros holds a target ROI: give the campaign one"),
        ("mirror_descent", {"target_roi": 2.0}, "paces a budget: give the campaign one"),
        ("adaptive_pacing", {"target_roi": 2.0}, "paces a budget: give the campaign one"),
        ("throttling", {"target_roi": 2.0}, "throttling paces a budget: give the campaign one"),
        ("coupled", {"stock": 5.0}, "without budget and target ROI"),
        ("online_lp", {"stock": 5.0}, "without budget and target ROI"),
        ("forecast", {"stock": 5.0}, "without budget and target ROI"),
    ],
)
def test_a_campaign_that_an_agent_cannot_pace_is_named(agent: str, terms: dict[str, float], words: str) -> None:
    with pytest.raises(AgentError, match=rf"^campaign 'campaign-1': .*{words}") as fault:
        run(make("gsp", agent, opportunities=100, **terms))
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize("agent", ["coupled", "online_lp", "forecast"])
def test_a_utility_maximizer_needs_no_constraint(agent: str) -> None:
    result = run(make("vcg", agent, opportunities=2000, objective="utility"))
    np.testing.assert_array_equal(result.multipliers, 1.0)


@pytest.mark.parametrize(("agent", "name"), PARAMETERS)
def test_an_unknown_parameter_names_the_nearest(agent: str, name: str) -> None:
    with pytest.raises(UnknownName, match=rf"parameter of the agent {agent}, '{name}s'.*Did you mean '{name}'"):
        registry.create("agents", agent, {f"{name}s": 1.0})


@pytest.mark.parametrize(("agent", "name"), PARAMETERS)
@settings(deadline=None)
@given(value=st.floats(1e-6, 1e6))
def test_parameters_round_trip(agent: str, name: str, value: float) -> None:
    parsed, parameters = registry.parse(f"{agent}:{name}={value!r}")
    created = registry.create("agents", parsed, REQUIRED.get(agent, {}) | parameters)
    assert getattr(created, name) == value


def test_an_unknown_agent_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"agent 'feedbak'.*Did you mean 'feedback'"):
        registry.load("agents", "feedbak")


def test_a_missing_parameter_is_named() -> None:
    with pytest.raises(AdsimError, match=r"agent linear: give it b0, as in linear:b0=1"):
        registry.create("agents", "linear", {})


@pytest.mark.parametrize("agent", ["pid:", "pid:gain", "pid:=3", "pid:integral="])
def test_a_parameter_that_is_half_written(agent: str) -> None:
    with pytest.raises(AdsimError, match="name:key=value"):
        registry.parse(agent)


@pytest.mark.parametrize(
    ("agent", "words"),
    [("feedbak", "feedback"), ("pid:integrals=1", "integral"), ("fixed:multiplier=-1", "positive")],
)
def test_a_scenario_with_a_wrong_agent_is_refused_when_read(agent: str, words: str) -> None:
    with pytest.raises(ScenarioError, match=rf"campaigns\.0.*{words}"):
        make("gsp", agent)


@pytest.mark.parametrize("value", [None, "1", 0, -1, float("inf"), float("nan")])
def test_require_positive_takes_numbers_above_zero_only(value: Any) -> None:
    with pytest.raises(AgentError, match="gain"):
        require_positive("gain", value)


# one campaign's bids are its own business

TERMS = Constraints(
    value_per_conversion=np.array([10.0, 12.0, 15.0]),
    maximizes_value=np.array([True, True, False]),
    budget=np.array([50.0, 80.0, 60.0]),
    target_roi=np.array([2.0, 3.0, 1.5]),
    stock=np.array([20.0, np.inf, 30.0]),
    stock_unit=np.array([0.0, 0.0, 15.0]),
)
FACTS = PublicFacts("gsp", False, np.full(4, 0.25), 1000, History(0.05, 2.0))


def observations(rng: np.random.Generator) -> list[Observation]:
    """What three campaigns might see over four ticks."""
    total, seen = np.zeros((8, 3)), []
    for tick in range(4):
        last = rng.uniform(0, 5, (8, 3)) if tick else np.zeros((8, 3))
        total = total + last
        left = TERMS.budget - total[6], TERMS.stock - total[3]
        seen.append(Observation(tick, Totals(*last), Totals(*total), rng.uniform(0, 1, 3), *left))
    return seen


def of_one(seen: Observation, n: int) -> Observation:
    part = slice(n, n + 1)
    return Observation(
        seen.tick,
        Totals(*(field[part] for field in seen.last)),
        Totals(*(field[part] for field in seen.total)),
        seen.score_to_beat[part],
        seen.budget_left[part],
        seen.stock_left[part],
    )


def bids(agent: Agent, terms: Constraints, seen: list[Observation]) -> Floats:
    agent.reset(terms, FACTS)
    if agent.privileged:
        agent.reveal(Hindsight(*np.random.default_rng(0).uniform(0.1, 1, (4, 20))))
    return np.array([agent.act(observation) for observation in seen])


APART = {"online_lp", "forecast", "rlb", "ss_mdp"}
"""Agents of live markets only, or of none."""


@pytest.mark.parametrize("name", sorted(set(NUMBERS) - APART - {"oracle", "throttling"}))
def test_a_group_bids_as_its_members_would_alone(name: str) -> None:
    seen = observations(np.random.default_rng(1))
    together = bids(registry.create("agents", name, REQUIRED.get(name, {})), TERMS, seen)
    assert together.shape == (4, 3)
    for n in range(3):
        alone = bids(
            registry.create("agents", name, REQUIRED.get(name, {})),
            Constraints(*(field[n : n + 1] for field in TERMS)),
            [of_one(observation, n) for observation in seen],
        )
        np.testing.assert_array_equal(together[:, n], alone[:, 0])


@pytest.mark.parametrize("name", sorted(set(NUMBERS) - APART))
def test_a_reset_forgets_the_last_period(name: str) -> None:
    agent = registry.create("agents", name, REQUIRED.get(name, {}))
    terms = Constraints(*(field[:1] for field in TERMS))
    seen = [of_one(observation, 0) for observation in observations(np.random.default_rng(2))]
    np.testing.assert_array_equal(bids(agent, terms, seen), bids(agent, terms, seen))


@pytest.mark.parametrize("name", sorted(set(NUMBERS) - APART))
def test_an_agent_leaves_its_observation_as_it_was(name: str) -> None:
    agent = registry.create("agents", name, REQUIRED.get(name, {}))
    terms = Constraints(*(field[:1] for field in TERMS))
    seen = [of_one(observation, 0) for observation in observations(np.random.default_rng(3))]
    before = str(seen)
    bids(agent, terms, seen)
    assert str(seen) == before


@pytest.mark.parametrize("name", sorted(set(NUMBERS) - APART - set(REQUIRED) - {"oracle"}))
def test_bids_stay_finite_when_money_and_stock_are_gone(name: str) -> None:
    agent = registry.create("agents", name, {})
    nothing = np.zeros(3)
    seen = [
        Observation(tick, Totals(*np.zeros((8, 3))), Totals(*np.zeros((8, 3))), nothing, nothing, nothing)
        for tick in range(4)
    ]
    assert np.isfinite(bids(agent, TERMS, seen)).all()


def test_oracle_that_was_not_shown_the_truth_says_so() -> None:
    agent = registry.create("agents", "oracle", {})
    agent.reset(TERMS, FACTS)
    with pytest.raises(AgentError, match="one campaign and posted prices"):
        agent.act(observations(np.random.default_rng(0))[0])
