"""The regret experiment: its rows against markets played one by one and HiGHS, and the rates that theory promises."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from typer.testing import CliRunner, Result

import adsim
from adsim.cli.app import app
from adsim.errors import AdsimError
from adsim.experiments.regret import figures as regret_figures
from adsim.experiments.regret.regret import METRICS, Regret, regret
from adsim.experiments.statistics import estimate, exponent
from adsim.market.distributions import Constant, Distribution, LogNormal, Uniform, Values
from adsim.market.market import Market
from adsim.market.scenario import Scenario, read_scenario, scenario_names
from adsim.types import Hindsight

ROUNDING = 1e-6
"""Of HiGHS and of single precision, relative."""


def between(low: float, high: float) -> dict[str, Any]:
    return {"distribution": "uniform", "low": low, "high": high}


CONTEXTUAL: dict[str, Any] = {"source": "contextual", "ctr": between(0.2, 0.6), "cvr": 0.5, "ctr_noise": 0.4}
INDEPENDENT: dict[str, Any] = {"source": "independent", "value": between(0.0, 1.0)}
AGENTS = ["coupled:unit=1", "fixed:multiplier=0.8", "oracle", "fixed:multiplier=3.0"]
"""The last one misses targets."""
HORIZONS = [150, 400]


def make(
    campaign: dict[str, Any] | None = None,
    *,
    traffic: dict[str, Any] = INDEPENDENT,
    auction: dict[str, Any] | None = None,
    opportunities: int = 200,
    **tables: Any,
) -> Scenario:
    """One campaign against posted prices, by expected outcomes; with a budget and a target that both can bind."""
    given = {
        "name": "small",
        "market": {"ticks": 5, "opportunities": opportunities, "outcomes": "expected"},
        "auction": {"mechanism": "second_price"} | (auction or {}),
        "traffic": traffic,
        "competition": {"price": between(0.0, 1.0)},
        "campaigns": [{"target_roi": 1.5, "budget": 30.0} if campaign is None else campaign],
    }
    return read_scenario(given | tables, "small")


def programmed(truth: Hindsight, budget: float, target: float, *, maximizes_value: bool) -> float:
    """The best fractional choice, by HiGHS."""
    gain = truth.value if maximizes_value else truth.value - truth.cost
    limited = np.isfinite(budget)
    rows = np.array([truth.cost, target * truth.cost - truth.value])[0 if limited else 1 :]
    bounds = [budget, 0.0][0 if limited else 1 :]
    return float(-optimize.linprog(-gain, A_ub=rows, b_ub=bounds, bounds=(0, 1), method="highs").fun)


def restated(scenario: Scenario, agents: Sequence[str], horizons: Sequence[int], seeds: int) -> pd.DataFrame:
    """The rows of an experiment, each from a market of its own."""
    rows = []
    for horizon in horizons:
        for agent in agents:
            market = scenario.over(horizon).replace({"campaigns.0.agent": agent})
            for seed in range(seeds):
                played = Market(market, seed)
                result = played.run()
                own, totals = result.campaigns.iloc[0], result.totals
                target = float(result.constraints.target_roi[0])
                utility = own["objective"] == "utility"
                best = programmed(played.hindsight(), own["budget"], target, maximizes_value=not utility)
                value, spend = float(totals.value[0]), float(totals.spend[0])
                objective = value - spend * utility
                rows.append(
                    {
                        "agent": agent,
                        "horizon": horizon,
                        "seed": seed,
                        "optimum": best,
                        "objective": objective,
                        "value": value,
                        "spend": spend,
                        "regret": best - objective,
                        "violation": max(target * spend - value, spend - own["budget"], 0.0),
                        "multiplier": own["multiplier"],
                    }
                )
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def known() -> Regret:
    return regret(make(), AGENTS, HORIZONS, seeds=5)


# rows


@pytest.mark.parametrize("objective", ["value", "utility"])
@pytest.mark.parametrize("traffic", [INDEPENDENT, CONTEXTUAL], ids=["independent", "contextual"])
def test_rows_are_those_of_markets_played_one_by_one(objective: str, traffic: dict[str, Any]) -> None:
    rates = 5.0 if traffic is CONTEXTUAL else 1.0
    scenario = make({"objective": objective, "value": rates, "target_roi": 1.3, "budget": 20.0}, traffic=traffic)
    found = regret(scenario, AGENTS, HORIZONS, seeds=3).runs
    expected = restated(scenario, AGENTS, HORIZONS, 3)
    exact = ["agent", "horizon", "seed", "objective", "value", "spend", "violation", "multiplier"]
    pd.testing.assert_frame_equal(found[exact], expected[exact], check_exact=True)
    pd.testing.assert_frame_equal(found, expected, rtol=ROUNDING, atol=ROUNDING * expected["optimum"].max())


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_no_bit(known: Regret, threads: int) -> None:
    found = regret(make(), AGENTS, HORIZONS, seeds=5, threads=threads)
    for name in ("runs", "table", "exponents"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(known, name), check_exact=True)


def test_all_agents_meet_the_same_traffic(known: Regret) -> None:
    assert (known.runs.groupby(["horizon", "seed"])["optimum"].nunique() == 1).all()
    assert known.runs["optimum"].nunique() == len(HORIZONS) * 5
    alone = regret(make(), AGENTS[1:2], HORIZONS[1:], seeds=2, first_seed=3).runs
    rows = known.runs.query("agent == @AGENTS[1] and horizon == 400 and seed >= 3").reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, rows, check_exact=True)


def test_names_and_horizons_count_once_and_horizons_are_sorted() -> None:
    found = regret(make(), ["oracle", "truthful", "oracle"], [60, 30, 60], seeds=1)
    assert (found.agents, found.horizons) == (["oracle", "truthful"], [30, 60])
    assert len(found.runs) == 4


def test_tables_are_those_of_the_runs(known: Regret) -> None:
    runs = known.runs
    numbers = {
        "regret": runs["optimum"] - runs["objective"],
        "root_regret": (runs["optimum"] - runs["objective"]) / runs["horizon"] ** 0.5,
        "optimum_share": runs["objective"] / runs["optimum"],
        "violation": runs["violation"],
        "root_violation": runs["violation"] / runs["horizon"] ** 0.5,
    }
    assert set(numbers) == set(METRICS)
    table = known.table.set_index(["agent", "horizon", "metric"])
    assert len(table) == len(AGENTS) * len(HORIZONS) * len(METRICS)
    for metric, column in numbers.items():
        for key, cell in column.groupby([runs["agent"], runs["horizon"]]):
            assert tuple(table.loc[(*key, metric)]) == pytest.approx(estimate(cell), rel=1e-12, abs=1e-12)
    for row in known.exponents.itertuples():
        own = runs[runs["agent"] == row.agent]
        samples = np.array([own.loc[own["horizon"] == horizon, row.metric] for horizon in HORIZONS]).T
        assert row[3:] == pytest.approx(exponent(samples, HORIZONS), rel=1e-12, nan_ok=True)
        means = samples.mean(axis=0)
        if means.min() > 0:
            slope = np.log(means[1] / means[0]) / np.log(HORIZONS[1] / HORIZONS[0])
            assert row.value == pytest.approx(slope)


def test_a_summary_has_everything_that_json_can_say() -> None:
    found = regret(make(), AGENTS, HORIZONS[:1], seeds=1)
    assert found.exponents.empty
    summary = json.loads(json.dumps(found.summary(), allow_nan=False))
    assert {row["low"] for row in summary["table"]} == {None}
    assert (summary["agents"], summary["seeds"], summary["exponents"]) == (AGENTS, [0], [])


# optima


def test_the_oracle_is_close_below_the_optimum(known: Regret) -> None:
    oracle = known.runs[known.runs["agent"] == "oracle"]
    assert (oracle["violation"] == 0).all()
    share = oracle["objective"] / oracle["optimum"]
    assert (share <= 1 + ROUNDING).all()
    assert (1 - share <= 2 / oracle["horizon"] ** 0.5).all()  # it leaves one opportunity at most, of value 1
    assert (oracle["regret"] <= 1 + ROUNDING).all()


@st.composite
def experiments(draw: st.DrawFn) -> tuple[Scenario, str, int]:
    """Any market of the kind with exact predictions, any agent that fits it, and a horizon."""
    contextual = draw(st.booleans())
    opportunities = draw(st.integers(10, 300))
    rate = draw(st.one_of(st.none(), st.floats(0.001, 0.3)))
    target = draw(st.one_of(st.none(), st.floats(0.5, 3.0)))
    objective = draw(st.sampled_from(["value", "utility"])) if rate or target else "utility"
    campaign = {"objective": objective, "value": 5.0 if contextual else 1.0}
    campaign |= {"budget": rate * opportunities} if rate else {}
    campaign |= {"target_roi": target} if target else {}
    agents = [
        "truthful",
        "fixed:multiplier=0.6",
        "fixed:multiplier=50.0",
        "coupled",
        "coupled:coupling=min",
        "oracle",
    ]
    agents += ["mirror_descent", "mirror_descent:reference=entropic", "pid", "throttling"] if rate else []
    agents += ["ros", "ros:buffer=0.2"] if target else []
    auction = {"charge": draw(st.sampled_from(["exposure", "click", "conversion"]))}
    auction |= {"reserve": draw(st.sampled_from([0.0, 0.2])), "exposure": [draw(st.sampled_from([1.0, 0.5]))]}
    phases = draw(st.sampled_from([None, {"value": [1.0, 0.0, 4.0], "price": [0.5, 1.0, 1.5]}]))
    traffic = CONTEXTUAL if contextual else INDEPENDENT
    scenario = make(campaign, traffic=traffic, auction=auction, opportunities=opportunities, phases=phases)
    return scenario, draw(st.sampled_from(agents)), draw(st.integers(10, 300))


@settings(deadline=None, max_examples=150)
@given(experiments(), st.integers(0, 1000))
def test_nobody_who_keeps_the_constraints_beats_the_optimum(experiment: Any, seed: int) -> None:
    scenario, agent, horizon = experiment
    runs = regret(scenario, [agent], [horizon], seeds=2, first_seed=seed).runs
    kept = runs["violation"] == 0
    assert (runs["regret"] >= -ROUNDING * (runs["optimum"] + runs["spend"]))[kept].all()
    if scenario.campaigns[0].budget:
        budget = scenario.over(horizon).campaigns[0].budget
        assert (runs["spend"] <= budget.value * (1 + 1e-9)).all()


def test_violation_counts_value_short_of_the_target_in_money() -> None:
    runs = regret(make({"target_roi": 3.0}), ["fixed:multiplier=2.0"], [300], seeds=2).runs
    assert (runs["violation"] > 10).all()
    np.testing.assert_allclose(runs["violation"], 3 * runs["spend"] - runs["value"])


# other horizons

KINDS: dict[str, Any] = {
    "constant": 7.0,
    "uniform": between(2.0, 9.0),
    "lognormal": {"distribution": "lognormal", "median": 3.0, "sigma": 0.7},
    "values": {"distribution": "values", "values": [1.0, 5.0, 2.0]},
}


@settings(deadline=None, max_examples=50)
@given(
    st.one_of(
        st.floats(0.1, 1e4).map(lambda x: Constant(value=x)),
        st.tuples(st.floats(0.1, 10), st.floats(10, 1e3)).map(
            lambda ends: Uniform(distribution="uniform", low=ends[0], high=ends[1])
        ),
        st.tuples(st.floats(0.1, 1e3), st.floats(0, 2)).map(
            lambda both: LogNormal(distribution="lognormal", median=both[0], sigma=both[1])
        ),
        st.lists(st.floats(0.1, 1e3), min_size=1, max_size=4).map(
            lambda listed: Values(distribution="values", values=tuple(listed))
        ),
    ),
    st.floats(1e-3, 1e3),
)
def test_draws_of_a_scaled_distribution_are_draws_times_the_factor(distribution: Distribution, factor: float) -> None:
    uniforms, index = np.random.default_rng(0).random(9), np.arange(9)
    plain, scaled = (each.sample(uniforms, index) for each in (distribution, distribution.scaled(factor)))
    np.testing.assert_allclose(scaled, factor * plain, rtol=1e-12)
    ends = np.array(distribution.range())
    np.testing.assert_allclose(distribution.scaled(factor).range(), factor * ends, atol=1e-300)


def both(kind: str, other: str) -> Scenario:
    """Two kinds of campaigns, limited by budgets and stock of two kinds of distributions."""
    rest = {"objective": "utility", "relative_stock": 1.5, "budget": KINDS[other], "value": KINDS[kind]}
    campaigns = [{"count": 3, "budget": KINDS[kind], "stock": KINDS[other], "target_cpa": KINDS[kind]}, rest]
    phases = {"cycles": 3, "share": [0.2, 0.8], "value": [1.0, 2.0]}
    return make(phases=phases, competition=None, campaigns=campaigns)


@pytest.mark.parametrize("kind", KINDS)
def test_another_horizon_scales_budgets_and_stock_and_nothing_else(kind: str) -> None:
    scenario = both(kind, "uniform")
    longer = scenario.over(500)
    assert longer.phases == scenario.phases
    assert longer.market.opportunities == 500
    ours, theirs = longer.model_dump(mode="json"), scenario.model_dump(mode="json")
    for tables in (ours, theirs):
        tables["market"].pop("opportunities")
        for campaign in tables["campaigns"]:
            campaign.pop("budget")
            campaign.pop("stock")
    assert ours == theirs
    one, two = (Market(each, 3).campaigns.constraints for each in (scenario, longer))
    np.testing.assert_allclose(two.budget, 2.5 * one.budget, rtol=1e-12)
    np.testing.assert_allclose(two.stock, 2.5 * one.stock, rtol=1e-12)
    np.testing.assert_array_equal(two.target_roi, one.target_roi)
    np.testing.assert_array_equal(two.value_per_conversion, one.value_per_conversion)
    assert (Market(longer, 3).run().totals.spend <= two.budget * (1 + 1e-9)).all()


@pytest.mark.parametrize("name", scenario_names())
def test_the_same_horizon_is_the_same_scenario(name: str) -> None:
    scenario = adsim.load_scenario(name)
    assert scenario.over(scenario.market.opportunities) == scenario


# rates


def rates(found: Regret, metric: str = "regret") -> tuple[float, float, float]:
    row = found.exponents.query("metric == @metric").iloc[0]
    return row["value"], row["low"], row["high"]


def doubled(last: int) -> list[int]:
    return [horizon for horizon in (1000, 2000, 4000, 8000, 16_000) if horizon <= last]


def test_regret_of_return_on_spend_bidding_grows_as_the_root_of_the_horizon() -> None:
    found = regret(adsim.load_scenario("return_on_spend"), ["ros:unit=1"], doubled(16_000), seeds=20)
    roots = found.table.query("metric == 'root_regret'")["mean"]
    assert roots.between(0.25, 0.40).all()
    value, low, high = rates(found)
    assert 0.4 < value < 0.6
    assert low < 0.55
    assert high > 0.45


def test_a_buffer_keeps_the_target_always() -> None:
    found = regret(adsim.load_scenario("return_on_spend"), ["ros:unit=1:buffer=1"], [1000, 4000, 16_000], seeds=20)
    assert (found.runs["violation"] == 0).all()
    assert found.table.query("metric == 'optimum_share' and horizon == 16000")["mean"].item() > 0.95


def test_regret_of_dual_mirror_descent_grows_as_the_root_of_the_horizon() -> None:
    value, low, high = rates(
        regret(adsim.load_scenario("budget_pacing"), ["mirror_descent"], doubled(16_000), seeds=20)
    )
    assert 0.4 < low < value < high < 0.6


def test_regret_under_periodic_input_grows_less_than_linearly() -> None:
    found = regret(adsim.load_scenario("budget_periodic"), ["adaptive_pacing"], doubled(16_000), seeds=10)
    assert rates(found)[2] < 0.7


def test_adversarial_input_costs_no_more_than_the_competitive_ratio() -> None:
    found = regret(adsim.load_scenario("budget_adversarial"), ["mirror_descent"], [16_000], seeds=4).runs
    ratio = found["optimum"] / found["objective"]
    assert (ratio > 2).all()  # the input does harm
    assert (ratio < 10).all()


def test_coupled_pacing_is_near_the_optimum_and_sequential_pacing_far_below() -> None:
    agents = [f"coupled:coupling={coupling}" for coupling in ("optimal", "min", "sequential")]
    found = regret(adsim.load_scenario("budget_value"), agents, [64_000], seeds=2)
    share = found.table.query("metric == 'optimum_share'").set_index("agent")["mean"]
    assert (share[agents[:2]] > 0.97).all()
    assert share[agents[2]] < 0.8
    assert (found.runs["violation"] == 0).all()


# refusals


@pytest.mark.parametrize(
    ("scenario", "changes", "words"),
    [
        (make(), {"agents": []}, "name one agent and one horizon at least"),
        (make(), {"horizons": []}, "name one agent and one horizon at least"),
        (make(), {"agents": ["ross"]}, "unknown agent 'ross'"),
        (make(), {"agents": ["ros:stepp=2"]}, "'stepp'"),
        (make(), {"seeds": 0}, "seeds = 0"),
        (make(), {"threads": 0}, "threads = 0"),
        (make(), {"first_seed": -1}, "seed"),
        (make(), {"horizons": [100, 0]}, "0 opportunities: must be 1 or more"),
        (make(phases={"cycles": 50, "value": [1.0, 2.0]}), {"horizons": [100, 40]}, r"phases\.cycles = 50"),
        (make({"count": 2}), {}, "one campaign"),
        (make({"budget": 5.0}, competition=None), {}, "posted competition"),
        (make(auction={"mechanism": "vcg", "slots": 2}), {}, "one slot"),
        (make(auction={"mechanism": "first_price"}), {}, "second price"),
        (make({"budget": 5.0, "stock": 3.0}), {}, "no stock"),
        (make({"budget": 5.0, "relative_stock": 3.0}), {}, "no stock"),
        (make({"objective": "utility"}), {"agents": ["mirror_descent"]}, "mirror_descent: campaign .*budget"),
        (make({"budget": 5.0}), {"agents": ["truthful", "ros"]}, "ros: campaign 'campaign': ros holds a target ROI"),
    ],
)  # fmt: skip
def test_what_has_no_regret_is_refused(scenario: Scenario, changes: dict[str, Any], words: str) -> None:
    given = {"agents": ["fixed:multiplier=1.0"], "horizons": [100], "seeds": 2} | changes
    with pytest.raises(AdsimError, match=words) as caught:
        regret(scenario, given.pop("agents"), given.pop("horizons"), **given)
    assert "\n" not in str(caught.value)


# the command


def adsim_(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["regret", *arguments])


def test_the_command_saves_tables_a_figure_and_the_scenario(tmp_path: Path) -> None:
    agents = "ros:unit=1,fixed:multiplier=3.0"
    result = adsim_(
        "return_on_spend", "--agents", agents, "--horizons", "100:400", "--seeds", "3", "--out", str(tmp_path)
    )
    assert result.exit_code == 0, result.stderr
    for words in ("regret / sqrt(T) over 3 seeds", "ros:unit=1", "fixed:multiplier=3.0", f"Saved to {tmp_path}."):
        assert words in result.stdout
    tables = {f"{name}.{ending}" for name in ("runs", "table", "exponents") for ending in ("csv", "parquet")}
    assert {file.name for file in tmp_path.iterdir()} == tables | {"regret.png", "regret.svg", "run.json"}
    runs = pd.read_parquet(tmp_path / "runs.parquet")
    found = regret(adsim.load_scenario("return_on_spend"), agents.split(","), [100, 200, 400], seeds=3)
    pd.testing.assert_frame_equal(runs, found.runs)
    for name in ("table", "exponents"):
        assert list(pd.read_parquet(tmp_path / f"{name}.parquet")) == list(getattr(found, name))
    assert matplotlib.image.imread(tmp_path / "regret.png").std() > 0
    facts = json.loads((tmp_path / "run.json").read_text())
    assert (facts["seeds"], facts["horizons"]) == ([0, 1, 2], [100, 200, 400])


def test_the_command_prints_json() -> None:
    arguments = "budget_pacing", "--agents", "mirror_descent", "--horizons", "100,300", "--seeds", "2"
    result = adsim_(*arguments, "--set", "market.ticks=3", "--seed", "4", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout, parse_constant=pytest.fail)
    scenario = adsim.load_scenario("budget_pacing").replace({"market.ticks": 3})
    assert found == regret(scenario, ["mirror_descent"], [100, 300], seeds=2, first_seed=4).summary()


@pytest.mark.parametrize("horizons", ["100", "100:200"])
def test_one_seed_has_no_intervals_and_prints_no_nan(horizons: str, tmp_path: Path) -> None:
    arguments = "return_on_spend", "--agents", "ros,oracle", "--horizons", horizons, "--seeds", "1"
    result = adsim_(*arguments, "--out", str(tmp_path))
    assert result.exit_code == 0, result.stderr
    assert "nan" not in result.stdout.lower()
    rows = json.loads(adsim_(*arguments, "--json").stdout, parse_constant=pytest.fail)["table"]
    assert all(row["low"] is None and row["mean"] is not None for row in rows)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["return_on_spend", "--set", "campaigns.0.count=2"], "one campaign"),
        (["return_on_spend", "--agents", "ros:unit"], "ros:unit"),
        (["return_on_spend", "--agents", ","], "name one agent"),
        (["return_on_spend", "--agents", "mirror_descent"], "budget"),
        (["return_on_spend", "--horizons", "5:1"], "--horizons 5:1"),
        (["budget_adversarial", "--set", "phases.cycles=20", "--horizons", "10"], "phases.cycles = 20"),
    ],
)
def test_the_command_refuses_in_one_line(arguments: list[str], words: str) -> None:
    result = adsim_(*arguments, "--seeds", "1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr


# the figure


@pytest.mark.parametrize(
    ("agents", "horizons", "seeds", "panel"),
    [
        (["oracle"], [100], 1, "share of the hindsight optimum"),
        (["oracle", "coupled:coupling=min:unit=1"], [100, 200, 400], 3, "share of the hindsight optimum"),
        (["fixed:multiplier=9.0", "oracle"], [100, 200], 2, "constraint violation"),
        (["fixed:multiplier=9.0"], [100], 1, "constraint violation"),
        ([f"fixed:multiplier=0.{tenth}" for tenth in range(1, 9)], [100, 200], 2, "share of the hindsight optimum"),
    ],
)
def test_the_figure_draws_and_no_text_leaves_it(
    agents: list[str], horizons: list[int], seeds: int, panel: str
) -> None:
    figure = regret_figures.regret(regret(make(), agents, horizons, seeds=seeds))
    figure.draw_without_rendering()
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[0] == "regret"
    assert titles[2] == panel
    words = " ".join(text.get_text() for axes in figure.axes for text in axes.texts)
    assert all(words.count(agent) == 1 for agent in agents)  # once, also whose regret is below 0
    tight, page = figure.get_tightbbox(), figure.bbox_inches
    assert tight.x0 > -0.02
    assert tight.y0 > -0.02
    assert tight.x1 < page.x1 + 0.02
    assert tight.y1 < page.y1 + 0.02
