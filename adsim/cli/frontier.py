"""``adsim frontier``: mechanisms at their best against the optimum, over weights of user experience and stocks."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from adsim.cli import console
from adsim.cli.app import app
from adsim.cli.options import (
    Changes,
    Json,
    Out,
    ScenarioName,
    Seed,
    Seeds,
    Workers,
    checked_folder,
    chosen_scenario,
    numbers,
    split,
)
from adsim.cli.saving import save, saved

if TYPE_CHECKING:
    from adsim.experiments.frontier.frontier import Frontier

SHARES = {"objective_share": "objective", "revenue_share": "revenue"}
MEANS = {"roi_kept": "ROI kept", "stock_use": "stock used", "stock_overshoot": "overshoot", "converged": "converged"}


@app.command(name="frontier")
def frontier_(
    scenario: ScenarioName,
    betas: Annotated[
        str, typer.Option(metavar="A,B", help="Weights of user experience in score and objective.")
    ] = "0,0.2,0.5,1,2",
    stocks: Annotated[str, typer.Option(metavar="A,B", help="Factors on every campaign's stock.")] = "0.5,1,2",
    mechanisms: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="LPA, first price, second price (or GSP, VCG) and split unless given."),
    ] = None,
    seed: Seed = 0,
    seeds: Seeds = 20,
    changes: Changes = [],  # noqa: B006
    workers: Workers = 1,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Liquid welfare against user experience: every mechanism at its best, and the optimum."""
    from adsim.experiments.frontier import figures as frontier_figures
    from adsim.experiments.frontier.frontier import frontier

    folder, market = checked_folder(out), chosen_scenario(scenario, changes)
    with console.progress("markets") as progress:
        found = frontier(
            market,
            betas=numbers(betas, "--betas"),
            stocks=numbers(stocks, "--stocks"),
            mechanisms=None if mechanisms is None else split(mechanisms),
            seeds=seeds,
            first_seed=seed,
            workers=workers,
            progress=progress,
        )
    if folder:
        tables = {name: getattr(found, name) for name in ("runs", "optima", "table", "differences")}
        facts = {"scenario": market.model_dump(mode="json"), "seeds": found.seeds}
        facts |= {"betas": found.betas, "stocks": found.stocks, "mechanisms": found.mechanisms}
        save(folder, tables, frontier_figures.of_frontier(found), facts)
    if as_json:
        console.print_json(**found.summary())
    else:
        console.show(_table(found), *_notes(found, chosen=mechanisms is not None), *saved(folder))


def _table(found: "Frontier") -> Table:
    """A block per stock and beta, a row per mechanism: shares of the optimum, and what else counts."""
    names = ["stocks", "beta", "mechanism", "metric"]
    means = found.table.set_index(names)["mean"]
    gaps = found.differences.set_index(names)[["mean", "excludes_zero"]].T.to_dict("list")
    title = f"{found.scenario.name}: mechanisms at their best, means over {console.count(len(found.seeds), 'seed')}"
    pairs = [heading for words in SHARES.values() for heading in (words, f"to {found.baseline}", "")]
    table = console.grid(title, ["stock", "beta", "mechanism", *pairs, *MEANS.values()])
    for factor in found.stocks:
        for place, beta in enumerate(found.betas):
            for row, name in enumerate(found.mechanisms):
                cells = ["" if row else f"{beta:g}", name]
                for metric in SHARES:
                    key = (factor, beta, name, metric)
                    cells.append(console.number(means[key], metric))
                    cells += _gap(*gaps[key]) if key in gaps else ["", ""]
                cells += [console.number(means[factor, beta, name, metric], metric) for metric in MEANS]
                table.add_row("" if row or place else f"\N{MULTIPLICATION SIGN} {factor:g}", *cells)
            table.add_section()
    return table


def _gap(mean: float, excludes_zero: bool) -> list[str]:
    """A difference of shares in percentage points, and a star."""
    return [f"{100 * mean:+z.2f}", "*" if excludes_zero else ""]


def _rest(found: "Frontier") -> str:
    """How many calibrations are an equilibrium, and how near."""
    from adsim.experiments.optimum.best_responses import TOLERANCE

    runs = found.runs
    failed = runs.loc[~runs["converged"], "mechanism"].value_counts(sort=False)
    which = f" ({', '.join(f'{name} {count}' for name, count in failed.items())})" if len(failed) else ""
    return (
        f"{failed.sum()} of {len(runs)} calibrations did not converge{which}: with another constant multiplier some "
        f"seller would sell {TOLERANCE:.0%}, and more than one opportunity, more. All sellers miss "
        f"{runs['missed_share'].mean():.2g} of sales in the mean, {runs['missed_share'].max():.2g} at most; the "
        f"objective still moved by {runs['drift'].mean():.2g} in the mean, {runs['drift'].max():.2g} at most."
    )


def _notes(found: "Frontier", *, chosen: bool) -> list[str]:
    """What the columns mean, which differences are there, what did not converge and what was left out."""
    cells = len(found.betas) * len(found.stocks)
    notes = [
        "objective, revenue: shares of the optimum's weighted objective and liquid welfare, and percentage points to "
        f"{found.baseline}; * the interval of the difference excludes 0. overshoot: if nobody left when sold out."
    ]
    rows = found.differences[found.differences["excludes_zero"]]
    for metric, words in SHARES.items():
        parts = []
        for name in [name for name in found.mechanisms if name != found.baseline]:
            gaps = rows.loc[(rows["metric"] == metric) & (rows["mechanism"] == name), "mean"]
            parts.append(f"{name} below {found.baseline} in {(gaps < 0).sum()}, above in {(gaps > 0).sum()}")
        if parts:
            notes.append(f"{words.capitalize()}, intervals that exclude 0, of {cells}: {'; '.join(parts)}.")
    notes.append(_rest(found))
    if not found.optima["exact"].all():
        notes.append("The optimum is an upper bound here: shares of the objective are at least those shown.")
    if not chosen and len(found.scenario.auction.slot_exposure) == 1:
        notes.append("second_price stands for gsp and vcg: with one slot they are one auction.")
    return notes
