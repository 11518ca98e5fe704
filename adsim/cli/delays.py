"""``adsim delays``: learning from conversions that come late."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from adsim.cli import console
from adsim.cli.app import app
from adsim.cli.options import Changes, Json, Out, Seed, Seeds, Workers, checked_folder, chosen_scenario, split
from adsim.cli.saving import save, saved

if TYPE_CHECKING:
    from adsim.experiments.prediction.delay_study import Delays


@app.command(name="delays")
def delays_(
    world: Annotated[str, typer.Argument(metavar="WORLD", help="A scenario with a click world.")] = "click_delayed",
    methods: Annotated[
        str | None, typer.Option(metavar="A,B", help="What is learned when; all ways unless given.")
    ] = None,
    learner: Annotated[
        str, typer.Option(metavar="X:KEY=VALUE", help="What learns.")
    ] = "ftrl:history=false:alpha=0.05",
    opportunities: Annotated[int, typer.Option(help="Of the period; some are clicked.")] = 1_000_000,
    seed: Seed = 0,
    seeds: Seeds = 5,
    changes: Changes = [],  # noqa: B006
    workers: Workers = 1,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Learn conversion rates hour by hour, while conversions are still to come."""
    from adsim.experiments.prediction import conversion_figures
    from adsim.experiments.prediction.delay_study import METHODS, delays

    folder, scenario = checked_folder(out), chosen_scenario(world, changes)
    with console.progress("streams") as progress:
        found = delays(
            scenario,
            tuple(METHODS) if methods is None else split(methods),
            learner=learner,
            opportunities=opportunities,
            seeds=seeds,
            first_seed=seed,
            workers=workers,
            progress=progress,
        )
    if folder:
        tables = {name: getattr(found, name) for name in ("runs", "table", "days")}
        facts = {"scenario": scenario.model_dump(mode="json"), "seeds": found.seeds, "opportunities": opportunities}
        save(folder, tables, {"delays": conversion_figures.delays(found)}, facts)
    if as_json:
        console.print_json(**found.summary())
    else:
        console.show(_table(found), _note(), *saved(folder))


def _table(found: "Delays") -> Table:
    """A row per method: means with their intervals."""
    title = f"{found.scenario.name}: clicks of the second half, means over {console.count(len(found.seeds), 'seed')}"
    headings = ["AUC", "95 % interval", "log loss", "95 % interval", "calibration", "95 % interval"]
    table = console.grid(title, ["method", *headings])
    for method, cell in found.table.groupby("method", sort=False):
        table.add_row(str(method), *(part for row in cell.to_dict("records") for part in console.mean(row)))
    return table


def _note() -> str:
    """What the rows are."""
    return "known: final labels at the click, which nobody has. Calibration: predicted over observed."
