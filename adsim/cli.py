"""The commands: each parses its arguments, calls a function or two, and prints or saves what they return."""

import inspect
import json
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

import adsim
from adsim import console, registry
from adsim.errors import AdsimError, UnknownName
from adsim.options import (
    Campaign,
    Changes,
    Json,
    Out,
    ScenarioName,
    Seed,
    Seeds,
    Threads,
    Workers,
    changed,
    checked_folder,
    chosen_scenario,
    fraction,
    pairs,
    split,
)

if TYPE_CHECKING:
    from adsim.experiments.evaluate import Evaluation

KINDS = ("mechanisms", "agents", "predictors", "scenarios", "logs")


class Commands(TyperGroup):
    """Turns a user's mistake into one line and exit code 2, an interruption into 130."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except AdsimError as error:
            typer.echo(f"error: {' '.join(str(error).splitlines())}", err=True)
            raise typer.Exit(2) from None
        except KeyboardInterrupt as interruption:
            typer.echo(str(interruption) or "interrupted", err=True)
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=Commands,
    help="A marketplace for ad auctions and auto-bidding.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"adsim {adsim.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass


@app.command()
def run(
    scenario: ScenarioName,
    seed: Seed = 0,
    seeds: Seeds = 1,
    changes: Changes = [],  # noqa: B006 - how typer spells "none given"
    workers: Workers = 1,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Run one market; with --seeds, several, and take means."""
    import pandas as pd

    from adsim.experiments import compare, figures, landscape

    folder, market = checked_folder(out), chosen_scenario(scenario, changes)
    mechanism = market.auction.mechanism
    with console.progress("ticks") as progress:
        tick = count(1)
        result = adsim.Market(market, seed).run(progress=lambda: progress(next(tick), market.market.ticks))
    runs = pd.DataFrame([{"variant": mechanism, "seed": seed, **result.summary}])
    if seeds != 1:
        with console.progress("markets") as progress:
            found = compare.compare(
                market, mechanisms=[mechanism], seeds=seeds, first_seed=seed, workers=workers, progress=progress
            )
        runs = found.runs
    table = compare.means(runs)
    summary = compare.nested(table)[mechanism]
    if folder:
        with console.progress("bid landscape") as progress:
            curve = landscape.landscape(adsim.Market(market, seed), progress=progress)
        tables = {"campaigns": result.campaigns, "ticks": result.ticks, "runs": runs, "summary": table}
        facts = {"scenario": market.model_dump(mode="json"), "seeds": runs["seed"].tolist()}
        _save(folder, {**tables, "landscape": curve}, figures.of_market(result, curve), facts)
    if as_json:
        _print_json(scenario=market.name, mechanism=mechanism, seeds=runs["seed"].tolist(), summary=summary)
    else:
        title = f"{market.name} under {mechanism}, "
        campaigns = console.campaigns_table(f"{title}seed {seed}", result)
        over = f"means over {seeds} seeds" if seeds > 1 else f"seed {seed}"
        console.show(campaigns, console.summary_table(title + over, summary), *_saved(folder))


@app.command(name="compare")
def compare_(
    scenario: ScenarioName,
    mechanisms: Annotated[
        str | None, typer.Option(metavar="A,B", help="Mechanisms; all that fit the scenario unless given.")
    ] = None,
    agents: Annotated[
        str | None, typer.Option(metavar="X,Y:KEY=VALUE", help="Compare agents, each bidding for every campaign.")
    ] = None,
    seed: Seed = 0,
    seeds: Seeds = 20,
    changes: Changes = [],  # noqa: B006
    workers: Workers = 1,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Compare mechanisms, or agents, on the same seeds."""
    from adsim.experiments import figures
    from adsim.experiments.compare import compare

    folder, market = checked_folder(out), chosen_scenario(scenario, changes)
    with console.progress("markets") as progress:
        found = compare(
            market,
            mechanisms=None if mechanisms is None else split(mechanisms),
            agents=None if agents is None else split(agents),
            seeds=seeds,
            first_seed=seed,
            workers=workers,
            progress=progress,
        )
    if folder:
        tables = {name: getattr(found, name) for name in ("runs", "campaigns", "table", "differences")}
        facts = {"scenario": market.model_dump(mode="json"), "seeds": found.seeds, "left_out": found.left_out}
        _save(folder, tables, figures.of_comparison(found), facts)
    if as_json:
        _print_json(**found.summary())
    else:
        console.show(console.comparison_table(found), *console.comparison_notes(found), *_saved(folder))


@app.command(name="replay")
def replay_(
    log: Annotated[Path, typer.Option(metavar="FILE", help="Bid log.", show_default=False)],
    info: Annotated[Path | None, typer.Option(metavar="FILE", help="JSON with totals of a training log.")] = None,
    train: Annotated[Path | None, typer.Option(metavar="FILE", help="The training log itself.")] = None,
    bidders: Annotated[str, typer.Option(metavar="X,Y:KEY=VALUE", help="Agents.")] = "ecpc",
    episode: Annotated[int, typer.Option(help="Impressions per episode.")] = 1000,
    c0: Annotated[str, typer.Option(metavar="C,C", help="Budgets, as shares of an episode's average cost.")] = "1/32",
    ticks: Annotated[int, typer.Option(help="Parts of an episode; an agent acts before each.")] = 10,
    format: Annotated[str | None, typer.Option(metavar="NAME", help="Log format; else found by content.")] = None,
    clicks: Annotated[Path | None, typer.Option(metavar="FILE", help="Click log of a raw impression log.")] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Replay a recorded log: what bidders would have won and paid."""
    from adsim.experiments import replay_figures
    from adsim.experiments.replay import replay

    folder = checked_folder(out)
    with console.progress("replays") as progress:
        found = replay(
            log,
            split(bidders),
            info=info,
            train=train,
            episode=episode,
            c0=[fraction(text) for text in split(c0)],
            ticks=ticks,
            seed=seed,
            format=format,
            clicks=clicks,
            progress=progress,
        )
    if folder:
        tables = {name: getattr(found, name) for name in ("bidders", "episodes", "landscape")}
        _save(folder, tables, replay_figures.of_replay(found), found.facts)
    if as_json:
        _print_json(**found.summary())
    else:
        console.show(console.replay_table(found), *console.replay_notes(found), *_saved(folder))


@app.command(name="record")
def record_(
    scenario: ScenarioName,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The log; compressed if it ends in .gz.")],
    seed: Seed = 0,
    changes: Changes = [],  # noqa: B006
) -> None:
    """Write a scenario's traffic down as a log of click, price and pctr, to be replayed."""
    from adsim.experiments.record import record

    console.show(f"{record(chosen_scenario(scenario, changes), out, seed):,} opportunities recorded in {out}.")


@app.command(name="train")
def train_(
    algorithm: Annotated[str, typer.Argument(metavar="ALGORITHM", help="ppo, sac or td3.", show_default=False)],
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
    from adsim.experiments.evaluate import evaluate
    from adsim.experiments.train import train

    if seeds < 1:
        raise AdsimError(f"--seeds {seeds}: must be 1 or more.")
    market = chosen_scenario(scenario, changes)
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
        judged = evaluate(folder, seeds=seeds, threads=threads, progress=progress)
    _judged(judged, folder, as_json, {"folder": str(folder), "steps": found.card.steps}, found.facts())


@app.command(name="evaluate")
def evaluate_(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Folder or .zip of adsim train.", show_default=False)
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
    from adsim.experiments import models
    from adsim.experiments.evaluate import evaluate

    folder = checked_folder(out)
    trained_on = None if scenario else models.read_card(models.find_model(model)).market
    with console.progress("markets") as progress:
        judged = evaluate(
            model,
            changed(trained_on, changes) if trained_on else chosen_scenario(str(scenario), changes),
            campaign=None if campaign is None else registry.literal(campaign),
            seeds=seeds,
            first_seed=seed,
            agents=None if agents is None else split(agents),
            threads=threads,
            progress=progress,
        )
    _judged(judged, folder, as_json, {"file": str(model)}, {})


def _judged(
    found: "Evaluation", folder: Path | None, as_json: bool, what: dict[str, Any], trained: dict[str, Any]
) -> None:
    """Save and print an evaluation."""
    from adsim.experiments import train_figures

    if folder:
        tables = {name: getattr(found, name) for name in ("runs", "table", "differences")}
        facts = {"scenario": found.scenario.model_dump(mode="json"), "seeds": found.seeds, "left_out": found.left_out}
        _save(folder, tables, {"evaluation": train_figures.evaluation(found)}, {**what, **trained, **facts})
    if as_json:
        _print_json(**what, **found.summary())
    else:
        console.show(console.evaluation_table(found), *console.evaluation_notes(found), *_saved(folder))


@app.command(name="list")
def list_(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", help=f"One of {', '.join(KINDS)}.")] = None,
    as_json: Json = False,
) -> None:
    """List what there is."""
    if kind is not None and kind not in KINDS:
        raise UnknownName("kind", kind, KINDS)
    found = {name: _catalogue(name) for name in ([kind] if kind else KINDS)}
    if as_json:
        _print_json(**found)
    else:
        console.show(*(console.catalogue_table(name, entries) for name, entries in found.items()))


def _catalogue(kind: str) -> dict[str, dict[str, Any]]:
    """Summary and parameters (None where required) of everything of one kind, by name."""
    if kind == "scenarios":
        from adsim.market.scenario import scenario_names

        return {name: {"summary": adsim.load_scenario(name).description} for name in scenario_names()}
    return {name: _described(registry.load(kind, name)) for name in sorted(registry.known(kind))}


def _described(plugin: Any) -> dict[str, Any]:
    words = getattr(plugin, "summary", None) or getattr(plugin, "description", None) or inspect.getdoc(plugin)
    parameters = inspect.signature(plugin).parameters.values()
    defaults = {each.name: "required" if each.default is each.empty else each.default for each in parameters}
    return {"summary": str(words).partition("\n")[0].replace("`", ""), "parameters": defaults}


def _save(folder: Path, tables: dict[str, Any], figures: dict[str, Any], facts: dict[str, Any]) -> None:
    from adsim.experiments.output import save

    save(folder, tables, figures, {"command": ["adsim", *sys.argv[1:]], **facts})


def _saved(folder: Path | None) -> list[str]:
    return [f"Saved to {folder}."] if folder else []


def _print_json(**summary: Any) -> None:
    typer.echo(json.dumps(summary, indent=2, allow_nan=False))


def main() -> None:
    """Run the command line."""
    app(prog_name="adsim")
