"""``adsim list``: what there is."""

import inspect
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

import adsim
from adsim import registry
from adsim.cli import console
from adsim.cli.app import app
from adsim.cli.options import Json
from adsim.errors import UnknownName

KINDS = ("mechanisms", "agents", "predictors", "scenarios", "logs")


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
        console.print_json(**found)
    else:
        console.show(*(_catalogue_table(name, entries) for name, entries in found.items()))


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


def _catalogue_table(kind: str, entries: Mapping[str, Mapping[str, Any]]) -> Table:
    """What there is of one kind: name, parameters if any take some, description."""
    configurable = any(entry.get("parameters") for entry in entries.values())
    headings = ["name", "parameters", "description"] if configurable else ["name", "description"]
    table = console.grid(kind.capitalize(), headings, left=3)
    table.columns[-1].no_wrap = False
    for name, entry in entries.items():
        parameters = " ".join(f"{key}={value}" for key, value in entry.get("parameters", {}).items())
        table.add_row(*map(escape, [name, *([parameters] if configurable else []), entry["summary"]]))
    return table
