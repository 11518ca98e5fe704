"""What the commands print: tables and JSON on standard output, progress on standard error."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

SHARES = {
    "sell_through",
    "roi_violations",
    "roi_shortfall",
    "stock_overshoot",
    "stock_use",
    "budget_use",
    "violation",
    "welfare_share",
    "revenue_share",
    "unrest",
    "distance",
    "optimum_share",
    "objective_share",
    "roi_kept",
    "converged",
    "relative_regret",
    "exceeded",
    "degradation",
}
FINE = {"objective_share"}
"""Shares of which hundredths of a percent count."""


def show(*things: Any) -> None:
    """Print to standard output; pipes get room enough for a table."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200
    console.print(*things, sep="\n")


def print_json(**summary: Any) -> None:
    """Print a summary to standard output as JSON."""
    typer.echo(json.dumps(summary, indent=2, allow_nan=False))


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error with rate and time left; nothing unless it is a terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Steps per second."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


def number(value: float | None, metric: str = "") -> str:
    """A readable number: shares in percent, others with four digits at least, a hyphen for none."""
    if value is None or not math.isfinite(value):
        return "-"
    if metric in SHARES:
        return f"{value:z.2%}" if metric in FINE else f"{value:z.1%}"
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.4g}"


def span(row: Mapping[str, float | None], metric: str = "") -> str:
    """The interval of a row with low and high, empty where it is not known."""
    return "" if row["low"] is None else f"{number(row['low'], metric)} to {number(row['high'], metric)}"


def mean(row: Mapping[Any, Any], metric: str = "") -> list[str]:
    """Cells of a mean and of its interval, which is empty where it is NaN."""
    return [number(row["mean"], metric), "" if math.isnan(row["low"]) else span(row, metric)]


def difference(row: Mapping[str, float | None], metric: str = "") -> list[str]:
    """Cells of a paired difference: mean, interval, and a star where the interval excludes 0."""
    return [number(row["mean"], metric), span(row, metric), "*" if row["excludes_zero"] else ""]


def count(number: int, what: str) -> str:
    """So many of something, in words."""
    return f"1 {what}" if number == 1 else f"{number} {what}s"


def words(metric: str) -> str:
    """A metric's name for readers."""
    return metric.replace("_", " ").replace("roi", "ROI")


def grid(title: str, columns: Iterable[str], left: int = 1) -> Table:
    """An empty table; all columns but the first ones hold numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place < left else "right", no_wrap=True)
    return table
