"""``adsim replay`` and ``adsim record``: bidders on a recorded log, and how to record one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from adsim.cli import console
from adsim.cli.app import app
from adsim.cli.options import Changes, Json, Out, ScenarioName, Seed, checked_folder, chosen_scenario, fraction, split
from adsim.cli.replay_auctionnet import replay_auctionnet
from adsim.cli.saving import save, saved
from adsim.errors import AdsimError, UnknownName

if TYPE_CHECKING:
    from adsim.experiments.replay.replay import Replay


AUCTIONNET = "auctionnet"
FORMATS = "theta", AUCTIONNET
OF_CLICK_LOGS = "info", "train", "episode", "c0", "ticks", "clicks"
OF_AUCTIONNET = "advertisers", "seeds"
"""Options of `adsim replay` that only one kind of log takes."""


@app.command(name="replay")
def replay_(
    context: typer.Context,
    log: Annotated[Path, typer.Option(metavar="FILE", help="Bid log.", show_default=False)],
    info: Annotated[Path | None, typer.Option(metavar="FILE", help="JSON with totals of a training log.")] = None,
    train: Annotated[Path | None, typer.Option(metavar="FILE", help="The training log itself.")] = None,
    bidders: Annotated[str, typer.Option(metavar="X,Y:KEY=VALUE", help="Agents.")] = "ecpc",
    episode: Annotated[int, typer.Option(help="Impressions per episode.")] = 1000,
    c0: Annotated[str, typer.Option(metavar="C,C", help="Budgets, as shares of an episode's average cost.")] = "1/32",
    ticks: Annotated[int, typer.Option(help="Parts of an episode; an agent acts before each.")] = 10,
    format: Annotated[str | None, typer.Option(metavar="NAME", help="Log format; else found by content.")] = None,
    clicks: Annotated[Path | None, typer.Option(metavar="FILE", help="Click log of a raw impression log.")] = None,
    advertisers: Annotated[
        str | None, typer.Option(metavar="I,J", help="AuctionNet log: whose places bidders take; else all.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="AuctionNet log: draws of the conversions.")] = 10,
    seed: Annotated[int, typer.Option(help="Of the bootstrap; AuctionNet log: of the first draw.")] = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Replay a recorded log: what bidders would have won and paid."""
    from adsim.experiments.replay import figures as replay_figures
    from adsim.experiments.replay.replay import replay
    from adsim.logs import format_of

    folder = checked_folder(out)
    if (format or format_of(log)) == AUCTIONNET:
        _refuse(context, OF_CLICK_LOGS, "logs of clicks")
        replay_auctionnet(log, split(bidders), advertisers, seeds, seed, folder, as_json)
        return
    _refuse(context, OF_AUCTIONNET, "AuctionNet logs")
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
        save(folder, tables, replay_figures.of_replay(found), found.facts)
    if as_json:
        console.print_json(**found.summary())
    else:
        console.show(_replay_table(found), *_replay_notes(found), *saved(folder))


@app.command(name="record")
def record_(
    scenario: ScenarioName,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The log; compressed if it ends in .gz.")],
    format: Annotated[
        str, typer.Option(metavar="NAME", help="theta: clicks and posted prices; auctionnet: everybody's bids.")
    ] = "theta",
    seed: Seed = 0,
    changes: Changes = [],  # noqa: B006
) -> None:
    """Write a period of a scenario down as a log, to be replayed."""
    from adsim.experiments.replay.auctionnet_record import record_auctionnet
    from adsim.experiments.replay.record import record

    if format not in FORMATS:
        raise UnknownName("format to record in", format, FORMATS)
    market = chosen_scenario(scenario, changes)
    if format == AUCTIONNET:
        with console.progress("ticks") as progress:
            opportunities = record_auctionnet(market, out, seed, progress)
    else:
        opportunities = record(market, out, seed)
    console.show(f"{opportunities:,} opportunities recorded in {out}.")


def _refuse(context: typer.Context, options: tuple[str, ...], takers: str) -> None:
    """Complain of an option that was given and means nothing here."""
    for name in options:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise AdsimError(f"--{name} is for {takers}. Leave it out.")


def _replay_table(replay: "Replay") -> Table:
    """A row per budget and bidder."""
    facts = replay.facts
    title = f"{facts['impressions']:,} impressions, {facts['clicks']:,} clicks, cost {facts['cost']:,}"
    headings = ["bidder", "c0", "budget", "impressions", "clicks", "95 % interval", "cost", "win rate", "CPM", "eCPC"]
    table = console.grid(title, headings)
    for row in replay.bidders.to_dict("records"):
        table.add_row(
            f"{row['bidder']} {row['parameters'].replace(':', ' ')}".strip(),
            f"{row['c0']:g}",
            *(f"{row[name]:,}" for name in ("budget", "impressions", "clicks")),
            f"{console.number(row['clicks_low'])} to {console.number(row['clicks_high'])}",
            f"{row['cost']:,}",
            f"{row['win_rate']:.1%}",
            console.number(row["cpm"]),
            console.number(row["ecpc"]),
        )
    return table


def _replay_notes(replay: "Replay") -> list[str]:
    """Where the bidders' knowledge came from, if not from predictions and an earlier log."""
    notes = []
    if replay.facts["statistics_from"] == "log":
        notes.append(
            "Budgets, averages and market prices are those of the replayed log itself; --info or --train gives "
            "earlier ones."
        )
    if replay.facts["values_from"] != "pctr":
        notes.append("The log has no pctr: every bidder sees the average click rate.")
    return notes
