"""Rules that decide between auctions do what their papers' pseudo-code does, step for step and market for market."""

from functools import cache
from typing import Any

import naive_pacing as naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsim import registry
from adsim.kernels.counter import draw, uniform_double
from adsim.market.market import Market
from adsim.market.markets import Markets
from adsim.market.scenario import Scenario, load_scenario
from adsim.types import Constraints, Floats, Observation, PublicFacts, Totals

TWINS: dict[str, Any] = {
    "ros": naive.Ros,
    "mirror_descent": naive.MirrorDescent,
    "adaptive_pacing": naive.AdaptivePacing,
    "coupled": naive.Coupled,
    "stock_dual": naive.StockDual,
    "throttling": naive.Throttling,
}
RULES: list[tuple[str, dict[str, Any]]] = [
    ("ros", {}),
    ("ros", {"unit": 1.0}),
    ("ros", {"unit": 0.5, "step": 3.0, "start": 2.0}),
    ("ros", {"buffer": 0.3}),
    ("mirror_descent", {}),
    ("mirror_descent", {"reference": "entropic"}),
    ("mirror_descent", {"reference": "scaled"}),
    ("mirror_descent", {"step": 3.0, "start": 0.2, "unit": 1.0}),
    ("adaptive_pacing", {}),
    ("adaptive_pacing", {"ceiling": 1.5, "unit": 1.0, "step": 4.0}),
    ("coupled", {}),
    ("coupled", {"coupling": "min"}),
    ("coupled", {"coupling": "sequential"}),
    ("coupled", {"reference": "entropic", "buffer": 0.2, "target_step": 2.0}),
    ("coupled", {"coupling": "min", "reference": "scaled", "budget_start": 0.0, "target_start": 3.0}),
    ("coupled", {"coupling": "sequential", "budget_step": 3.0, "unit": 1.0}),
    ("throttling", {}),
    ("throttling", {"step": 4.0}),
]
STOCKED: list[tuple[str, dict[str, Any]]] = [
    ("stock_dual", {}),
    ("stock_dual", {"step": 2.0, "start": 0.4}),
    ("stock_dual", {"update": "subgradient"}),
    ("stock_dual", {"update": "subgradient", "step": 3.0, "start": 0.5}),
    ("stock_dual", {"update": "multiplicative"}),
    ("stock_dual", {"update": "multiplicative", "step": 3.0, "start": 1.0}),
    ("coupled", {}),
    ("coupled", {"coupling": "min", "stock_step": 0.3}),
    ("coupled", {"coupling": "sequential", "stock_start": 0.5}),
]
"""Rules that hold a stock."""


def named(rules: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    return [pytest.param(*rule, id=":".join([rule[0], *(f"{k}={v}" for k, v in rule[1].items())])) for rule in rules]


BY_NAME = named(RULES)


def coins(key: int) -> Any:
    """The draws of a stream."""
    return lambda index: uniform_double(np.uint64(draw(np.uint64(key), np.uint64(index))))


def twin_of(name: str, parameters: dict[str, Any], terms: naive.Terms, key: int) -> naive.Bidder:
    """The plain rule of a campaign."""
    more = {"coin": coins(key)} if name == "throttling" else {}
    made: naive.Bidder = TWINS[name](terms, **parameters, **more)
    return made


# step for step


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_subnormal=False)


@st.composite
def periods(draw: st.DrawFn) -> tuple[naive.Terms, Floats]:
    """A campaign, and (shown, predicted value, sales, payment) of each of its ticks of one or more auctions."""
    ticks, auctions = draw(st.integers(1, 60)), draw(st.sampled_from([1, 1, 5]))
    terms = naive.Terms(
        opportunities=ticks * auctions,
        budget=draw(st.just(np.inf) | numbers(0.1, 50)),
        target=draw(st.just(0.0) | numbers(0.2, 5)),
        utility=draw(st.booleans()),
        stock=draw(st.just(np.inf) | numbers(0.1, 50)),
        in_value=draw(st.booleans()),
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    wins = rng.random(ticks) < draw(st.sampled_from([0.0, 0.2, 0.7, 1.0]))
    predicted = rng.uniform(0, 1, ticks) * draw(st.sampled_from([0.1, 1.0, 10.0]))
    sales = predicted * rng.uniform(0, 2, ticks)
    payment = rng.uniform(0, 1.5, ticks) * draw(st.sampled_from([0.0, 0.1, 1.0]))
    return terms, np.stack([np.ones(ticks), predicted, sales, payment]) * wins


def fit(name: str, terms: naive.Terms) -> naive.Terms:
    """Give the campaign what the rule asks for."""
    target = terms.target or (1.2 if name in ("ros", "stock_dual") else 0.0)
    pacing = name in ("mirror_descent", "adaptive_pacing", "throttling")
    free = terms.budget == np.inf and target == 0 and not terms.utility
    budget = 5.0 if terms.budget == np.inf and (pacing or free) else terms.budget
    return terms._replace(target=target, budget=budget)


def act(name: str, parameters: dict[str, Any], terms: naive.Terms, happened: Floats) -> Floats:
    """The compiled rule's multipliers, one before each tick."""
    agent = registry.create("agents", name, parameters)
    ticks = happened.shape[1]
    agent.reset(
        Constraints(
            value_per_conversion=np.ones(1),
            maximizes_value=np.array([not terms.utility]),
            budget=np.array([terms.budget]),
            target_roi=np.array([terms.target]),
            stock=np.array([terms.stock]),
            stock_unit=np.array([float(terms.in_value)]),
        ),
        PublicFacts("second_price", False, np.full(ticks, 1 / ticks), terms.opportunities, None),
    )
    multipliers, total = [], np.zeros(8)
    for t in range(ticks):
        last = np.zeros(8)
        if t > 0:
            last[[1, 5, 4, 6]] = happened[:, t - 1]
            last[3] = last[1]
        total = total + last
        last_totals, totals = (Totals(*sums[:, None]) for sums in (last, total))
        left = terms.budget - total[[6]], terms.stock - total[[4 if terms.in_value else 3]]
        seen = Observation(t, last_totals, totals, np.ones(1), *left)
        multipliers.append(agent.act(seen)[0])
    return np.array(multipliers)


@pytest.mark.parametrize(("name", "parameters"), [*BY_NAME, *named(STOCKED)])
@settings(deadline=None, max_examples=60)
@given(period=periods())
def test_a_rule_moves_as_the_papers_pseudo_code(
    name: str, parameters: dict[str, Any], period: tuple[naive.Terms, Floats]
) -> None:
    terms, happened = fit(name, period[0]), period[1]
    plain = twin_of(name, parameters, terms, stream_of_the_first())
    expected, sales, predicted = [plain.multiplier()], 0.0, 0.0
    auctions = terms.opportunities // happened.shape[1]
    for shown, worth, sold, paid in happened.T[:-1]:
        sales, predicted = sales + sold, predicted + worth
        units = sold if terms.in_value else shown
        plain.learn(auctions, shown, worth, paid, (sales + 20) / (predicted + 20), units)
        expected.append(plain.multiplier())
    found = act(name, parameters, terms, happened)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@cache
def stream_of_the_first() -> int:
    """Key of the first campaign of an agent outside of a market."""
    agent = registry.create("agents", "truthful", {})
    agent.reset(Constraints(*np.ones((6, 1))), PublicFacts("gsp", False, np.ones(1), 1, None))
    return int(agent._seen.key[0])


# market for market


def posted(agent: str, *, opportunities: int = 3000, ticks: int = 7, **terms: Any) -> Scenario:
    """One campaign against posted prices, predictions of sales being wrong by a third."""
    changes = {"market.opportunities": opportunities, "market.ticks": ticks, "campaigns.0.agent": agent}
    noise = {"predictor": {"kind": "noise", "cvr_error": 0.3}}
    return load_scenario("return_on_spend").replace(
        {**changes, **noise, **{f"campaigns.0.{name}": value for name, value in terms.items()}}
    )


def spelled(name: str, parameters: dict[str, Any]) -> str:
    return ":".join([name, *(f"{key}={value}" for key, value in parameters.items())])


def assert_played_literally(name: str, parameters: dict[str, Any], every: int = 1, **terms: Any) -> None:
    """A run of the market is the pseudo-code, one auction after the other."""
    scenario = posted(spelled(name, parameters | {"every": every}), **terms)
    for seed in range(2):
        market = Market(scenario, seed)
        truth, result = market.hindsight(), market.run(events=True)
        agreed = naive.Terms(
            scenario.market.opportunities,
            terms.get("budget", np.inf),
            scenario.campaigns[0].target_roi.range()[0] if scenario.campaigns[0].target_roi else 0.0,
            terms.get("objective") == "utility",
            terms.get("stock", terms.get("stock_value", np.inf)),
            "stock_value" in terms,
        )
        bidder = twin_of(name, parameters, agreed, int(Markets(scenario, [seed])._stream_keys(3)[0, 0]))
        played = naive.play(bidder, truth.predicted_value.tolist(), truth.value.tolist(), truth.price.tolist(), every)
        events = result.events[result.events.winner == 0]
        assert events.opportunity.tolist() == played.won
        assert 0 < len(played.won) < scenario.market.opportunities
        np.testing.assert_allclose(result.totals.spend[0], played.spend, rtol=1e-9)
        np.testing.assert_allclose(result.totals.predicted_value[0], played.value, rtol=1e-9)
        np.testing.assert_allclose(result.multipliers[-1, 0], played.multipliers[-1], rtol=1e-9)


@pytest.mark.parametrize(("name", "parameters"), BY_NAME)
@pytest.mark.parametrize("every", [1, 8])
def test_a_market_of_auctions_is_the_papers_loop(name: str, parameters: dict[str, Any], every: int) -> None:
    assert_played_literally(name, parameters, every, budget=450.0, target_roi=1.1)


@pytest.mark.parametrize(("name", "parameters"), BY_NAME)
def test_a_utility_maximizer_paces_by_the_papers_loop(name: str, parameters: dict[str, Any]) -> None:
    assert_played_literally(name, parameters, budget=200.0, target_roi=1.3, objective="utility")


@pytest.mark.parametrize(("name", "parameters"), named(STOCKED))
@pytest.mark.parametrize("every", [1, 8])
@pytest.mark.parametrize("stock", [{"stock": 300.0}, {"stock_value": 250.0}], ids=lambda terms: next(iter(terms)))
def test_a_market_with_a_stock_is_the_plain_loop(
    name: str, parameters: dict[str, Any], every: int, stock: dict[str, float]
) -> None:
    assert_played_literally(name, parameters, every, target_roi=1.1, **stock)


@pytest.mark.parametrize("coupling", ["optimal", "min", "sequential"])
@pytest.mark.parametrize("reference", ["euclidean", "entropic"])
@pytest.mark.parametrize("objective", ["value", "utility"])
def test_a_campaign_without_a_target_is_paced_by_its_budget_alone(
    coupling: str, reference: str, objective: str
) -> None:
    start = 1.0 if objective == "value" or reference == "entropic" else 0.0
    terms: dict[str, Any] = {"budget": 200.0, "target_roi": None, "objective": objective}
    joined = f"coupled:coupling={coupling}:reference={reference}:budget_start={start}"
    both, alone = (
        Market(posted(agent, **terms), 1).run() for agent in (joined, f"mirror_descent:reference={reference}")
    )
    np.testing.assert_array_equal(both.history, alone.history)
    np.testing.assert_allclose(both.multipliers, alone.multipliers, rtol=1e-12)
    assert alone.totals.spend[0] > 150


@pytest.mark.parametrize("coupling", ["optimal", "min", "sequential"])
def test_a_campaign_without_a_budget_is_paced_by_its_target_alone(coupling: str) -> None:
    both, alone = (Market(posted(agent), 1).run() for agent in (f"coupled:coupling={coupling}", "ros"))
    np.testing.assert_array_equal(both.history, alone.history)
    np.testing.assert_allclose(both.multipliers, alone.multipliers, rtol=1e-12)
