"""``adsim incentives``: what one campaign gains by telling the platform something else than the truth."""

import math
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
    Workers,
    checked_folder,
    chosen_scenario,
    numbers,
    split,
)
from adsim.cli.saving import save, saved

if TYPE_CHECKING:
    from adsim.experiments.incentives.incentives import Incentives

OTHERS = {"fixed": "bid on", "adapt": "adapt"}


@app.command(name="incentives")
def incentives_(
    scenario: ScenarioName,
    mechanisms: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="The scenario's, first and second price; with several slots GSP and VCG."),
    ] = None,
    report: Annotated[str, typer.Option(metavar="WHAT", help="target, stock, budget or value.")] = "target",
    campaigns: Annotated[
        str | None, typer.Option(metavar="A,B", help="Who deviates; else the three that sell most in each market.")
    ] = None,
    factors: Annotated[
        str | None, typer.Option(metavar="A,B", help="Reports over truth; from 0.5 to 2 unless given.")
    ] = None,
    others: Annotated[
        str, typer.Option(metavar="A,B", help="fixed: others bid on as before; adapt: all bids adapt to the report.")
    ] = "fixed,adapt",
    seed: Seed = 0,
    seeds: Seeds = 10,
    changes: Changes = [],  # noqa: B006
    workers: Workers = 1,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Let one campaign misreport its target ROI, stock, budget or value: what it gains, if anything."""
    from adsim.experiments.incentives import figures as incentive_figures
    from adsim.experiments.incentives.incentives import FACTORS, incentives

    folder, market = checked_folder(out), chosen_scenario(scenario, changes)
    chosen: Any = {"report": report, "others": split(others)}
    with console.progress("markets") as progress:
        found = incentives(
            market,
            mechanisms=None if mechanisms is None else split(mechanisms),
            campaigns=None if campaigns is None else split(campaigns),
            factors=FACTORS if factors is None else numbers(factors, "--factors"),
            seeds=seeds,
            first_seed=seed,
            workers=workers,
            progress=progress,
            **chosen,
        )
    if folder:
        tables = {name: getattr(found, name) for name in ("runs", "table", "gains")}
        facts = {"scenario": market.model_dump(mode="json"), "seeds": found.seeds, "report": report}
        save(folder, tables, incentive_figures.of_incentives(found), facts)
    if as_json:
        console.print_json(**found.summary())
    else:
        console.show(_table(found), *_notes(found), *saved(folder))


def _table(found: "Incentives") -> Table:
    """A row per mechanism and behaviour of the others."""
    title = f"{found.scenario.name}: gain by reporting another {found.report}, means over {len(found.seeds)} seeds"
    columns = ["gain", "95 % interval", "largest", "", "at", "noise", "reversal", "broken by the truth"]
    table = console.grid(title, ["mechanism", "others", *columns], left=2)
    for row in found.gains.to_dict("records"):
        table.add_row(
            row["mechanism"],
            OTHERS[row["others"]],
            _share(row["mean"]),
            "" if math.isnan(row["low"]) else f"{_share(row['low'])} to {_share(row['high'])}",
            _share(row["largest"]),
            "*" if row["beyond_noise"] else "",
            "-" if row["factor"] == 1 else f"{row['factor']:.3g}",
            *(_share(row[name]) for name in ("noise", "reversal", "broken")),
        )
    return table


def _share(value: float) -> str:
    """In percent, finely: noise is small."""
    return f"{value:z.3%}" if math.isfinite(value) else "-"


def _notes(found: "Incentives") -> list[str]:
    """Who deviates, what the columns mean."""
    from adsim.experiments.incentives.misreports import TOLERANCE

    several = found.runs.groupby("seed")["campaign"].unique().map(tuple).nunique() > 1
    names = "those with the most sales" if several else ", ".join(dict.fromkeys(found.runs["campaign"]))
    wrong = "rises" if found.report == "target" else "falls"
    return [
        f"Deviating: {names}; reports {', '.join(f'{factor:.3g}' for factor in found.factors)} times the truth.",
        "gain: utility of the best report less that of the truth, in shares of truthful sales; at: the report of the "
        "largest.",
        "noise: of calibrated bids, the most that a truthful campaign's sales differ from those of its own best bid; "
        f"*: a gain beyond it; reversal: the most that sales {wrong} from one report to the next higher one.",
        f"A report that breaks a true constraint by {TOLERANCE:.0%} more than the truth does is worth nothing.",
    ]
