"""``adsim compare``: mechanisms, agents or predictors on the same seeds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from adsim.cli import console
from adsim.cli.app import app
from adsim.cli.options import (
    Changes,
    Json,
    Out,
    ScenarioName,
    Seed,
    Seeds,
    Workers,
    checked_folder,
    chosen_scenario,
    split,
)
from adsim.cli.saving import save, saved
from adsim.errors import AdsimError

if TYPE_CHECKING:
    from adsim.experiments.comparison.compare import Comparison
    from adsim.market.scenario import Scenario

COMPARED = (
    "welfare",
    "liquid_welfare",
    "user_experience",
    "weighted_objective",
    "objective_share",
    "revenue",
    "roi_violations",
    "roi_shortfall",
    "stock_overshoot",
)
OF_PREDICTORS = (
    "welfare",
    "revenue",
    "surplus",
    "roi_violations",
    "roi_shortfall",
    "excess_log_loss",
    "calibration_all",
    "calibration",
)
NOTE = "* the interval of the difference excludes 0."
ONE_AUCTION = {"second_price", "gsp", "vcg"}
"""With one slot these are the same rule."""


@app.command(name="compare")
def compare_(
    scenario: ScenarioName,
    mechanisms: Annotated[
        str | None, typer.Option(metavar="A,B", help="Mechanisms; all that fit the scenario unless given.")
    ] = None,
    agents: Annotated[
        str | None, typer.Option(metavar="X,Y:KEY=VALUE", help="Compare agents, each bidding for every campaign.")
    ] = None,
    predictors: Annotated[
        str | None,
        typer.Option(metavar="X,Y:KEY=VALUE", help="Compare predictors, under each of the mechanisms given."),
    ] = None,
    vary: Annotated[
        Literal["mechanism", "predictor"], typer.Option(help="What to compare where no names are given.")
    ] = "mechanism",
    seed: Seed = 0,
    seeds: Seeds = 20,
    optimum: Annotated[
        bool | None,
        typer.Option(
            "--optimum/--no-optimum", help="Share of the best weighted objective; given where it takes seconds."
        ),
    ] = None,
    changes: Changes = [],  # noqa: B006
    workers: Workers = 1,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Compare mechanisms, agents or predictors on the same seeds."""
    from adsim.experiments.comparison import figures
    from adsim.experiments.comparison.compare import compare

    folder, market = checked_folder(out), chosen_scenario(scenario, changes)
    if predictors is not None or vary == "predictor":
        if agents is not None:
            raise AdsimError("--agents and predictors are both to be compared: choose one.")
        named, shown = (None if text is None else split(text) for text in (mechanisms, predictors))
        _compare_predictors(market, named, shown, seed, seeds, workers, folder, as_json)
        return
    with console.progress("markets") as progress:
        found = compare(
            market,
            mechanisms=None if mechanisms is None else split(mechanisms),
            agents=None if agents is None else split(agents),
            seeds=seeds,
            first_seed=seed,
            optimum=optimum,
            workers=workers,
            progress=progress,
        )
    if folder:
        tables = {name: getattr(found, name) for name in ("runs", "campaigns", "table", "differences")}
        facts = {"scenario": market.model_dump(mode="json"), "seeds": found.seeds, "left_out": found.left_out}
        save(folder, tables, figures.of_comparison(found), facts)
    if as_json:
        console.print_json(**found.summary())
    else:
        console.show(_comparison_table(found), *_comparison_notes(found), *saved(folder))


def _compare_predictors(
    market: "Scenario",
    mechanisms: list[str] | None,
    predictors: list[str] | None,
    seed: int,
    seeds: int,
    workers: int,
    folder: Path | None,
    as_json: bool,
) -> None:
    """What prediction errors change, a table per mechanism."""
    from adsim.experiments.comparison import prediction_error_figures
    from adsim.experiments.comparison.prediction_errors import joined, prediction_errors

    with console.progress("markets") as progress:
        found = prediction_errors(
            market,
            mechanisms=mechanisms,
            predictors=predictors,
            seeds=seeds,
            first_seed=seed,
            workers=workers,
            progress=progress,
        )
    if folder:
        tables = {name: joined(found, name) for name in ("runs", "campaigns", "table", "differences")}
        facts = {"scenario": market.model_dump(mode="json"), "seeds": next(iter(found.values())).seeds}
        save(folder, tables, {"prediction_errors": prediction_error_figures.prediction_errors(found)}, facts)
    if as_json:
        console.print_json(**{name: each.summary() for name, each in found.items()})
    else:
        console.show(*(_comparison_table(each, OF_PREDICTORS) for each in found.values()), NOTE, *saved(folder))


def _comparison_table(comparison: "Comparison", metrics: tuple[str, ...] = COMPARED) -> Table:
    """A block per metric: means of all variants, and their paired differences to the baseline."""
    summary, baseline = comparison.summary(), comparison.baseline
    means, differences = summary["variants"], summary["differences"]
    count = len(comparison.seeds)
    name, auction = comparison.scenario.name, comparison.scenario.auction.mechanism
    market = f"{name}, {auction}" if comparison.varied == "predictor" else name
    title = f"{market}: means over {count} seeds, differences to {baseline} on the same seeds"
    headings = ["", comparison.varied, "mean", "95 % interval", "difference", "95 % interval", ""]
    table = console.grid(title, headings, left=2)
    for metric in metrics:
        weightless = metric == "weighted_objective" and comparison.scenario.auction.beta == 0
        known = all(metric in means[variant] for variant in means)
        if weightless or not known or not any(means[variant][metric]["mean"] for variant in means):
            continue
        for place, variant in enumerate(means):
            row = means[variant][metric]
            cells = [console.number(row["mean"], metric), console.span(row, metric)]
            if variant != baseline:
                cells += console.difference(differences[variant][metric], metric)
            table.add_row("" if place else console.words(metric), variant, *cells)
        table.add_section()
    return table


def _comparison_notes(comparison: "Comparison") -> list[str]:
    """What else a reader must know: marks, variants that coincide, mechanisms that were left out."""
    notes = [NOTE] if len(comparison.variants) > 1 else []
    if "objective_share" in comparison.metrics:
        notes.append("objective share: of the weighted objective that no allocation exceeds, in expectation.")
    for group in _coinciding(comparison):
        why = ": with one slot they are one auction" if ONE_AUCTION.issuperset(group) else " on every seed"
        notes.append(f"{', '.join(group[:-1])} and {group[-1]} coincide{why}.")
    return notes + [f"Left out: {name} ({reason.rstrip('.')})." for name, reason in comparison.left_out.items()]


def _coinciding(comparison: "Comparison") -> list[list[str]]:
    """Groups of variants with the same results on every seed."""
    groups: dict[bytes, list[str]] = {}
    for name, rows in comparison.runs.groupby("variant", sort=False):
        groups.setdefault(rows[comparison.metrics].to_numpy().tobytes(), []).append(str(name))
    return [group for group in groups.values() if len(group) > 1]
