"""``adsim predictors``: models on the click log of a world."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from adsim.cli import console
from adsim.cli.app import app
from adsim.cli.options import (
    Changes,
    Json,
    Out,
    Seed,
    Seeds,
    Workers,
    checked_folder,
    chosen_scenario,
    split,
)
from adsim.cli.saving import save, saved

if TYPE_CHECKING:
    from adsim.experiments.prediction.ladder import Prediction

COLUMNS = {
    "auc": "AUC",
    "log_loss": "log loss",
    "normalized_entropy": "NE",
    "calibration": "calibration",
    "calibration_error": "ECE",
    "fit_seconds": "fit s",
}


@app.command(name="predictors")
def predictors_(
    world: Annotated[str, typer.Argument(metavar="WORLD", help="A scenario with a click world.", show_default=False)],
    models: Annotated[
        str, typer.Option(metavar="X,Y:KEY=VALUE", help="Learners; others are compared with the first.")
    ] = "ftrl,fm,fwfm",
    impressions: Annotated[int, typer.Option(help="Length of the log.")] = 200_000,
    seed: Seed = 0,
    seeds: Seeds = 5,
    changes: Changes = [],  # noqa: B006
    workers: Workers = 1,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Fit click predictors to the log of a world, and test them on what came after."""
    from adsim.experiments.prediction import figures as prediction_figures
    from adsim.experiments.prediction.ladder import predict

    folder, scenario = checked_folder(out), chosen_scenario(world, changes)
    with console.progress("fits") as progress:
        found = predict(
            scenario,
            split(models),
            impressions=impressions,
            seeds=seeds,
            first_seed=seed,
            workers=workers,
            progress=progress,
        )
    if folder:
        tables = {name: getattr(found, name) for name in ("runs", "table", "differences", "reliability")}
        facts = {"scenario": scenario.model_dump(mode="json"), "seeds": found.seeds, "impressions": impressions}
        save(folder, tables, prediction_figures.of_prediction(found), facts)
    if as_json:
        console.print_json(**found.summary())
    else:
        console.show(_table(found), *_notes(found), *saved(folder))


def _table(found: "Prediction") -> Table:
    """A row per model, the oracle's last: means, and the interval and paired difference of AUC."""
    from adsim.experiments.tables import records

    title = (
        f"{found.scenario.name}: {found.impressions:,} impressions, means over "
        f"{console.count(len(found.seeds), 'seed')}"
    )
    first, *others = COLUMNS.values()
    less = f"less {found.models[0]}"
    table = console.grid(title, ["model", first, "95 % interval", less, "95 % interval", "", *others])
    table.columns[0].no_wrap, table.columns[0].overflow = False, "fold"
    gains: dict[str, Any] = {row["model"]: row for row in records(found.differences) if row["metric"] == "auc"}
    for model, cell in found.table.groupby("model", sort=False):
        rows = {row["metric"]: row for row in cell.to_dict("records")}
        gain = console.difference(gains[str(model)]) if model in gains else ["", "", ""]
        table.add_row(
            str(model),
            *console.mean(rows["auc"]),
            *gain,
            *(console.number(rows[name]["mean"]) if name in rows else "-" for name in list(COLUMNS)[1:]),
        )
    return table


def _notes(found: "Prediction") -> list[str]:
    """What the columns mean."""
    cold = found.runs["cold_share"].mean()
    notes = [
        "NE: log loss over that of the mean rate; calibration: predicted over observed clicks; ECE: mean error of "
        "predicted rates over 20 bins."
    ]
    if cold > 0:
        means = found.table[found.table["metric"] == "cold_auc"]
        parts = ", ".join(f"{row['model']} {row['mean']:.3f}" for row in means.to_dict("records"))
        notes.append(f"AUC on the {cold:.0%} of impressions whose ads had fewer than 20 before: {parts}.")
    return notes
