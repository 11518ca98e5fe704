"""``adsim tune``: an agent's parameters, searched on training markets."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from adsim.cli import console
from adsim.cli.app import app
from adsim.cli.options import (
    Changes,
    Json,
    Out,
    ScenarioName,
    SeatNames,
    Workers,
    checked_folder,
    chosen_scenario,
    seats_of,
    split,
)
from adsim.cli.saving import save, saved
from adsim.errors import AdsimError

if TYPE_CHECKING:
    from adsim.experiments.benchmark.tuning import Tuning

SHOWN = 10
"""Trials that are printed."""


@app.command(name="tune")
def tune_(
    scenario: ScenarioName,
    agent: Annotated[str, typer.Option(metavar="X:KEY=VALUE", help="Whose parameters.", show_default=False)],
    over: Annotated[
        str, typer.Option(metavar="KEY=A..B,...", help="Parameters and their ranges.", show_default=False)
    ],
    seats: SeatNames = "6",
    trials: Annotated[int, typer.Option(help="Parameters to try; the agent's own are among them.")] = 32,
    seeds: Annotated[int, typer.Option(help="Training markets of the last round.")] = 32,
    seed: Annotated[int, typer.Option(help="Of the search and the choice of training markets.")] = 0,
    held_out: Annotated[int, typer.Option(help="Unseen markets to check on in the end.")] = 50,
    changes: Changes = [],  # noqa: B006
    workers: Workers = 1,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Search for an agent's parameters on training markets, and check them on unseen ones."""
    from adsim.experiments.benchmark import figures as benchmark_figures
    from adsim.experiments.benchmark.tuning import tune
    from adsim.experiments.tables import records

    folder, market = checked_folder(out), chosen_scenario(scenario, changes)
    with console.progress("markets") as progress:
        found = tune(
            market,
            agent,
            _ranges(over),
            seats=seats_of(seats),
            trials=trials,
            seeds=seeds,
            seed=seed,
            held_out=held_out,
            workers=workers,
            progress=progress,
        )
    if folder:
        facts = {**found.facts(), "scenario": market.model_dump(mode="json")}
        tables = {"trials": found.trials, "check": found.check}
        save(folder, tables, {"trials": benchmark_figures.trials(found)}, facts)
    if as_json:
        console.print_json(**found.facts(), trials=records(found.trials), check=records(found.check))
    else:
        console.show(_table(found), *_notes(found), *saved(folder))


def _ranges(text: str) -> dict[str, tuple[float, float]]:
    """Lowest and highest value by parameter.

    >>> _ranges("proportional=0.05..1,integral=0..0.5")
    {'proportional': (0.05, 1.0), 'integral': (0.0, 0.5)}
    """
    found = {}
    for part in split(text):
        key, equals, ends = part.partition("=")
        low, dots, high = ends.partition("..")
        try:
            found[key.strip()] = float(low), float(high)
        except ValueError:
            equals = ""
        if not (key and equals and dots):
            raise AdsimError(f"--over {part}: expected KEY=LOW..HIGH, such as proportional=0.05..1.")
    return found


def _table(found: "Tuning") -> Table:
    """The best trials, by how far they got and their score; the agent as given among them."""
    order = found.trials.sort_values(["seeds", "score"], ascending=False, kind="stable", ignore_index=True)
    first = order[(order["trial"] == 0) | (order.index < SHOWN)]
    title = f"{found.scenario.name}: {found.agent} in {console.count(len(found.seats), 'seat')}"
    table = console.grid(title, ["", "training seeds", "score", "better by", "95 % interval"])
    for row in first.to_dict("records"):
        style = "bold" if row["specification"] == found.best else None
        name = f"{row['specification']} (as given)" if row["trial"] == 0 else row["specification"]
        gain = {"mean": row["gain"], "low": row["low"], "high": row["high"]}
        table.add_row(str(name), str(row["seeds"]), console.number(row["score"]), *console.mean(gain), style=style)
    return table


def _notes(found: "Tuning") -> list[str]:
    """The best, and what it brings on unseen seeds."""
    from adsim.experiments.tables import records

    (row,) = (row for row in records(found.check) if row["metric"] == "score")
    unseen = console.count(len(found.held_out), "unseen seed")
    verdict = "the interval excludes 0" if row["excludes_zero"] else "the interval holds 0"
    return [
        f"Best: {found.best}",
        f"On {unseen}: score {console.number(row['after'])} against {console.number(row['before'])}, better by "
        f"{console.number(row['mean'])} ({console.span(row)}): {verdict}.",
    ]
