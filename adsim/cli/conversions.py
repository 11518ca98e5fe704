"""``adsim conversions``: post-click conversion, learned from clicks or from all impressions."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from adsim.cli import console
from adsim.cli.app import app
from adsim.cli.options import Changes, Json, Out, Seed, Seeds, Workers, checked_folder, chosen_scenario, split
from adsim.cli.saving import save, saved

if TYPE_CHECKING:
    from adsim.experiments.prediction.conversion_study import Conversions

COLUMNS = {
    "calibration": "calibration",
    "cvr_auc_clicked": "AUC, clicks",
    "calibration_clicked": "calibration, clicks",
    "ctcvr_auc": "AUC of pCTCVR",
}


@app.command(name="conversions")
def conversions_(
    world: Annotated[
        str, typer.Argument(metavar="WORLD", help="A scenario with a click world.")
    ] = "click_conversions",
    methods: Annotated[
        str | None, typer.Option(metavar="A,B", help="Ways to learn conversions; all unless given.")
    ] = None,
    impressions: Annotated[int, typer.Option(help="Length of the log.")] = 200_000,
    seed: Seed = 0,
    seeds: Seeds = 5,
    changes: Changes = [],  # noqa: B006
    workers: Workers = 1,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Learn which clicks convert, and test it on all impressions."""
    from adsim.experiments.prediction import conversion_figures
    from adsim.experiments.prediction.conversion_study import METHODS, conversions

    folder, scenario = checked_folder(out), chosen_scenario(world, changes)
    with console.progress("fits") as progress:
        found = conversions(
            scenario,
            tuple(METHODS) if methods is None else split(methods),
            impressions=impressions,
            seeds=seeds,
            first_seed=seed,
            workers=workers,
            progress=progress,
        )
    if folder:
        tables = {name: getattr(found, name) for name in ("runs", "table", "differences")}
        facts = {"scenario": scenario.model_dump(mode="json"), "seeds": found.seeds, "impressions": impressions}
        save(folder, tables, {"conversions": conversion_figures.conversions(found)}, facts)
    if as_json:
        console.print_json(**found.summary())
    else:
        console.show(_table(found), _note(), *saved(folder))


def _table(found: "Conversions") -> Table:
    """A row per method: means, and what ESMM's AUC exceeds the method's by."""
    from adsim.experiments.tables import records

    title = (
        f"{found.scenario.name}: {found.impressions:,} impressions, means over "
        f"{console.count(len(found.seeds), 'seed')}"
    )
    headings = ["method", "AUC of pCVR", "95 % interval", "ESMM's less", "95 % interval", "", *COLUMNS.values()]
    table = console.grid(title, headings)
    gains: dict[str, Any] = {row["method"]: row for row in records(found.differences) if row["metric"] == "cvr_auc"}
    for method, cell in found.table.groupby("method", sort=False):
        rows = {row["metric"]: row for row in cell.to_dict("records")}
        table.add_row(
            str(method),
            *console.mean(rows["cvr_auc"]),
            *(console.difference(gains[str(method)]) if method in gains else ["", "", ""]),
            *(console.number(rows[name]["mean"]) if name in rows else "-" for name in COLUMNS),
        )
    return table


def _note() -> str:
    """What the columns mean."""
    return "AUC and calibration (predicted over observed) on all impressions: would a click have converted?"
