"""``adsim equilibrium``: markets in which all campaigns adapt at once."""

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
    Seed,
    Seeds,
    Workers,
    checked_folder,
    chosen_scenario,
    split,
)
from adsim.cli.options import horizons as spans
from adsim.cli.saving import save, saved

if TYPE_CHECKING:
    from adsim.experiments.equilibrium.equilibrium import Equilibrium

HEADINGS = {
    "welfare_share": "liquid welfare",
    "anarchy": "price of anarchy",
    "revenue_share": "revenue",
    "roi_shortfall": "ROI shortfall",
    "unrest": "unrest",
    "distance": "distance",
}


@app.command(name="equilibrium")
def equilibrium_(
    scenario: ScenarioName,
    mechanisms: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="First and second price, or for several slots first price, GSP, VCG."),
    ] = None,
    agent: Annotated[
        str | None, typer.Option(metavar="X:KEY=VALUE", help="Bids for all campaigns; else the scenario's agents do.")
    ] = None,
    horizons: Annotated[
        str | None,
        typer.Option(metavar="A:B", help="Numbers of opportunities; the scenario's unless given."),
    ] = None,
    seed: Seed = 0,
    seeds: Seeds = 10,
    changes: Changes = [],  # noqa: B006
    workers: Workers = 1,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Let all campaigns adapt at once: where they settle, and what the market loses by it."""
    from adsim.experiments.equilibrium import figures as equilibrium_figures
    from adsim.experiments.equilibrium.equilibrium import equilibrium

    folder, market = checked_folder(out), chosen_scenario(scenario, changes)
    with console.progress("markets") as progress:
        found = equilibrium(
            market,
            mechanisms=None if mechanisms is None else split(mechanisms),
            agent=agent,
            horizons=None if horizons is None else spans(horizons),
            seeds=seeds,
            first_seed=seed,
            workers=workers,
            progress=progress,
        )
    if folder:
        tables = {name: getattr(found, name) for name in ("runs", "table", "paths")}
        facts = {"scenario": market.model_dump(mode="json"), "seeds": found.seeds, "horizons": found.horizons}
        save(folder, tables, equilibrium_figures.of_equilibrium(found), facts)
    if as_json:
        console.print_json(**found.summary())
    else:
        console.show(_table(found), *_notes(found), *saved(folder))


def _table(found: "Equilibrium") -> Table:
    """A row per horizon and mechanism: means, and the interval of the share of liquid welfare."""
    headings = [*HEADINGS.values()]
    title = f"{found.scenario.name}: everyone adapts, means over {console.count(len(found.seeds), 'seed')}"
    table = console.grid(title, ["mechanism", "T", headings[0], "95 % interval", "worst", *headings[1:]])
    for mechanism in found.mechanisms:
        for horizon in found.horizons:
            cell = found.table.query("mechanism == @mechanism and horizon == @horizon")
            rows = {row["metric"]: row for row in cell.to_dict("records")}
            worst = found.runs.query("mechanism == @mechanism and horizon == @horizon")["welfare_share"].min()
            table.add_row(
                mechanism,
                f"{horizon:,}",
                *console.mean(rows["welfare_share"], "welfare_share"),
                console.number(float(worst), "welfare_share"),
                *(console.number(rows[name]["mean"], name) if name in rows else "-" for name in list(HEADINGS)[1:]),
            )
        table.add_section()
    return table


def _notes(found: "Equilibrium") -> list[str]:
    """What the columns mean, and what was left out."""
    notes = [
        "liquid welfare, revenue: shares of the best liquid welfare; unrest: relative spread of settled multipliers; "
        "distance: of settled multipliers from the first-price pacing equilibrium."
    ]
    if not found.runs["exact"].all():
        notes.append("The best liquid welfare is an upper bound here: shares are at least those shown.")
    return notes
