"""``adsim run``: one market."""

from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING

from rich.table import Table

import adsim
from adsim.cli import console
from adsim.cli.app import app
from adsim.cli.options import Changes, Json, Out, ScenarioName, Seed, Seeds, Workers, checked_folder, chosen_scenario
from adsim.cli.saving import save, saved

if TYPE_CHECKING:
    from adsim.market.result import Result

MOST_ROWS = 60


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

    from adsim.experiments.comparison import compare, figures, landscape

    folder, market = checked_folder(out), chosen_scenario(scenario, changes)
    mechanism = market.auction.mechanism
    with console.progress("ticks") as progress:
        tick = count(1)
        result = adsim.Market(market, seed).run(progress=lambda: progress(next(tick), market.market.ticks))
    runs = pd.DataFrame([{"variant": mechanism, "seed": seed, **result.summary}])
    if seeds != 1:
        with console.progress("markets") as progress:
            found = compare.compare(
                market,
                mechanisms=[mechanism],
                seeds=seeds,
                first_seed=seed,
                optimum=False,
                workers=workers,
                progress=progress,
            )
        runs = found.runs
    table = compare.means(runs)
    summary = compare.nested(table)[mechanism]
    if folder:
        with console.progress("bid landscape") as progress:
            curve = landscape.landscape(adsim.Market(market, seed), recorded=result, progress=progress)
        tables = {"campaigns": result.campaigns, "ticks": result.ticks, "runs": runs, "summary": table}
        facts = {"scenario": market.model_dump(mode="json"), "seeds": runs["seed"].tolist()}
        save(folder, {**tables, "landscape": curve}, figures.of_market(result, curve), facts)
    if as_json:
        console.print_json(scenario=market.name, mechanism=mechanism, seeds=runs["seed"].tolist(), summary=summary)
    else:
        title = f"{market.name} under {mechanism}, "
        campaigns = _campaigns_table(f"{title}seed {seed}", result)
        over = f"means over {seeds} seeds" if seeds > 1 else f"seed {seed}"
        console.show(campaigns, _summary_table(title + over, summary), *saved(folder))


def _campaigns_table(title: str, result: "Result") -> Table:
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
    table = console.grid(title, ["campaign", "agent", *(titles.get(name, name) for name in columns)], left=2)
    for row in frame.head(MOST_ROWS).to_dict("records"):
        cells = [console.number(row[name], "stock_use" if name == "utilisation" else name) for name in columns]
        table.add_row(row["campaign"], row["agent"], *cells, style="red" if row["roi_shortfall"] > 0.02 else None)
    if len(frame) > MOST_ROWS:
        table.caption = f"and {len(frame) - MOST_ROWS:,} more"
    return table


def _summary_table(title: str, found: Mapping[str, Mapping[str, float | None]]) -> Table:
    """A row per metric that is defined: mean and interval."""
    table = console.grid(title, ["", "", "95 % interval"])
    for metric, row in found.items():
        if row["mean"] is not None:
            table.add_row(console.words(metric), console.number(row["mean"], metric), console.span(row, metric))
    if all(row["low"] is None for row in found.values()):
        table.columns.pop()
        table.show_header = False
    return table
