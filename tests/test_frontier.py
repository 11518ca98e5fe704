"""Mechanisms at their best against the optimum: rows by a naive market, optima by a program, the command, figures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import optimize
from typer.testing import CliRunner, Result

import adsim
from adsim.cli.app import app
from adsim.errors import AdsimError
from adsim.experiments.frontier import figures as frontier_figures
from adsim.experiments.frontier.frontier import METRICS, Frontier, delivered, frontier
from adsim.experiments.optimum.best_responses import best_responses, settle
from adsim.experiments.optimum.weighted_optimum import weighted_optimum
from adsim.experiments.optimum.whole_period import WholePeriod
from adsim.experiments.statistics import difference, estimate
from adsim.market.markets import Markets
from adsim.market.reveal import Pairs, true_pairs
from adsim.market.scenario import Scenario
from adsim.types import Constraints, Floats, Totals

SMALL = {"market.opportunities": 500, "market.ticks": 10, "campaigns.0.count": 5, "predictor": {"kind": "oracle"}}
BETAS, STOCKS = (0.0, 1.0), (0.5, 2.0)


def make(**changes: Any) -> Scenario:
    """Five sellers; keys as paths, dots as two underscores."""
    return adsim.load_scenario("quanzhantui").replace(
        SMALL | {key.replace("__", "."): value for key, value in changes.items()}
    )


@pytest.fixture(scope="module")
def found() -> Frontier:
    return frontier(make(), betas=BETAS, stocks=STOCKS, seeds=3)


def variant(mechanism: str, beta: float, factor: float) -> Scenario:
    stock = {"distribution": "uniform", "low": 0.6 * factor, "high": 7.5 * factor}
    return make(auction__mechanism=mechanism, auction__beta=beta, campaigns__0__relative_stock=stock)


def truth(scenario: Scenario, seed: int) -> tuple[Pairs, Constraints]:
    markets = Markets(scenario, [seed])
    markets.open()
    return true_pairs(markets), Constraints._make(row[0] for row in markets.campaigns.constraints)


def played(scenario: Scenario, pairs: Pairs, own: Constraints, multiplier: Floats) -> dict[str, float]:
    """One slot, highest score first, who is sold out leaves; the last sale is cut to the stock."""
    beta, mechanism = scenario.auction.beta, scenario.auction.mechanism
    bids = multiplier * pairs.value
    sold, wins, spend = np.zeros(bids.shape[1]), np.zeros(bids.shape), np.zeros(bids.shape[1])
    for t, row in enumerate(bids + beta * pairs.experience):
        here = np.where((sold < own.stock) & (row >= 0), row, -np.inf)
        order = np.argsort(-here, kind="stable")
        if here[order[0]] > -np.inf:
            i, rest = order[0], max(here[order[1]], 0.0)
            wins[t, i] = 1
            sold[i] += pairs.conversions[t, i]
            second = max(rest - beta * pairs.experience[t, i], 0.0)
            charges = {
                "first_price": bids[t, i],
                "second_price": second,
                "lpa": pairs.value[t, i] / own.target_roi[i],
            }
            spend[i] += charges[mechanism]
    kept = np.minimum(1, own.stock / np.maximum(sold, 1e-300))
    liquid = float((kept * (wins * pairs.value).sum(axis=0) / own.target_roi).sum())
    experience = float((kept * (wins * pairs.experience).sum(axis=0)).sum())
    return {
        "liquid_welfare": liquid,
        "user_experience": experience,
        "weighted_objective": liquid + beta * experience,
        "revenue": float(kept @ spend),
        "sales": float(kept @ (wins * pairs.value).sum(axis=0)),
        "stock_use": float((kept * sold / own.stock).mean()),
    }


# rows


@pytest.mark.parametrize("mechanism", ["lpa", "first_price", "second_price"])
@pytest.mark.parametrize(("beta", "factor"), [(1.0, 0.5), (0.0, 2.0), (1.0, 2.0)])
def test_rows_are_those_of_a_naive_market_at_the_calibrated_multipliers(
    found: Frontier, mechanism: str, beta: float, factor: float
) -> None:
    scenario = variant(mechanism, beta, factor)
    pairs, own = truth(scenario, 1)
    naive = played(scenario, pairs, own, settle(scenario, 1).calibration.multiplier)
    rows = found.runs.query("mechanism == @mechanism and beta == @beta and stocks == @factor and seed == 1")
    for metric, value in naive.items():
        assert rows[metric].item() == pytest.approx(value, rel=2e-3), metric


def test_optima_are_those_of_a_program(found: Frontier) -> None:
    rows: Any = found.optima.query("seed == 0").itertuples()
    for row in rows:
        pairs, own = truth(variant("lpa", row.beta, row.stocks), 0)
        gain = pairs.value / own.target_roi + row.beta * pairs.experience
        size = gain.shape
        sellers = np.kron(np.ones(size[0]), np.eye(size[1])) * pairs.conversions.ravel()
        slots = np.kron(np.eye(size[0]), np.ones(size[1]))
        limits = np.concatenate([own.stock, np.ones(size[0])])
        best: Any = optimize.linprog(-gain.ravel(), A_ub=np.vstack([sellers, slots]), b_ub=limits, method="highs")
        assert row.weighted_objective == pytest.approx(-best.fun, rel=1e-6)
        assert row.liquid_welfare + row.beta * row.user_experience == pytest.approx(-best.fun, rel=1e-6)


def test_no_mechanism_exceeds_the_optimum_and_lpa_and_first_price_come_near(found: Frontier) -> None:
    assert (found.runs["objective_share"] <= 1 + 1e-6).all()
    shares = found.runs.groupby("mechanism")["objective_share"].min()
    assert shares["lpa"] > 0.97
    assert shares["first_price"] > 0.97
    assert shares["split"] < 0.9


def test_lpa_with_exact_duals_makes_the_optimum_but_for_an_opportunity_a_seller() -> None:
    scenario = variant("lpa", 1.0, 1.0)
    for seed in range(3):
        pairs, own = truth(scenario, seed)
        best = weighted_optimum(scenario, seed)
        made = played(scenario, pairs, own, 1 / own.target_roi - best.dual)
        assert 0.98 * best.objective < made["weighted_objective"] <= best.objective * (1 + 1e-6)


def test_under_lpa_revenue_is_liquid_welfare_and_all_targets_are_kept(found: Frontier) -> None:
    rows = found.runs.query("mechanism == 'lpa'")
    np.testing.assert_allclose(rows["revenue"], rows["liquid_welfare"], rtol=1e-6)
    assert (rows["roi_kept"] == 1).all()


def test_the_optimum_trades_liquid_welfare_for_experience_as_beta_grows(found: Frontier) -> None:
    for _, rows in found.optima.groupby(["stocks", "seed"]):
        assert rows["liquid_welfare"].is_monotonic_decreasing
        assert rows["user_experience"].is_monotonic_increasing
    more = found.optima.pivot_table("weighted_objective", ["beta", "seed"], "stocks")
    assert (more[2.0] >= more[0.5]).all()


def test_split_traffic_does_not_depend_on_beta(found: Frontier) -> None:
    rows: Any = found.runs.query("mechanism == 'split'").set_index("beta")
    for metric in ("liquid_welfare", "user_experience", "revenue"):
        np.testing.assert_array_equal(rows.loc[0.0, metric], rows.loc[1.0, metric])


def test_converged_rows_are_those_whose_sellers_are_all_at_rest(found: Frontier) -> None:
    scenario = variant("second_price", 1.0, 2.0)
    at = settle(scenario, 1).calibration
    best = best_responses(WholePeriod(scenario, 1), "second_price", at.multiplier, at.leaving)
    row = found.runs.query("mechanism == 'second_price' and beta == 1 and stocks == 2 and seed == 1")
    assert row["converged"].item() == best.at_rest.all()
    assert row["missed_share"].item() == pytest.approx(best.missed.sum() / best.sales.sum())
    assert found.runs["converged"].mean() > 0.9


def test_stocks_in_sales_value_are_scaled_too() -> None:
    changes = {"campaigns__0__relative_stock": None, "campaigns__0__stock_value": 3.0}
    scaled = frontier(make(**changes), betas=[0.0], stocks=[1, 4], mechanisms=["lpa"], seeds=1)
    scarce, plenty = scaled.optima["liquid_welfare"]
    assert plenty > 2 * scarce


def test_what_is_sold_beyond_a_stock_is_given_up_in_proportion() -> None:
    sold = np.array([0.0, 5.0, 20.0, 3.0])
    totals = Totals(*(sold * factor for factor in (4, 4, 2, 1, 10, 11, 8, 0.5)))
    own = Constraints(
        np.full(4, 10.0),
        np.ones(4, bool),
        np.full(4, np.inf),
        np.ones(4),
        np.array([0.0, 10.0, 5.0, np.inf]),
        np.zeros(4),
    )
    kept = delivered(own, totals)
    np.testing.assert_allclose(kept.conversions, [0.0, 5.0, 5.0, 3.0])
    np.testing.assert_allclose(kept.experience, kept.conversions / 2)
    np.testing.assert_allclose(kept.spend, kept.conversions * 8)


# tables


def test_means_and_paired_differences_are_those_of_the_runs(found: Frontier) -> None:
    assert set(found.table["metric"]) == set(METRICS)
    assert len(found.table) == 4 * len(METRICS) * 4
    cell = found.runs.query("beta == 1 and stocks == 2")
    ours, base = (cell.query("mechanism == @name")["objective_share"] for name in ("second_price", "lpa"))
    where = "beta == 1 and stocks == 2 and mechanism == 'second_price' and metric == 'objective_share'"
    mean, gap = found.table.query(where).iloc[0], found.differences.query(where).iloc[0]
    assert tuple(mean[["mean", "low", "high"]]) == estimate(ours)
    assert tuple(gap[["mean", "low", "high"]]) == difference(ours, base)
    assert gap["excludes_zero"] == difference(ours, base).excludes_zero
    assert "lpa" not in set(found.differences["mechanism"])


def test_workers_change_nothing() -> None:
    one, two = (
        frontier(make(market__opportunities=100), betas=[1.0, 0.5], stocks=[1], seeds=1, workers=workers)
        for workers in (1, 2)
    )
    for name in ("runs", "optima", "table", "differences"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(two, name))


def test_several_slots_take_gsp_and_vcg() -> None:
    several = frontier(make(auction__slots=2, market__opportunities=200), betas=[0.5], stocks=[1], seeds=1)
    assert several.mechanisms == ["lpa", "first_price", "gsp", "vcg", "split"]
    assert (several.runs["objective_share"] <= 1 + 1e-6).all()


def test_with_one_slot_second_price_gsp_and_vcg_are_one_auction() -> None:
    names = ["second_price", "gsp", "vcg"]
    same = frontier(make(), betas=[0.5], stocks=[1], mechanisms=names, seeds=1).runs[list(METRICS)].to_numpy(float)
    np.testing.assert_array_equal(same[1:], same[:-1])


@pytest.mark.parametrize(
    ("scenario", "options", "words"),
    [
        ("quanzhantui", {"betas": [-1.0]}, "betas = [-1.0]"),
        ("quanzhantui", {"betas": []}, "betas = []"),
        ("quanzhantui", {"stocks": [0.0]}, "stocks = [0.0]"),
        ("quanzhantui", {"mechanisms": ["lap"]}, "unknown mechanism 'lap'. Did you mean 'lpa'"),
        ("quanzhantui", {"mechanisms": []}, "name one mechanism"),
        ("quanzhantui", {"seeds": 0}, "seeds = 0"),
        ("quanzhantui", {"workers": 0}, "workers = 0"),
        ("autobidding_game", {}, "traffic.experience is missing"),
    ],
)
def test_what_has_no_frontier_is_refused(scenario: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(AdsimError) as caught:
        frontier(adsim.load_scenario(scenario), **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


# the command


def adsim_(*arguments: str) -> Result:
    sizes = ("market.opportunities=500", "market.ticks=10", "campaigns.0.count=5")
    changes = [part for size in sizes for part in ("--set", size)]
    return CliRunner().invoke(app, ["frontier", "quanzhantui", *changes, *arguments])


def test_the_command_saves_tables_figures_and_the_scenario(tmp_path: Path) -> None:
    result = adsim_("--betas", "0,1", "--stocks", "1", "--seeds", "2", "--out", str(tmp_path))
    assert result.exit_code == 0, result.stderr
    for words in ("means over 2 seeds", "calibrations did not converge", "one auction", f"Saved to {tmp_path}."):
        assert words in result.stdout
    assert "nan" not in result.stdout.lower()
    names = ("runs", "optima", "table", "differences")
    tables = {f"{name}.{ending}" for name in names for ending in ("csv", "parquet")}
    figures = {f"{name}.{end}" for name in ("pareto", "verdict") for end in ("png", "svg")}
    assert {file.name for file in tmp_path.iterdir()} == tables | figures | {"run.json"}
    assert json.loads((tmp_path / "run.json").read_text())["betas"] == [0, 1]


def test_the_command_prints_json_and_one_seed_has_no_intervals() -> None:
    result = adsim_("--betas", "0.5", "--stocks", "1", "--seeds", "1", "--mechanisms", "split,lpa", "--json")
    assert result.exit_code == 0, result.stderr
    summary = json.loads(result.stdout, parse_constant=pytest.fail)
    assert (summary["baseline"], summary["mechanisms"], summary["betas"]) == ("lpa", ["split", "lpa"], [0.5])
    assert all(row["low"] is None for row in summary["table"])


def test_the_command_refuses_in_one_line() -> None:
    for arguments, words in ((["--betas", "0,x"], "--betas 0,x"), (["--stocks", "0"], "stocks = [0.0]")):
        result = adsim_(*arguments)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
        assert words in result.stderr


# figures


def test_figures_draw_and_no_text_leaves_them(found: Frontier) -> None:
    one = frontier(make(), betas=[1.0], stocks=[1], mechanisms=["lpa"], seeds=1)
    figures = [*frontier_figures.of_frontier(found).items(), *frontier_figures.of_frontier(one).items()]
    assert [name for name, _ in figures] == ["pareto", "verdict", "pareto"]
    for _, figure in figures:
        figure.draw_without_rendering()
        tight, page = figure.get_tightbbox(), figure.bbox_inches
        assert tight.x0 > -0.02
        assert tight.y0 > -0.02
        assert tight.x1 < page.x1 + 0.02
        assert tight.y1 < page.y1 + 0.02


def test_relative_points_are_means_over_seeds_of_shares_of_the_first_optimum(found: Frontier) -> None:
    points: Any = frontier_figures.relative(found).set_index(["stocks", "beta", "mechanism"])
    np.testing.assert_allclose(points.xs("optimum", level="mechanism").xs(0.0, level="beta"), 1)
    ours = found.runs.query("mechanism == 'lpa' and beta == 1 and stocks == 2")["liquid_welfare"].to_numpy()
    base = found.optima.query("beta == 0 and stocks == 2")["liquid_welfare"].to_numpy()
    assert points.loc[(2.0, 1.0, "lpa"), "liquid_welfare"] == pytest.approx((ours / base).mean())
