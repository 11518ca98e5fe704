"""``adsim train ctr``: click predictors from a recorded log."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from adsim.cli import console
from adsim.cli.options import Json, Out, checked_folder, split
from adsim.cli.saving import save, saved
from adsim.cli.train import trainer

if TYPE_CHECKING:
    from adsim.experiments.prediction.ctr_training import Trained

COLUMNS = {
    "auc": "AUC",
    "log_loss": "log loss",
    "normalized_entropy": "NE",
    "calibration": "calibration",
    "calibration_error": "ECE",
}


@trainer.command(name="ctr")
def train_ctr_(
    log: Annotated[Path, typer.Option(metavar="FILE", help="Impressions with features and clicks.")],
    test: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Impressions to judge by; the log's last fifth unless given.")
    ] = None,
    clicks: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Click log that belongs to raw impressions.")
    ] = None,
    models: Annotated[str, typer.Option(metavar="X,Y:KEY=VALUE", help="Learners.")] = "constant,ftrl,fm,fwfm",
    seed: Annotated[int, typer.Option(help="Of initial weights.")] = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Fit click predictors to a log; --out keeps them, and the test log with their predictions, for a replay."""
    from adsim.experiments.prediction.ctr_training import train_ctr
    from adsim.logs import theta

    folder = checked_folder(out)
    with console.progress("fits") as progress:
        found = train_ctr(log, split(models), test=test, clicks=clicks, seed=seed, progress=progress)
    if folder:
        save(folder, {"table": found.table}, {}, {"log": str(log), "sizes": found.sizes, "seed": seed})
        for name, learner in found.learners.items():
            file = name.replace(":", "-").replace("=", "-").replace("/", "-")
            learner.save(folder / f"{file}.npz")
            pctr = found.predictions[name]
            theta.write(folder / f"{file}.theta.txt.gz", found.test.click.astype(int), found.test.price, pctr)
    if as_json:
        console.print_json(**found.summary())
    else:
        console.show(_table(found), *_notes(found), *saved(folder))


def _table(found: "Trained") -> Table:
    sizes = found.sizes
    title = (
        f"{sizes['test_impressions']:,} test impressions, {sizes['test_clicks']:,} clicks, after "
        f"{sizes['training_impressions']:,} impressions with {sizes['training_clicks']:,}"
    )
    table = console.grid(title, ["model", *COLUMNS.values()])
    for row in found.table.to_dict("records"):
        table.add_row(str(row["model"]), *(console.number(row[name]) for name in COLUMNS))
    return table


def _notes(found: "Trained") -> list[str]:
    """What a reader must know before trusting the table."""
    notes = ["NE: log loss over that of the mean rate; calibration: predicted over observed clicks."]
    few = found.sizes["test_clicks"]
    if few < 100:
        notes.append(f"{few} clicks tell predictors hardly apart.")
    return notes
