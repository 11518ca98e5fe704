"""``adsim train ALGORITHM`` and ``adsim evaluate``: bidders that learn."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from adsim import registry
from adsim.cli import console
from adsim.cli.app import app
from adsim.cli.options import (
    Campaign,
    Changes,
    Json,
    Out,
    Seed,
    Seeds,
    Threads,
    changed,
    checked_folder,
    chosen_scenario,
    pairs,
    split,
)
from adsim.cli.saving import save, saved
from adsim.errors import AdsimError

if TYPE_CHECKING:
    from adsim.experiments.training.evaluate import Evaluation

EVALUATED = ("value", "spend", "conversions", "roi", "violation", "budget_use", "optimum_share")


trainer = typer.Typer(
    help="Train a bidder by reinforcement learning, live or offline, or a click predictor.", no_args_is_help=True
)
app.add_typer(trainer, name="train")


@trainer.command(name="td3")
@trainer.command(name="sac")
@trainer.command(name="ppo")
def train_(
    context: typer.Context,
    scenario: Annotated[str, typer.Option(metavar="SCENARIO", help="Shipped name, or a TOML file.")] = "target_cpa",
    campaign: Campaign = "0",
    steps: Annotated[int, typer.Option(help="Environment steps: ticks times episodes.")] = 400_000,
    envs: Annotated[int, typer.Option(help="Markets side by side.")] = 128,
    threads: Threads = 1,
    seed: Annotated[int, typer.Option(help="Of parameters, exploration and training markets.")] = 0,
    seeds: Annotated[int, typer.Option(help="Unseen markets to evaluate on in the end.")] = 100,
    changes: Changes = [],  # noqa: B006
    settings: Annotated[
        list[str], typer.Option("--hyper", metavar="KEY=VALUE", help="Change the algorithm: gamma=0.99.")
    ] = [],  # noqa: B006
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="[default: runs/ALGORITHM-SCENARIO]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from what the folder holds.")] = False,
    as_json: Json = False,
) -> None:
    """Train a bidder by reinforcement learning, and evaluate it."""
    from adsim.experiments.training.evaluate import evaluate
    from adsim.experiments.training.train import train

    if seeds < 1:
        raise AdsimError(f"--seeds {seeds}: must be 1 or more.")
    market, algorithm = chosen_scenario(scenario, changes), str(context.info_name)
    folder = out or Path("runs", f"{algorithm}-{market.name}")
    with console.progress("steps") as progress:
        found = train(
            market,
            algorithm,
            folder=folder,
            campaign=registry.literal(campaign or "0"),
            steps=steps,
            envs=envs,
            seed=seed,
            threads=threads,
            settings=pairs("--hyper", settings, "gamma=0.99"),
            resume=resume,
            progress=progress,
        )
    with console.progress("markets") as progress:
        evaluation = evaluate(folder, seeds=seeds, threads=threads, progress=progress)
    judged(evaluation, folder, as_json, {"folder": str(folder), "steps": found.card.steps}, found.facts())


@app.command(name="evaluate")
def evaluate_(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Folder, .zip or .pt of adsim train.", show_default=False)
    ],
    scenario: Annotated[
        str | None,
        typer.Option(metavar="SCENARIO", help="Name or TOML file; the one it was trained on unless given."),
    ] = None,
    campaign: Campaign = None,
    agents: Annotated[
        str | None, typer.Option(metavar="X,Y:KEY=VALUE", help="Agents; all that fit the campaign unless given.")
    ] = None,
    seed: Seed = 0,
    seeds: Seeds = 100,
    changes: Changes = [],  # noqa: B006
    threads: Threads = 1,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Evaluate a trained bidder against the scripted agents, on the same seeds."""
    from adsim.experiments.training.evaluate import card_of, evaluate

    folder = checked_folder(out)
    trained_on = None if scenario else card_of(model).market
    with console.progress("markets") as progress:
        evaluation = evaluate(
            model,
            changed(trained_on, changes) if trained_on else chosen_scenario(str(scenario), changes),
            campaign=None if campaign is None else registry.literal(campaign),
            seeds=seeds,
            first_seed=seed,
            agents=None if agents is None else split(agents),
            threads=threads,
            progress=progress,
        )
    judged(evaluation, folder, as_json, {"file": str(model)}, {})


def judged(
    found: "Evaluation", folder: Path | None, as_json: bool, what: dict[str, Any], trained: dict[str, Any]
) -> None:
    """Save and print an evaluation."""
    from adsim.experiments.training import figures as train_figures

    if folder:
        tables = {name: getattr(found, name) for name in ("runs", "table", "differences")}
        facts = {"scenario": found.scenario.model_dump(mode="json"), "seeds": found.seeds, "left_out": found.left_out}
        save(folder, tables, {"evaluation": train_figures.evaluation(found)}, {**what, **trained, **facts})
    if as_json:
        console.print_json(**what, **found.summary())
    else:
        console.show(_evaluation_table(found), *_evaluation_notes(found), *saved(folder))


def _evaluation_table(found: "Evaluation") -> Table:
    """A row per bidder: its score, the model's paired difference to it, and what else a campaign cares for."""
    summary, count = found.summary(), len(found.seeds)
    over = "one unseen seed" if count == 1 else f"{count} unseen seeds"
    title = f"{found.campaign} of {found.scenario.name}: means over {over}, differences to {found.model} on the same"
    shown = [name for name in EVALUATED if any(row.get(name, {}).get("mean") for row in summary["bidders"].values())]
    headings = ["", "score", "95 % interval", f"{found.model} better by", "95 % interval", ""]
    table = console.grid(title, [*headings, *(console.words(name) for name in shown)])
    for bidder, metrics in summary["bidders"].items():
        cells = [console.number(metrics["score"]["mean"]), console.span(metrics["score"])]
        row = summary["differences"].get(bidder, {}).get("score")
        cells += console.difference(row) if row else ["", "", ""]
        cells += [console.number(metrics[name]["mean"], name) for name in shown]
        table.add_row(bidder, *cells, style="bold" if bidder == found.model else None)
    return table


def _evaluation_notes(found: "Evaluation") -> list[str]:
    """What else a reader must know: marks, agents that coincide or were left out."""
    from adsim.experiments.training.evaluate import coinciding

    notes = ["* the interval of the difference excludes 0."] if len(found.bidders) > 1 else []
    notes += [f"{', '.join(group[:-1])} and {group[-1]} coincide on every seed." for group in coinciding(found.runs)]
    return notes + [f"Left out: {name} ({reason.rstrip('.')})." for name, reason in found.left_out.items()]
