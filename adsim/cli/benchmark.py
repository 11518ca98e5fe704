"""``adsim benchmark bidders``: every bidder in the same seats of the same unseen markets."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from adsim.cli import console
from adsim.cli.app import app
from adsim.cli.options import (
    Changes,
    Json,
    Out,
    SeatNames,
    Seed,
    Seeds,
    Workers,
    checked_folder,
    chosen_scenario,
    numbers,
    pairs,
    seats_of,
    split,
)
from adsim.cli.saving import save, saved
from adsim.errors import AdsimError

if TYPE_CHECKING:
    from adsim.experiments.benchmark.benchmark import Benchmark

TABLES = ("runs", "table", "by_budget", "by_shift", "differences", "improvements", "profiles")
SHOWN = ("violation", "exceeded", "budget_use")

benchmarks = typer.Typer(help="Rank bidders.", no_args_is_help=True)
app.add_typer(benchmarks, name="benchmark")


@benchmarks.callback()
def _group() -> None:
    pass


@benchmarks.command(name="bidders")
def bidders_(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help="Name of a shipped scenario, or a TOML file.")
    ] = "target_cpa",
    bidders: Annotated[
        str, typer.Option(metavar="A,B:KEY=VALUE,DIR", help="Agents, and folders of trained models.")
    ] = "ecpc,pid,feedback,online_lp,forecast",
    seats: SeatNames = "6",
    seed: Seed = 0,
    seeds: Seeds = 20,
    budgets: Annotated[
        str, typer.Option(metavar="F,G", help="Factors on the seat's budget.")
    ] = "0.5,0.75,1,1.25,1.5",
    shifts: Annotated[
        str,
        typer.Option(
            metavar="KIND=F", help="Factors on the rivals' budgets and on the seat's target CPA; '' for none."
        ),
    ] = "rivals=1.1,target=0.8",
    reference: Annotated[str, typer.Option(metavar="AGENT", help="Whose mean score counts as 1.")] = "ecpc",
    baseline: Annotated[
        str | None, typer.Option(metavar="NAME", help="Bidder that differences are taken to; the first unless given.")
    ] = None,
    changes: Changes = [],  # noqa: B006
    workers: Workers = 1,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Rank bidders in the same seats of the same unseen markets, with more and less money, and in shifted markets."""
    from adsim.experiments.benchmark import figures as benchmark_figures
    from adsim.experiments.benchmark.benchmark import benchmark

    folder, market = checked_folder(out), chosen_scenario(scenario, changes)
    with console.progress("markets") as progress:
        found = benchmark(
            market,
            split(bidders),
            seats=seats_of(seats),
            seeds=seeds,
            first_seed=seed,
            budgets=numbers(budgets, "--budgets"),
            shifts=_shifts(shifts),
            reference=reference,
            baseline=baseline,
            workers=workers,
            progress=progress,
        )
    if folder:
        tables = {name: getattr(found, name) for name in TABLES}
        facts = {**found.facts(), "scenario": market.model_dump(mode="json")}
        save(folder, tables, benchmark_figures.of_benchmark(found), facts)
    if as_json:
        console.print_json(**found.summary())
    else:
        console.show(_table(found), *_shift_table(found), *_notes(found), *saved(folder))


def _shifts(text: str) -> dict[str, float]:
    """Factors by name."""
    found = pairs("--shifts", split(text), "rivals=1.1,target=0.8")
    for name, factor in found.items():
        if isinstance(factor, bool) or not isinstance(factor, int | float):
            raise AdsimError(f"--shifts {name}={factor}: must be a number, as in rivals=1.1.")
    return found


def _table(found: "Benchmark") -> Table:
    """A row per bidder, the best first: IQM, its paired difference, and what else a campaign cares for."""
    from adsim.experiments.tables import records

    seats, seeds = console.count(len(found.seats), "seat"), console.count(len(found.seeds), "seed")
    title = f"{found.scenario.name}: {seats}, {seeds} each, all budgets; {found.reference}'s mean score is 1"
    columns = ["", "IQM", "95 % interval", "mean", f"better than {found.baseline} by", "95 % interval", ""]
    table = console.grid(title, [*columns, "score", *(console.words(name) for name in SHOWN)])
    gaps = {row["bidder"]: row for row in records(found.differences) if row["metric"] == "normalised"}
    for bidder, part in found.table.groupby("bidder", sort=False):
        rows = part.set_index("metric").to_dict("index")
        gap = console.difference(gaps[bidder]) if bidder in gaps else ["", "", ""]
        cells = [console.number(rows["mean"]["mean"]), *gap, console.number(rows["score"]["mean"])]
        cells += [console.number(rows[name]["mean"], name) for name in SHOWN]
        table.add_row(str(bidder), *console.mean(rows["iqm"]), *cells)
    return table


def _shift_table(found: "Benchmark") -> list[Table]:
    """What shifts cost, and the violation before and after."""
    shifted = found.by_shift[found.by_shift["metric"] == "degradation"]
    if shifted.empty:
        return []
    kinds = list(dict.fromkeys(shifted["shift"]))
    headings = [cell for kind in kinds for cell in (f"{kind}: lost", "95 % interval", "violation")]
    table = console.grid("Score lost in shifted markets, and CPA above target", ["", "violation", *headings])
    wide = found.by_shift.set_index(["bidder", "shift", "metric"]).to_dict("index")
    for bidder in dict.fromkeys(found.table["bidder"]):
        cells = [console.number(wide[bidder, "none", "violation"]["mean"], "violation")]
        for kind in kinds:
            cells += console.mean(wide[bidder, kind, "degradation"], "degradation")
            cells.append(console.number(wide[bidder, kind, "violation"]["mean"], "violation"))
        table.add_row(str(bidder), *cells)
    return [table]


def _notes(found: "Benchmark") -> list[str]:
    """What the columns mean."""
    return [
        "IQM: mean of the middle half of the runs; violation: CPA above target; exceeded: runs with any.",
        "* the interval of the difference, paired by seat, budget and seed, excludes 0.",
    ]
