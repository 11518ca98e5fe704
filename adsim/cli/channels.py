"""``adsim channels``: learn to split one budget over several channels."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

import adsim
from adsim.cli import console
from adsim.cli.app import app
from adsim.cli.options import Json, Out, Seed, Seeds, checked_folder, horizons, split
from adsim.cli.saving import save, saved

if TYPE_CHECKING:
    from adsim.experiments.channels.channel_study import Study


@app.command(name="channels")
def channels_(
    scenarios: Annotated[
        str,
        typer.Argument(
            metavar="A,B",
            help="Scenarios, shipped names or TOML files: channels for the first campaign of each.",
            show_default=False,
        ),
    ],
    budget: Annotated[float, typer.Option(help="Money a period over all channels, on average.", show_default=False)],
    target_roi: Annotated[float, typer.Option(help="Value to spend over all channels, at least; 0 for none.")] = 0.0,
    periods: Annotated[
        str, typer.Option(metavar="A:B", help="Horizons: A, twice A, ... up to B; or a list.")
    ] = "250:8000",
    seed: Seed = 0,
    seeds: Seeds = 20,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Learn to split a budget over channels (SGD-UCB), against the best split."""
    from adsim.experiments.channels.channel_study import study
    from adsim.experiments.channels.channels import MarketChannel
    from adsim.experiments.channels.figures import learning

    folder, markets = checked_folder(out), [adsim.load_scenario(name) for name in split(scenarios)]
    with console.progress("periods") as progress:
        found = study(
            [MarketChannel(market) for market in markets],
            horizons(periods, "--periods"),
            seeds,
            budget=budget,
            target_roi=target_roi,
            first_seed=seed,
            progress=progress,
        )
    if folder:
        tables = {name: getattr(found, name) for name in ("runs", "table", "exponents", "shares", "means")}
        facts = {"scenarios": [market.model_dump(mode="json") for market in markets], "seed": seed, "seeds": seeds}
        save(folder, tables, {"channels": learning(found)}, {**facts, "optimum": found.summary()["optimum"]})
    if as_json:
        console.print_json(**found.summary())
    else:
        console.show(_gap_table(found), *_notes(found), *saved(folder))


def _gap_table(found: "Study") -> Table:
    """A row per policy and horizon."""
    title = "Conversion value a period, and its gap to the best mixture of budgets on the same periods"
    headings = ["policy", "periods", "value", "gap", "95 % interval", "", "spend", "overspend", "ROI shortfall"]
    table, last = console.grid(title, headings), ""
    for row in found.summary()["table"]:
        if last not in ("", row["policy"]):
            table.add_section()
        last = row["policy"]
        gap = [console.number(row["gap"]), console.span(row), f"{row['gap_share']:z.1%}"]
        shares = [f"{row[name]:z.1%}" for name in ("overspend", "roi_shortfall")]
        money = [console.number(row[name]) for name in ("value", "spend")]
        table.add_row(last, f"{row['periods']:,}", money[0], *gap, money[1], *shares)
    return table


def _notes(found: "Study") -> list[str]:
    """The exponents, and what the optimum spends where."""
    rows = found.summary()["exponents"]
    powers = [f"{row['policy']} {console.number(row['exponent'])} ({console.span(row) or '-'})" for row in rows]
    best = found.shares.groupby("channel", sort=False)["optimum"].first()
    where = ", ".join(f"{name} {share:.0%}" for name, share in best.items())
    return [
        f"Exponent of the gap in the number of periods: {', '.join(powers)}.",
        f"Of the budget, the best mixture spends: {where}.",
    ]
