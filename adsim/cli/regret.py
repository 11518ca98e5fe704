"""``adsim regret``: regret against the hindsight optimum over horizons."""

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
    Threads,
    checked_folder,
    chosen_scenario,
    split,
)
from adsim.cli.options import horizons as spans
from adsim.cli.saving import save, saved

if TYPE_CHECKING:
    from adsim.experiments.regret import Regret

HEADINGS = ["agent", "T", "optimum", "share", "regret", "95 % interval", "regret/sqrt(T)", "violation", "/sqrt(T)"]


@app.command(name="regret")
def regret_(
    scenario: ScenarioName,
    agents: Annotated[
        str, typer.Option(metavar="X,Y:KEY=VALUE", help="Agents, each bidding for the only campaign.")
    ] = "coupled",
    horizons: Annotated[
        str, typer.Option(metavar="A:B", help="Numbers of opportunities: A, twice A, ... up to B; or a list.")
    ] = "1000:64000",
    seed: Seed = 0,
    seeds: Seeds = 20,
    changes: Changes = [],  # noqa: B006
    threads: Threads = 2,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Regret of bidders against the best choice in hindsight, and how it grows."""
    from adsim.experiments import regret_figures
    from adsim.experiments.regret import regret

    folder, market = checked_folder(out), chosen_scenario(scenario, changes)
    with console.progress("auctions") as progress:
        found = regret(
            market,
            split(agents),
            spans(horizons),
            seeds=seeds,
            first_seed=seed,
            threads=threads,
            progress=progress,
        )
    if folder:
        tables = {name: getattr(found, name) for name in ("runs", "table", "exponents")}
        facts = {"scenario": market.model_dump(mode="json"), "seeds": found.seeds, "horizons": found.horizons}
        save(folder, tables, {"regret": regret_figures.regret(found)}, facts)
    if as_json:
        console.print_json(**found.summary())
    else:
        console.show(_growth_table(found), _exponent_table(found), *saved(folder))


def _growth_table(found: "Regret") -> Table:
    """A block per agent, a row per horizon."""
    table = console.grid(f"{found.scenario.name}: means over {len(found.seeds)} seeds", HEADINGS)
    best = found.runs.groupby("horizon")["optimum"].mean()
    for agent in found.agents:
        rows = found.table[found.table["agent"] == agent]
        for place, (horizon, cell) in enumerate(rows.groupby("horizon")):
            means = dict(zip(cell["metric"], cell["mean"], strict=True))
            span = cell[cell["metric"] == "regret"].to_dict("records")[0]
            table.add_row(
                "" if place else agent,
                f"{horizon:,}",
                console.number(float(best[horizon])),
                console.number(means["optimum_share"], "optimum_share"),
                console.number(means["regret"]),
                console.span({"low": span["low"], "high": span["high"]}),
                console.number(means["root_regret"]),
                console.number(means["violation"]),
                console.number(means["root_violation"]),
            )
        table.add_section()
    return table


def _exponent_table(found: "Regret") -> Table | str:
    """The powers of T, for each agent those of regret and violation."""
    if not len(found.exponents):
        return "A second horizon would show how regret grows."
    table = console.grid("Grows like T to the power of", ["agent", "", "power", "95 % interval"], left=2)
    for row in found.exponents.to_dict("records"):
        if row["value"] == row["value"]:
            interval = f"{row['low']:.3f} to {row['high']:.3f}" if row["low"] == row["low"] else ""
            table.add_row(row["agent"], row["metric"], f"{row['value']:.3f}", interval)
    return table
