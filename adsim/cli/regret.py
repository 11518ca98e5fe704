"""``adsim regret``: regret against the hindsight optimum over horizons."""

from typing import TYPE_CHECKING, Annotated, Any

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
    from adsim.experiments.regret.regret import Regret


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
    from adsim.experiments.regret import figures as regret_figures
    from adsim.experiments.regret.regret import regret

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
        console.show(_rate_table(found), _last_table(found), *saved(folder))


def _rate_table(found: "Regret") -> Table:
    """Regret / sqrt(T), a row per agent and a column per horizon."""
    title = f"{found.scenario.name}: regret / sqrt(T) over {console.count(len(found.seeds), 'seed')}"
    table = console.grid(title, ["T", *(f"{horizon:,}" for horizon in found.horizons)])
    table.columns[0].no_wrap = False
    rates = found.table[found.table["metric"] == "root_regret"]
    for agent in found.agents:
        table.add_row(agent, *(console.number(mean) for mean in rates.loc[rates["agent"] == agent, "mean"]))
    return table


def _last_table(found: "Regret") -> Table:
    """Where the longest horizon ends, and the powers of T on the way there."""
    longest = found.horizons[-1]
    span, power = "95 % interval", "~ T^"
    headings = ["agent", "share", "regret", span, power, span, "violation", power, span]
    table = console.grid(f"At T = {longest:,}: share of the hindsight optimum, and how regret came to grow", headings)
    table.columns[0].no_wrap = False
    powers = {(row["agent"], row["metric"]): row for row in found.exponents.to_dict("records")}
    last = found.table[found.table["horizon"] == longest]
    for agent, rows in last.groupby("agent", sort=False):
        metrics = {row["metric"]: row for row in rows.to_dict("records")}
        table.add_row(
            str(agent),
            console.number(metrics["optimum_share"]["mean"], "optimum_share"),
            *console.mean(metrics["regret"]),
            *_power(powers.get((agent, "regret"))),
            console.number(metrics["violation"]["mean"]),
            *_power(powers.get((agent, "violation"))),
        )
    return table


def _power(row: dict[Any, Any] | None) -> list[str]:
    """Cells of an exponent and its interval, empty where none could be fitted."""
    if row is None or row["value"] != row["value"]:
        return ["", ""]
    unknown = row["low"] != row["low"]
    return [f"{row['value']:.3f}", "" if unknown else f"{row['low']:.3f} to {row['high']:.3f}"]
