"""All benchmarks, as tables of ratios."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table

from benchmarks import (
    auctiongym,
    clearing,
    environments,
    episode,
    impressions,
    learner_rivals,
    learning,
    logs,
    market,
    pacing,
    predictors,
)
from benchmarks.timing import copy_bandwidth


def show(console: Console, title: str, header: list[str], rows: list[list[str]]) -> None:
    """Print one table."""
    table = Table(*(header), title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def main() -> None:
    """Measure and print."""
    console = Console(width=150)
    bandwidth = copy_bandwidth()
    console.print(f"copy bandwidth of one core, read and written: {bandwidth / 1e9:.1f} GB/s")
    title = "adsim.clear, GSP, float32 tiles, one core; columns of ratios: how many times faster than ..."
    show(console, title, clearing.HEADER, clearing.rows(bandwidth))
    title = "Market.run, exact budgets, against markets that work a tick at a time over whole matrices; one core"
    show(console, title, market.HEADER, market.rows(bandwidth))
    title = "AuctionNet's episode: 48 campaigns, 48 ticks, 500,000 opportunities, exact budgets; one core"
    show(console, title, episode.HEADER, episode.rows())
    title = f"A log of {logs.AUCTIONS:,} auctions, and RLB's value table of {logs.TABLE}; one core"
    show(console, title, logs.HEADER, logs.rows())
    title = "Market.run with rules that decide after every auction; one core"
    show(console, title, pacing.HEADER, pacing.rows())
    title = "Market.run with predictors that learn in it, against prescribed noise; one core"
    show(console, title, learning.HEADER, learning.rows())
    title = "AuctionGym's world, true rates, truthful bids, second price; one core"
    show(console, title, auctiongym.HEADER, auctiongym.rows())
    title = f"{environments.NAME}, target_cpa, 48 campaigns: native against SyncVectorEnv; one core"
    show(console, title, environments.HEADER, environments.rows())
    for scenario in impressions.SCENARIOS:
        title = f"{impressions.NAME}, {scenario}: native against SyncVectorEnv; one core"
        show(console, title, impressions.HEADER, impressions.rows(scenario))
    title = f"Learners of clicks, {predictors.COUNT:,} rows of 14 fields, 2^{predictors.BITS} slots; one core"
    show(console, title, predictors.HEADER, predictors.rows())
    for name in learner_rivals.missing():
        console.print(f"{name} is not installed: no comparison with it. pip install 'adsim[bench]'")


if __name__ == "__main__":
    main()
