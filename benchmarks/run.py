"""All benchmarks, as tables of ratios."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table

from benchmarks import clearing, environments, impressions, learner_rivals, market, pacing, predictors
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
    title = "Market.run with rules that decide after every auction; one core"
    show(console, title, pacing.HEADER, pacing.rows())
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
