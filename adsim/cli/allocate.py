"""``adsim allocate``: dual mirror descent on many resources, and how its regret grows."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from adsim.cli import console
from adsim.cli.app import app
from adsim.cli.options import Json, Out, Seed, Seeds, Workers, checked_folder, horizons, split
from adsim.cli.saving import save, saved
from adsim.errors import AdsimError

if TYPE_CHECKING:
    from adsim.experiments.allocation.allocation import Allocation

ROOT = "\N{SQUARE ROOT}T"


@app.command(name="allocate")
def allocate_(
    resources: Annotated[int, typer.Option(help="Resources (m).")] = 100,
    choices: Annotated[int, typer.Option(help="Choices of a request (d).")] = 10,
    spans: Annotated[
        str, typer.Option("--horizons", metavar="A:B", help="Numbers of requests (T); a range doubles.")
    ] = "250:16000",
    references: Annotated[
        str, typer.Option(metavar="X,Y", help="euclidean, scaled, entropic, projected.")
    ] = "euclidean,entropic,projected",
    steps: Annotated[str, typer.Option(metavar="S,S", help="Steps, in units of 1 / sqrt(T).")] = "0.1,1,10",
    seed: Seed = 0,
    seeds: Seeds = 10,
    workers: Workers = 1,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Allocate resources to requests online by dual mirror descent: regret over horizons."""
    from adsim.experiments.allocation import figures as allocation_figures
    from adsim.experiments.allocation.allocation import sweep

    folder = checked_folder(out)
    with console.progress("worlds") as progress:
        found = sweep(
            references=split(references),
            steps=[_step(text) for text in split(steps)],
            horizons=horizons(spans),
            resources=resources,
            choices=choices,
            seeds=seeds,
            first_seed=seed,
            workers=workers,
            progress=progress,
        )
    if folder:
        tables = {name: getattr(found, name) for name in ("runs", "table", "exponents")}
        facts = {"resources": resources, "choices": choices, "seeds": found.seeds}
        save(folder, tables, {"regret": allocation_figures.regret(found)}, facts)
    if as_json:
        console.print_json(**found.summary())
    else:
        console.show(_regret_table(found), *saved(folder))


def _step(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise AdsimError(f"--steps {text}: must be a number.") from None


def _regret_table(found: "Allocation") -> Table:
    """A row per reference and step: regret / sqrt(T) by T, relative regret at the longest, the exponent."""
    spans = sorted(set(found.runs["horizon"]))
    over = "one world" if len(found.seeds) == 1 else f"means over {len(found.seeds)} worlds"
    title = f"{found.resources} resources, {found.choices} choices, {over}: regret / {ROOT} by T"
    headings = ["reference", "step", *(f"{span:,}" for span in spans), "relative"]
    powers = {(row["reference"], row["step"]): row for row in found.summary()["exponents"]}
    table = console.grid(title, [*headings, *(["exponent", "95 % interval"] if powers else [])])
    table.caption = f"relative: regret / bound at T = {spans[-1]:,}; exponent: regret ~ T^exponent."
    table.caption_justify = "left"
    for (reference, step), part in found.table.groupby(["reference", "step"], sort=False):
        means = part.pivot(index="horizon", columns="metric", values="mean")
        cells = [console.number(mean) for mean in means["root_regret"]]
        cells.append(console.number(means["relative_regret"].iloc[-1], "relative_regret"))
        if powers:
            power = powers[reference, step]
            cells += [_power(power["value"]), " to ".join(_power(power[end]) for end in ("low", "high"))]
        table.add_row(str(reference), f"{step:g}", *cells)
    return table


def _power(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
