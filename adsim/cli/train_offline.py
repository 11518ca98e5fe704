"""``adsim train bc`` and its like: bidders that learn from recorded periods."""

from pathlib import Path
from typing import Annotated

import typer

from adsim import registry
from adsim.cli import console
from adsim.cli.options import Campaign, Json, Threads, pairs, split
from adsim.cli.train import judged, trainer
from adsim.errors import AdsimError


@trainer.command(name="probid")
@trainer.command(name="dt")
@trainer.command(name="iql")
@trainer.command(name="cql")
@trainer.command(name="td3bc")
@trainer.command(name="bc")
def train_offline_(
    context: typer.Context,
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Recorded periods, of adsim collect.", show_default=False)
    ],
    steps: Annotated[int | None, typer.Option(help="Batches; the learner's own number unless given.")] = None,
    seed: Annotated[int, typer.Option(help="Of parameters and batches.")] = 0,
    settings: Annotated[
        list[str], typer.Option("--hyper", metavar="KEY=VALUE", help="Change the learner: batch=512.")
    ] = [],  # noqa: B006
    campaign: Campaign = "0",
    agents: Annotated[
        str | None, typer.Option(metavar="X,Y:KEY=VALUE", help="To compare with; all that fit unless given.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Unseen markets to evaluate on in the end.")] = 100,
    threads: Threads = 1,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="[default: runs/LEARNER-SCENARIO]")] = None,
    as_json: Json = False,
) -> None:
    """Train a bidder on recorded periods, and evaluate it in live markets."""
    from adsim.experiments.offline.storage import load_trajectories, read_card
    from adsim.experiments.offline.train import train
    from adsim.experiments.training.cards import require
    from adsim.experiments.training.evaluate import evaluate

    if seeds < 1:
        raise AdsimError(f"--seeds {seeds}: must be 1 or more.")
    learner = str(context.info_name)
    require("offline", "torch", f"train {learner}")
    trajectories, recorded = load_trajectories(data), read_card(data)
    folder = out or Path("runs", f"{learner}-{recorded.market.name}")
    with console.progress("steps") as progress:
        found = train(
            trajectories,
            recorded.market,
            learner,
            folder=folder,
            steps=steps,
            seed=seed,
            span=recorded.span,
            settings=pairs("--hyper", settings, "batch=512"),
            origin=recorded.origin,
            progress=progress,
        )
    with console.progress("markets") as progress:
        evaluation = evaluate(
            folder,
            campaign=registry.literal(campaign or "0"),
            agents=None if agents is None else split(agents),
            seeds=seeds,
            threads=threads,
            progress=progress,
        )
    judged(evaluation, folder, as_json, {"folder": str(folder), "steps": found.card.steps}, found.facts())
