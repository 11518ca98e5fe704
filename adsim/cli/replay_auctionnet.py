"""What ``adsim replay`` does with AuctionNet logs."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from adsim.cli import console
from adsim.cli.options import counts
from adsim.cli.saving import save, saved

if TYPE_CHECKING:
    from adsim.experiments.replay.auctionnet import OfflineEvaluation

SHOWN = {
    "score": "score",
    "conversions": "conversions",
    "cost": "cost",
    "cpa": "CPA",
    "violation": "violation",
    "budget_use": "budget use",
    "win_rate": "win rate",
}


def replay_auctionnet(
    log: Path, bidders: list[str], advertisers: str | None, seeds: int, seed: int, folder: Path | None, as_json: bool
) -> None:
    """Let bidders play the advertisers of a log; print or save what they got."""
    from adsim.experiments.replay.auctionnet import evaluate_offline
    from adsim.experiments.replay.auctionnet_figures import of_offline

    chosen = None if advertisers is None else counts(advertisers, "--advertisers", least=0)
    with console.progress("advertisers") as progress:
        found = evaluate_offline(log, bidders, advertisers=chosen, seeds=seeds, first_seed=seed, progress=progress)
    if folder:
        tables = {name: getattr(found, name) for name in ("table", "advertisers", "differences", "runs")}
        save(folder, {"bidders": tables.pop("table"), **tables}, of_offline(found), found.facts)
    if as_json:
        console.print_json(**found.summary())
    else:
        console.show(*_tables(found), *saved(folder))


def _tables(found: "OfflineEvaluation") -> list[Table]:
    """A row per bidder, and below it one per difference to the first."""
    facts = found.facts
    title = (
        f"Means over {console.count(facts['advertisers'], 'advertiser')} of up to {facts['opportunities']:,} "
        f"opportunities, {console.count(len(facts['seeds']), 'draw')} of the conversions each"
    )
    table = console.grid(title, ["bidder", *SHOWN.values(), "score, 95 % interval"])
    for bidder, rows in found.table.groupby("bidder", sort=False):
        cells = {row["metric"]: console.mean(row, row["metric"]) for row in rows.to_dict("records")}
        table.add_row(str(bidder), *(cells[metric][0] for metric in SHOWN), cells["score"][1])
    if found.differences.empty:
        return [table]
    beyond = console.grid(f"Score beyond {found.bidders[0]}, paired", ["bidder", "mean", "95 % interval", ""])
    for row in found.differences.query("metric == 'score'").to_dict("records"):
        beyond.add_row(row["bidder"], *console.mean(row), "*" if row["excludes_zero"] else "")
    return [table, beyond]
