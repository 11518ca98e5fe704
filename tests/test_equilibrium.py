"""Markets in which everyone adapts: outcomes against naive programs and sums, and multipliers that settle."""

import json
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from scipy import optimize
from typer.testing import CliRunner, Result

import adsim
from adsim.cli.app import app
from adsim.errors import AdsimError
from adsim.experiments.equilibrium import figures as equilibrium_figures
from adsim.experiments.equilibrium.equilibrium import METRICS, Equilibrium, equilibrium
from adsim.experiments.equilibrium.pacing_equilibrium import first_price_pacing_equilibrium
from adsim.experiments.statistics import estimate
from adsim.market.market import Market
from adsim.market.markets import Markets
from adsim.market.reveal import true_values
from adsim.market.scenario import Scenario, read_scenario
from adsim.types import Floats


def between(low: float, high: float) -> dict[str, Any]:
    return {"distribution": "uniform", "low": low, "high": high}


CONTEXTUAL: dict[str, Any] = {"source": "contextual", "ctr": between(0.2, 0.6), "cvr": 0.5, "ctr_noise": 0.4}
INDEPENDENT: dict[str, Any] = {"source": "independent", "value": between(0.0, 1.0)}
PACED: dict[str, Any] = {
    "count": 3,
    "agent": "adaptive_pacing",
    "objective": "utility",
    "value": between(0.5, 1.5),
    "budget": between(5.0, 20.0),
}
TARGETED: dict[str, Any] = {
    "name": "targeted",
    "count": 2,
    "agent": "coupled",
    "value": between(0.5, 2.0),
    "budget": between(3.0, 9.0),
    "target_roi": between(1.0, 2.0),
}


def make(*campaigns: dict[str, Any], opportunities: int = 60, **tables: Any) -> Scenario:
    """A small market by expected outcomes."""
    given = {
        "name": "small",
        "market": {"ticks": 10, "opportunities": opportunities, "outcomes": "expected"},
        "auction": {"mechanism": "first_price"},
        "traffic": INDEPENDENT,
        "campaigns": list(campaigns or (PACED,)),
    }
    return read_scenario(given | tables, "small")


def values_of(scenario: Scenario, seed: int) -> Floats:
    markets = Markets(scenario, [seed])
    markets.open()
    return true_values(markets)


KINDS: dict[str, Scenario] = {
    "independent": make(),
    "contextual": make(PACED, TARGETED, traffic=CONTEXTUAL),
    "basket": make(PACED, traffic=CONTEXTUAL | {"basket": 0.5, "cvr_noise": 0.3}),
    "slots": make(TARGETED, PACED, auction={"mechanism": "vcg", "exposure": [1.0, 0.5, 0.25]}),
    "clicks": make(TARGETED, traffic=CONTEXTUAL, auction={"mechanism": "gsp", "slots": 2, "charge": "click"}),
    "phases": make(PACED, phases={"cycles": 2, "value": [1.0, 0.0, 3.0]}),
}


# true values and the best liquid welfare


@pytest.mark.parametrize("kind", KINDS)
def test_true_values_of_wins_sum_to_what_the_market_books(kind: str) -> None:
    scenario = KINDS[kind]
    result, values = Market(scenario, 2).run(events=True), values_of(scenario, 2)
    won = np.zeros(scenario.size)
    for event in result.events.itertuples():
        won[event.winner] += scenario.auction.slot_exposure[event.slot] * values[event.opportunity, event.winner]
    assert (won > 0).any()
    np.testing.assert_allclose(won, result.totals.value, rtol=1e-9)


def assigned(values: Floats, budget: Floats, target: Floats, exposure: tuple[float, ...]) -> float:
    """The best liquid welfare by a program with a share for every opportunity, campaign and slot.

    A campaign has one slot of an opportunity at most, a slot one campaign; liquid values are variables, too.
    """
    (opportunities, campaigns), slots = values.shape, len(exposure)
    shares = opportunities * campaigns * slots
    place = np.arange(shares).reshape(opportunities, campaigns, slots)
    rows, limits = [], []

    def limit(coefficients: dict[int, float], bound: float) -> None:
        row = np.zeros(shares + campaigns)
        row[list(coefficients)] = list(coefficients.values())
        rows.append(row)
        limits.append(bound)

    for t in range(opportunities):
        for k in range(slots):
            limit({place[t, i, k]: 1.0 for i in range(campaigns)}, 1.0)
        for i in range(campaigns):
            limit({place[t, i, k]: 1.0 for k in range(slots)}, 1.0)
    for i in range(campaigns):
        worth = values[:, i, None] * np.array(exposure) / (target[i] or 1.0)
        limit({shares + i: 1.0} | dict(zip(place[:, i].ravel(), -worth.ravel(), strict=True)), 0.0)
    bounds = [(0, None)] * shares + [(0, b if np.isfinite(b) else None) for b in budget]
    gains = np.concatenate([np.zeros(shares), np.ones(campaigns)])
    return float(-optimize.linprog(-gains, A_ub=np.array(rows), b_ub=limits, bounds=bounds, method="highs").fun)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_those_of_markets_played_one_by_one(kind: str) -> None:
    scenario = KINDS[kind].over(40)
    found = equilibrium(scenario, seeds=2)
    usual = (
        ["first_price", "gsp", "vcg"] if len(scenario.auction.slot_exposure) > 1 else ["first_price", "second_price"]
    )
    assert found.mechanisms == usual
    assert found.runs[["mechanism", "seed"]].to_numpy().tolist() == [
        [name, seed] for seed in (0, 1) for name in usual
    ]
    for row in found.runs.itertuples():
        result = Market(scenario.replace({"auction.mechanism": row.mechanism}), row.seed).run()
        own, totals = result.constraints, result.totals
        values = values_of(scenario, row.seed)
        best = assigned(values, own.budget, own.target_roi, scenario.auction.slot_exposure)
        liquid = sum(
            min(b, v / (target or 1.0)) for b, v, target in zip(own.budget, totals.value, own.target_roi, strict=True)
        )
        settled = result.multipliers[5:9]
        due = own.target_roi * totals.spend
        shortfall = np.maximum(due - totals.value, 0).sum() / due.sum() if due.any() else np.nan
        distance = np.nan
        if row.mechanism == "first_price" and not own.maximizes_value.any():
            known = first_price_pacing_equilibrium(values, own.budget).multiplier
            distance = np.mean(np.abs(settled.mean(axis=0) - known) / known)
        expected = {
            "optimum": best,
            "liquid_welfare": liquid,
            "welfare_share": liquid / best,
            "anarchy": best / liquid,
            "revenue_share": totals.spend.sum() / best,
            "roi_shortfall": shortfall,
            "unrest": np.mean([np.std(path) / np.mean(path) for path in settled.T]),
            "distance": distance,
        }
        assert {name: getattr(row, name) for name in expected} == pytest.approx(expected, rel=1e-6, nan_ok=True)
        assert (row.horizon, row.exact) == (40, True)
        assert row.welfare_share <= 1 + 1e-9


def test_tables_are_those_of_the_runs() -> None:
    found = equilibrium(make(TARGETED), horizons=[80, 40], seeds=3)
    assert found.horizons == [40, 80]
    assert set(found.table["metric"]) == set(METRICS) - {"distance"}  # it is not known for value maximizers
    for row in found.table.itertuples():
        cell = found.runs.query("mechanism == @row.mechanism and horizon == @row.horizon")[row.metric]
        assert len(cell) == 3
        assert (row.mean, row.low, row.high) == pytest.approx(estimate(cell), rel=1e-12)
    json.dumps(found.summary(), allow_nan=False)


def test_paths_are_multipliers_of_the_first_seed_at_the_longest_horizon() -> None:
    scenario = make()
    found = equilibrium(scenario, mechanisms=["first_price"], horizons=[50, 100], seeds=2, first_seed=4)
    result = Market(scenario.over(100), 4).run()
    assert found.paths["multiplier"].tolist() == result.ticks["multiplier"].tolist()
    assert found.paths["campaign"].tolist() == result.ticks["campaign"].tolist()
    np.testing.assert_allclose(found.paths["time"], np.repeat(np.arange(1, 11) / 10, 3))
    known = first_price_pacing_equilibrium(values_of(scenario.over(100), 4), result.constraints.budget).multiplier
    np.testing.assert_allclose(found.paths["equilibrium"], np.tile(known, 10))


def test_processes_change_no_bit() -> None:
    one, two = (equilibrium(make(), horizons=[30, 60], seeds=2, workers=workers) for workers in (1, 2))
    for name in ("runs", "table", "paths"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(two, name), check_exact=True)


def test_one_agent_can_bid_for_all() -> None:
    found = equilibrium(make(PACED, TARGETED), agent="fixed:multiplier=0.5", mechanisms=["second_price"], seeds=1)
    assert set(found.paths["multiplier"]) == {0.5}
    assert found.runs["unrest"].tolist() == [0.0]
    assert found.scenario == make(PACED, TARGETED)


def test_large_markets_are_held_against_a_bound() -> None:
    scenario = make(PACED | {"count": 20}, TARGETED | {"budget": 500.0}, opportunities=5000)
    run = equilibrium(scenario, mechanisms=["vcg"], seeds=1).runs.iloc[0]
    assert not run["exact"]
    assert 0.5 < run["welfare_share"] <= 1
    assert run["anarchy"] == pytest.approx(1 / run["welfare_share"])


def test_a_market_that_sells_nothing_reaches_nothing() -> None:
    found = equilibrium(make(auction={"mechanism": "first_price", "reserve": 50.0}), seeds=2)
    assert (found.runs["welfare_share"] == 0).all()
    assert found.runs["anarchy"].isna().all()
    assert "anarchy" not in set(found.table["metric"])
    json.dumps(found.summary(), allow_nan=False)


# the first-price pacing equilibrium


@pytest.mark.parametrize("exposure", [1.0, 0.5])
def test_a_market_at_the_equilibriums_multipliers_stays_there(exposure: float) -> None:
    auction = {"mechanism": "first_price", "exposure": [exposure]}
    alike = {"objective": "utility", "value": 1.0}
    budgets = [60.0 * exposure, 120.0 * exposure, 260.0 * exposure, 5000.0]

    def market(agents: list[str]) -> Scenario:
        tables = [alike | {"budget": b, "agent": a} for b, a in zip(budgets, agents, strict=True)]
        return make(*tables, opportunities=1000, auction=auction)

    values = exposure * values_of(market(["truthful"] * 4), 0)
    known = first_price_pacing_equilibrium(values, budgets)
    assert known.multiplier[0] < known.multiplier[1] < known.multiplier[3] == 1
    scenario = market([f"fixed:multiplier={float(multiplier)!r}" for multiplier in known.multiplier])
    found = equilibrium(scenario, mechanisms=["first_price"], seeds=1).runs.iloc[0]
    assert found["distance"] < 1e-9
    assert found["unrest"] < 1e-9
    spend = Market(scenario, 0).run().totals.spend
    assert np.abs(spend - known.spend).max() <= 4 * values.max()  # who wins a tie takes all of it
    assert spend[:2] == pytest.approx(budgets[:2], rel=0.03)


def test_adaptive_pacing_comes_closer_to_the_equilibrium_over_longer_periods() -> None:
    found = equilibrium(
        adsim.load_scenario("pacing_game"), mechanisms=["first_price"], horizons=[1000, 16_000], seeds=4
    )
    runs = found.runs.pivot(index="seed", columns="horizon", values="distance")
    assert runs[16_000].mean() < 0.6 * runs[1000].mean()
    assert runs[16_000].max() < 0.1
    unrest = found.runs.groupby("horizon")["unrest"].mean()
    assert unrest[16_000] < unrest[1000]


def test_the_equilibrium_is_known_only_where_it_is_that_of_the_market() -> None:
    other: dict[str, dict[str, Any]] = {
        "values": {"campaigns": [PACED | {"objective": "value"}]},
        "targets": {"campaigns": [PACED | {"target_roi": 1.0, "agent": "coupled"}]},
        "reserve": {"auction": {"mechanism": "first_price", "reserve": 0.1}},
        "slots": {"auction": {"mechanism": "first_price", "slots": 2}},
    }
    for tables in other.values():
        found = equilibrium(make(**tables) if "auction" in tables else make(*tables["campaigns"]), seeds=1)
        assert found.runs["distance"].isna().all()
        assert found.paths["equilibrium"].isna().all()
    assert equilibrium(make(), seeds=1).runs["distance"].notna().tolist() == [True, False]


# refusals


@pytest.mark.parametrize(
    ("scenario", "changes", "words"),
    [
        (make(competition={"price": 0.5}), {}, "only where several campaigns compete"),
        (make(PACED | {"count": 1}), {}, "only where several campaigns compete"),
        (make(PACED | {"stock": 5.0}), {}, "no stock"),
        (make(PACED, TARGETED | {"relative_stock": 1.0}), {}, "no stock"),
        (make(), {"mechanisms": ["first_prize"]}, "unknown mechanism 'first_prize'. Did you mean 'first_price'"),
        (make(auction={"slots": 2}), {"mechanisms": ["second_price"]}, "second_price sells one slot, not 2"),
        (make(), {"mechanisms": ["lpa"]}, "lpa"),
        (make(), {"agent": "adaptive_passing"}, "unknown agent 'adaptive_passing'"),
        (make(), {"agent": "ros"}, "first_price, seed 0: campaign 'campaign-1': ros holds a target ROI"),
        (make(), {"horizons": [100, 0]}, "0 opportunities: must be 1 or more"),
        (make(), {"seeds": 0}, "seeds = 0"),
        (make(), {"workers": 0}, "workers = 0"),
        (make(traffic=INDEPENDENT | {"value": 0.0}), {}, "seed 0: no campaign values any opportunity"),
    ],
)
def test_what_has_no_equilibrium_is_refused(scenario: Scenario, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(AdsimError, match=words) as caught:
        equilibrium(scenario, **{"seeds": 2, **changes})
    assert "\n" not in str(caught.value)


# the command


def adsim_(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["equilibrium", *arguments])


SMALL = ("pacing_game", "--set", "market.ticks=10", "--seeds", "2")


def test_the_command_saves_tables_figures_and_the_scenario(tmp_path: Path) -> None:
    result = adsim_(*SMALL, "--horizons", "100:200", "--out", str(tmp_path))
    assert result.exit_code == 0, result.stderr
    for words in ("everyone adapts, means over 2 seeds", "first_price", "second_price", f"Saved to {tmp_path}."):
        assert words in result.stdout
    assert "nan" not in result.stdout.lower()
    tables = {f"{name}.{ending}" for name in ("runs", "table", "paths") for ending in ("csv", "parquet")}
    figures = {f"{name}.{end}" for name in ("multipliers", "welfare", "convergence") for end in ("png", "svg")}
    assert {file.name for file in tmp_path.iterdir()} == tables | figures | {"run.json"}
    scenario = adsim.load_scenario("pacing_game").replace({"market.ticks": 10})
    found = equilibrium(scenario, horizons=[100, 200], seeds=2)
    for name in ("runs", "table", "paths"):
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / f"{name}.parquet"), getattr(found, name))
    assert matplotlib.image.imread(tmp_path / "convergence.png").std() > 0
    facts = json.loads((tmp_path / "run.json").read_text())
    assert (facts["seeds"], facts["horizons"]) == ([0, 1], [100, 200])


def test_the_command_prints_json() -> None:
    options = "--horizons", "100", "--mechanisms", "vcg,first_price", "--agent", "adaptive_pacing:step=2", "--json"
    result = adsim_(*SMALL, *options, "--seed", "3")
    assert result.exit_code == 0, result.stderr
    scenario = adsim.load_scenario("pacing_game").replace({"market.ticks": 10})
    agent = "adaptive_pacing:step=2"
    found = equilibrium(
        scenario, mechanisms=["vcg", "first_price"], agent=agent, horizons=[100], seeds=2, first_seed=3
    )
    assert json.loads(result.stdout, parse_constant=pytest.fail) == found.summary()


def test_one_seed_has_no_intervals_and_prints_no_nan() -> None:
    arguments = "autobidding_game", "--set", "auction.reserve=1e6", "--horizons", "100", "--seeds", "1"
    result = adsim_(*arguments)
    assert result.exit_code == 0, result.stderr
    assert "nan" not in result.stdout.lower()
    rows = json.loads(adsim_(*arguments, "--json").stdout, parse_constant=pytest.fail)["table"]
    assert all(row["low"] is None and row["mean"] is not None for row in rows)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["return_on_spend"], "several campaigns"),
        (["pacing_game", "--mechanisms", "vgc"], "vcg"),
        (["pacing_game", "--agent", "ros"], "ros holds a target ROI"),
        (["pacing_game", "--horizons", "1:x"], "--horizons 1:x"),
    ],
)
def test_the_command_refuses_in_one_line(arguments: list[str], words: str) -> None:
    result = adsim_(*arguments, "--seeds", "1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr


# figures


@pytest.mark.parametrize(
    ("scenario", "options", "names"),
    [
        (make(), {"seeds": 1}, {"multipliers", "welfare"}),
        (make(), {"seeds": 1, "horizons": [40, 80]}, {"multipliers", "welfare", "convergence"}),
        (make(TARGETED), {"seeds": 2, "horizons": [40, 80, 160]}, {"multipliers", "welfare", "convergence"}),
        (
            make(),
            {"seeds": 2, "mechanisms": ["vcg"], "horizons": [40, 80]},
            {"multipliers", "welfare", "convergence"},
        ),
        (
            make(),
            {"seeds": 2, "agent": "truthful", "mechanisms": ["vcg"], "horizons": [40, 80]},
            {"multipliers", "welfare"},
        ),
        (make(TARGETED, auction={"slots": 2}), {"seeds": 2}, {"multipliers", "welfare"}),
        (make(name="a_name_of_some_length"), {"seeds": 2, "mechanisms": ["first_price"]}, {"multipliers", "welfare"}),
        (make(), {"seeds": 1, "agent": "throttling"}, {"multipliers", "welfare"}),  # multipliers are 0 at times
    ],
)
def test_figures_draw_and_no_text_leaves_them(scenario: Scenario, options: dict[str, Any], names: set[str]) -> None:
    found: Equilibrium = equilibrium(scenario, **options)
    figures = equilibrium_figures.of_equilibrium(found)
    assert set(figures) == names
    for figure in figures.values():
        assert "1 markets" not in figure.get_supxlabel()
        figure.draw_without_rendering()
        assert all(axes.get_title(loc="left") for axes in figure.axes)
        tight, page = figure.get_tightbbox(), figure.bbox_inches
        assert tight.x0 > -0.02
        assert tight.y0 > -0.02
        assert tight.x1 < page.x1 + 0.02
        assert tight.y1 < page.y1 + 0.02
