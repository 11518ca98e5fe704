"""``adsim collect``: recorded periods of scripted agents, for bidders that learn offline."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from adsim.cli import console
from adsim.cli.app import app
from adsim.cli.options import Changes, Json, ScenarioName, Threads, checked_folder, chosen_scenario, numbers, split
from adsim.cli.saving import save
from adsim.errors import AdsimError

if TYPE_CHECKING:
    from adsim.experiments.offline.collect import Collection


@app.command(name="collect")
def collect_(
    scenario: ScenarioName,
    periods: Annotated[int, typer.Option(help="Markets, each with all its campaigns.")] = 20,
    agents: Annotated[
        str | None,
        typer.Option(metavar="X,Y:KEY=VALUE", help="Agents that decide once a tick; a mixture unless given."),
    ] = None,
    budgets: Annotated[str, typer.Option(metavar="A,B", help="Least and largest factor of a budget.")] = "0.5,1.5",
    explore: Annotated[
        float, typer.Option(help="Standard deviation of the log-multipliers of those who explore, a half.")
    ] = 0.3,
    seed: Annotated[int, typer.Option(help="Of markets, deal, budgets and exploration.")] = 0,
    threads: Threads = 1,
    changes: Changes = [],  # noqa: B006
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="[default: runs/collect-SCENARIO]")] = None,
    minari: Annotated[bool, typer.Option("--minari/--no-minari", help="Write a Minari dataset as well.")] = True,
    as_json: Json = False,
) -> None:
    """Record whole periods of all campaigns, played by scripted agents, as Parquet and as a Minari dataset."""
    from adsim.experiments.offline.collect import collect
    from adsim.experiments.offline.collect_figures import collection
    from adsim.experiments.offline.minari_dataset import require_minari
    from adsim.experiments.offline.storage import save_trajectories

    market = chosen_scenario(scenario, changes)
    folder = checked_folder(out or Path("runs", f"collect-{market.name}"))
    assert folder is not None
    if minari:
        require_minari()
    with console.progress("periods") as progress:
        found = collect(
            market,
            None if agents is None else split(agents),
            periods=periods,
            seed=seed,
            budgets=_factors(budgets),
            explore=explore,
            threads=threads,
            progress=progress,
        )
    span, origin = found.terms.span, found.origin
    save_trajectories(folder, found.trajectories, market, span=span, origin=origin, minari=minari)
    facts = {"scenario": market.model_dump(mode="json"), **origin}
    save(folder, {"table": found.table}, {"collection": collection(found)}, facts)
    if as_json:
        console.print_json(folder=str(folder), **found.summary())
    else:
        console.show(_table(found), *_notes(folder, minari=minari))


def _factors(text: str) -> tuple[float, float]:
    """What ``--budgets`` says: one factor for all, or the least and the largest."""
    factors = numbers(text, "--budgets")
    if len(factors) not in (1, 2):
        raise AdsimError(f"--budgets {text}: must be one factor, or the least and the largest, as 0.5,1.5.")
    return factors[0], factors[-1]


def _table(found: "Collection") -> Table:
    """A row per agent."""
    count = console.count(found.terms.periods, "period")
    table = console.grid(
        f"{found.scenario.name}: means over trajectories of {count}",
        ["agent", "trajectories", "score", "value", "spend", "CPA violation", "budget use", "clipped"],
    )
    for row in found.table.to_dict("records"):
        shares = [console.number(row[name], "violation") for name in ("violation", "budget_use", "clipped")]
        amounts = [console.number(row[name]) for name in ("score", "value", "spend")]
        table.add_row(str(row["agent"]), f"{row['trajectories']:,}", *amounts, *shares)
    return table


def _notes(folder: Path, *, minari: bool) -> list[str]:
    """What the columns mean, and where the data is."""
    notes = ["clipped: ticks in which no action of the environment could do what the agent wanted."]
    if minari:
        notes.append(f"Minari: MINARI_DATASETS_PATH={folder / 'minari'}, dataset bidding-v0.")
    return [*notes, f"Saved to {folder}."]
