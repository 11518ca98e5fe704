"""What the commands print: tables on standard output, progress on standard error."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from adsim.experiments.compare import Comparison
    from adsim.experiments.evaluate import Evaluation
    from adsim.experiments.replay import Replay
    from adsim.market.result import Result

SHARES = {
    "sell_through",
    "roi_violations",
    "roi_shortfall",
    "stock_overshoot",
    "stock_use",
    "budget_use",
    "violation",
    "optimum_share",
}
COMPARED = (
    "welfare",
    "liquid_welfare",
    "user_experience",
    "weighted_objective",
    "revenue",
    "roi_violations",
    "roi_shortfall",
    "stock_overshoot",
)
EVALUATED = ("value", "spend", "conversions", "roi", "violation", "budget_use", "optimum_share")
ONE_AUCTION = {"second_price", "gsp", "vcg"}
"""With one slot these are the same rule."""
MOST_ROWS = 60


def show(*things: Any) -> None:
    """Print to standard output; pipes get room enough for a table."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 140
    console.print(*things, sep="\n")


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
        return f"{value:z.1%}"
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.4g}"


def span(row: Mapping[str, float | None], metric: str = "") -> str:
    """The interval of a row with low and high, empty where it is not known."""
    return "" if row["low"] is None else f"{number(row['low'], metric)} to {number(row['high'], metric)}"


def words(metric: str) -> str:
    """A metric's name for readers."""
    return metric.replace("_", " ").replace("roi", "ROI")


def grid(title: str, columns: Iterable[str], left: int = 1) -> Table:
    """An empty table; all columns but the first ones hold numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place < left else "right", no_wrap=True)
    return table


def campaigns_table(title: str, result: "Result") -> Table:
    """A row per campaign, with the columns that its constraints call for."""
    frame = result.campaigns
    columns = ["wins", "conversions", "value", "spend"]
    for limit, shown in (
        ("budget", ["budget", "utilisation"]),
        ("target_roi", ["target_roi", "roi"]),
        ("stock", ["stock", "stock_use"]),
    ):
        if (frame[limit].notna() & (frame[limit] < float("inf"))).any():
            columns += shown
    titles = {"utilisation": "used", "stock_use": "sold", "target_roi": "target ROI", "roi": "ROI"}
    table = grid(title, ["campaign", "agent", *(titles.get(name, name) for name in columns)], left=2)
    for row in frame.head(MOST_ROWS).to_dict("records"):
        cells = [number(row[name], "stock_use" if name == "utilisation" else name) for name in columns]
        table.add_row(row["campaign"], row["agent"], *cells, style="red" if row["roi_shortfall"] > 0.02 else None)
    if len(frame) > MOST_ROWS:
        table.caption = f"and {len(frame) - MOST_ROWS:,} more"
    return table


def summary_table(title: str, found: Mapping[str, Mapping[str, float | None]]) -> Table:
    """A row per metric that is defined: mean and interval."""
    table = grid(title, ["", "", "95 % interval"])
    for metric, row in found.items():
        if row["mean"] is not None:
            table.add_row(words(metric), number(row["mean"], metric), span(row, metric))
    if all(row["low"] is None for row in found.values()):
        table.columns.pop()
        table.show_header = False
    return table


def comparison_table(comparison: "Comparison") -> Table:
    """A block per metric: means of all variants, and their paired differences to the baseline."""
    summary, baseline = comparison.summary(), comparison.baseline
    means, differences = summary["variants"], summary["differences"]
    count = len(comparison.seeds)
    title = f"{comparison.scenario.name}: means over {count} seeds, differences to {baseline} on the same seeds"
    headings = ["", comparison.varied, "mean", "95 % interval", "difference", "95 % interval", ""]
    table = grid(title, headings, left=2)
    for metric in COMPARED:
        weightless = metric == "weighted_objective" and comparison.scenario.auction.beta == 0
        if weightless or not any(means[variant][metric]["mean"] for variant in means):
            continue
        for place, variant in enumerate(means):
            row = means[variant][metric]
            cells = [number(row["mean"], metric), span(row, metric)]
            if variant != baseline:
                row = differences[variant][metric]
                cells += [number(row["mean"], metric), span(row, metric), "*" if row["excludes_zero"] else ""]
            table.add_row("" if place else words(metric), variant, *cells)
        table.add_section()
    return table


def comparison_notes(comparison: "Comparison") -> list[str]:
    """What else a reader must know: marks, variants that coincide, mechanisms that were left out."""
    notes = ["* the interval of the difference excludes 0."] if len(comparison.variants) > 1 else []
    for group in _coinciding(comparison):
        why = ": with one slot they are one auction" if ONE_AUCTION.issuperset(group) else " on every seed"
        notes.append(f"{', '.join(group[:-1])} and {group[-1]} coincide{why}.")
    return notes + [f"Left out: {name} ({reason.rstrip('.')})." for name, reason in comparison.left_out.items()]


def _coinciding(comparison: "Comparison") -> list[list[str]]:
    """Groups of variants with the same results on every seed."""
    groups: dict[bytes, list[str]] = {}
    for name, rows in comparison.runs.groupby("variant", sort=False):
        groups.setdefault(rows[comparison.metrics].to_numpy().tobytes(), []).append(str(name))
    return [group for group in groups.values() if len(group) > 1]


def replay_table(replay: "Replay") -> Table:
    """A row per budget and bidder."""
    facts = replay.facts
    title = f"{facts['impressions']:,} impressions, {facts['clicks']:,} clicks, cost {facts['cost']:,}"
    headings = ["bidder", "c0", "budget", "impressions", "clicks", "95 % interval", "cost", "win rate", "CPM", "eCPC"]
    table = grid(title, headings)
    for row in replay.bidders.to_dict("records"):
        table.add_row(
            f"{row['bidder']} {row['parameters'].replace(':', ' ')}".strip(),
            f"{row['c0']:g}",
            *(f"{row[name]:,}" for name in ("budget", "impressions", "clicks")),
            f"{number(row['clicks_low'])} to {number(row['clicks_high'])}",
            f"{row['cost']:,}",
            f"{row['win_rate']:.1%}",
            number(row["cpm"]),
            number(row["ecpc"]),
        )
    return table


def replay_notes(replay: "Replay") -> list[str]:
    """Where the bidders' knowledge came from, if not from predictions and an earlier log."""
    notes = []
    if replay.facts["statistics_from"] == "log":
        notes.append(
            "Budgets and averages are those of the replayed log itself; --info or --train gives earlier ones."
        )
    if replay.facts["values_from"] != "pctr":
        notes.append("The log has no pctr: every bidder sees the average click rate.")
    return notes


def evaluation_table(found: "Evaluation") -> Table:
    """A row per bidder: its score, the model's paired difference to it, and what else a campaign cares for."""
    summary, count = found.summary(), len(found.seeds)
    over = "one unseen seed" if count == 1 else f"{count} unseen seeds"
    title = f"{found.campaign} of {found.scenario.name}: means over {over}, differences to {found.model} on the same"
    shown = [name for name in EVALUATED if any(row.get(name, {}).get("mean") for row in summary["bidders"].values())]
    headings = ["", "score", "95 % interval", f"{found.model} better by", "95 % interval", ""]
    table = grid(title, [*headings, *(words(name) for name in shown)])
    for bidder, metrics in summary["bidders"].items():
        cells = [number(metrics["score"]["mean"]), span(metrics["score"])]
        row = summary["differences"].get(bidder, {}).get("score")
        cells += [number(row["mean"]), span(row), "*" if row["excludes_zero"] else ""] if row else ["", "", ""]
        cells += [number(metrics[name]["mean"], name) for name in shown]
        table.add_row(bidder, *cells, style="bold" if bidder == found.model else None)
    return table


def evaluation_notes(found: "Evaluation") -> list[str]:
    """What else a reader must know: marks, agents that coincide or were left out."""
    from adsim.experiments.evaluate import coinciding

    notes = ["* the interval of the difference excludes 0."] if len(found.bidders) > 1 else []
    notes += [f"{', '.join(group[:-1])} and {group[-1]} coincide on every seed." for group in coinciding(found.runs)]
    return notes + [f"Left out: {name} ({reason.rstrip('.')})." for name, reason in found.left_out.items()]


def catalogue_table(kind: str, entries: Mapping[str, Mapping[str, Any]]) -> Table:
    """What there is of one kind: name, parameters if any take some, description."""
    configurable = any(entry.get("parameters") for entry in entries.values())
    headings = ["name", "parameters", "description"] if configurable else ["name", "description"]
    table = grid(kind.capitalize(), headings, left=3)
    table.columns[-1].no_wrap = False
    for name, entry in entries.items():
        parameters = " ".join(f"{key}={value}" for key, value in entry.get("parameters", {}).items())
        table.add_row(name, *([parameters] if configurable else []), entry["summary"])
    return table
