"""``adsim auctiongym``: what competition, learned click rates and learned shading do to an auction."""

import math
from typing import TYPE_CHECKING, Annotated

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
    counts,
    split,
)
from adsim.cli.saving import save, saved

if TYPE_CHECKING:
    from adsim.experiments.auctiongym.study import Study

MONEY = {"welfare": "welfare", "surplus": "surplus", "revenue": "revenue"}
REGRETS = {
    "allocation_regret": "allocation",
    "estimation_regret": "estimation",
    "overbid_regret": "overbid",
    "underbid_regret": "underbid",
}


@app.command(name="auctiongym")
def auctiongym_(
    scenario: Annotated[
        str, typer.Argument(metavar="[SCENARIO]", help="A market of catalogues: name or TOML file.")
    ] = "auctiongym",
    participants: Annotated[
        str | None, typer.Option(metavar="A:B", help="Advertisers in an auction, 2:6 or 2,4; else the scenario's.")
    ] = None,
    mechanism: Annotated[
        str | None, typer.Option(metavar="A,B", help="first_price, second_price; else the scenario's.")
    ] = None,
    bidder: Annotated[
        str,
        typer.Option(
            metavar="A,B", help="truthful, dm (value-based shading), ips (policy-based), dr (doubly robust)."
        ),
    ] = "truthful",
    rates: Annotated[str, typer.Option(metavar="A,B", help="Click rates: oracle, learned.")] = "oracle",
    rounds: Annotated[int, typer.Option(help="Auctions between two updates of what was learned.")] = 10_000,
    iterations: Annotated[int, typer.Option(help="Such rounds.")] = 5,
    seed: Seed = 0,
    seeds: Seeds = 5,
    changes: Changes = [],  # noqa: B006
    workers: Workers = 1,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Advertisers choose ads and shade bids by what they learn: welfare, surplus, revenue and four regrets."""
    from adsim.experiments.auctiongym import figures as auctiongym_figures
    from adsim.experiments.auctiongym.study import auctiongym

    folder, market = checked_folder(out), chosen_scenario(scenario, changes)
    with console.progress("markets") as progress:
        found = auctiongym(
            market,
            participants=None if participants is None else counts(participants, "--participants"),
            mechanisms=None if mechanism is None else split(mechanism),
            bidders=split(bidder),
            rates=split(rates),
            rounds=rounds,
            iterations=iterations,
            seeds=seeds,
            first_seed=seed,
            workers=workers,
            progress=progress,
        )
    if folder:
        facts = {"scenario": market.model_dump(mode="json"), "seeds": found.seeds, "rounds": rounds}
        tables = {"runs": found.runs, "table": found.table}
        save(folder, tables, auctiongym_figures.of_study(found), facts)
    if as_json:
        console.print_json(**found.summary())
    else:
        console.show(_table(found), *_notes(found), *saved(folder))


def _table(found: "Study") -> Table:
    """A row per setting and iteration: means and intervals of money, means of regrets."""
    setting = found.varied() or ["bidder"]
    size = console.count(len(found.seeds), "seed")
    title = f"{found.scenario.name}: per auction, {found.rounds:,} auctions an iteration, means over {size}"
    columns = [part for heading in MONEY.values() for part in (heading, "95 % interval")]
    table = console.grid(title, [*setting, "iteration", *columns, *REGRETS.values()], left=len(setting))
    for key, cell in found.table.groupby([*setting, "iteration"], sort=False):
        rows = {row["metric"]: row for row in cell.to_dict("records")}
        money = [
            text
            for name in MONEY
            for text in (_money(rows[name]["mean"]), _interval(rows[name]["low"], rows[name]["high"]))
        ]
        table.add_row(*map(str, key), *money, *(_money(rows[name]["mean"]) for name in REGRETS))
    return table


def _money(value: float) -> str:
    """To a thousandth."""
    return f"{value:z.3f}"


def _interval(low: float, high: float) -> str:
    """Nothing for a single seed."""
    return "" if math.isnan(low) else f"{_money(low)} to {_money(high)}"


def _notes(found: "Study") -> list[str]:
    """What the regrets are."""
    return [
        "allocation: value of the best ad less that of the ad bid with; estimation: predicted value less the true "
        "one, signed; overbid: price less the second bid; underbid: what losers' bids lack to a profitable price.",
    ]
