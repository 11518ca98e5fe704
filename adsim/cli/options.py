"""Options of the commands, and what their texts stand for."""

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import adsim
from adsim import registry
from adsim.errors import AdsimError

if TYPE_CHECKING:
    from adsim.market.scenario import Scenario

ScenarioName = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="Name of a shipped scenario, or a TOML file.", show_default=False)
]
Seed = Annotated[int, typer.Option(help="First seed.")]
Seeds = Annotated[int, typer.Option(help="Number of seeds.")]
Changes = Annotated[
    list[str],
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change the scenario: auction.mechanism=gsp.", show_default=False
    ),
]
Workers = Annotated[int, typer.Option(help="Processes; results do not depend on it.")]
Threads = Annotated[int, typer.Option(help="How many share the markets; results do not depend on it.")]
SeatNames = Annotated[
    str, typer.Option(metavar="N|A,B", help="How many campaigns' seats, or which by number or name (0, for one).")
]
Campaign = Annotated[str | None, typer.Option(metavar="NAME", help="Campaign to bid for, by name or number.")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Save tables, figures and run.json.")]
Json = Annotated[bool, typer.Option("--json", help="Print the summary alone, as JSON.")]


def chosen_scenario(name: str, changes: list[str]) -> "Scenario":
    """The scenario of that name, changed."""
    return changed(adsim.load_scenario(name), changes)


def changed(scenario: "Scenario", changes: list[str]) -> "Scenario":
    """A scenario with what ``--set`` says."""
    values = pairs("--set", changes, "auction.mechanism=gsp")
    return scenario.replace(values) if values else scenario


def pairs(option: str, given: list[str], example: str) -> dict[str, Any]:
    """What KEY=VALUE options say."""
    found = {}
    for change in given:
        key, equals, text = change.partition("=")
        if not (key and equals):
            raise AdsimError(f"{option} {change}: expected KEY=VALUE, such as {example}.")
        found[key.strip()] = registry.literal(text.strip())
    return found


def split(text: str) -> list[str]:
    """The parts between commas, each once."""
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def fraction(text: str) -> float:
    """A share of ``--c0``, as a decimal or a fraction."""
    try:
        return float(Fraction(text))
    except (ValueError, ZeroDivisionError):
        raise AdsimError(f"--c0 {text}: must be a number or a fraction, such as 1/32.") from None


def horizons(text: str, option: str = "--horizons") -> list[int]:
    """Lengths that an option gives: a list, or ``a:b`` for a, twice a and so on to b at most.

    >>> horizons("250:2000"), horizons("100,300")
    ([250, 500, 1000, 2000], [100, 300])
    """
    first, colon, last = text.partition(":")
    try:
        found = [int(part) for part in ([first, last] if colon else split(text))]
    except ValueError:
        found = []
    if not found or min(found) < 1 or (colon and found[0] > found[1]):
        raise AdsimError(f"{option} {text}: must be whole numbers from 1, as 250,1000 or as 250:16000 to double.")
    if not colon:
        return found
    return [found[0] << doublings for doublings in range((found[1] // found[0]).bit_length())]


def counts(text: str, option: str, least: int = 1) -> list[int]:
    """Whole numbers from ``least`` that an option lists, or ``a:b`` for all from a to b.

    >>> counts("2:4", "--participants"), counts("2,6", "--participants")
    ([2, 3, 4], [2, 6])
    """
    first, colon, last = text.partition(":")
    try:
        found = list(range(int(first), int(last) + 1)) if colon else [int(part) for part in split(text)]
    except ValueError:
        found = []
    if not found or min(found) < least:
        raise AdsimError(f"{option} {text}: must be whole numbers from {least}, as 2,4 or as 2:6 for all between.")
    return found


def numbers(text: str, option: str) -> list[float]:
    """Numbers that an option lists.

    >>> numbers("0, 0.5,1", "--betas")
    [0.0, 0.5, 1.0]
    """
    try:
        return [float(part) for part in split(text)]
    except ValueError:
        raise AdsimError(f"{option} {text}: must be numbers, as 0.5,1,2.") from None


def seats_of(text: str) -> int | list[int | str]:
    """How many seats of campaigns, or a list of them by number or name.

    >>> seats_of("6"), seats_of("0,7"), seats_of("0,"), seats_of("shop-1")
    (6, [0, 7], [0], ['shop-1'])
    """
    count = registry.literal(text)
    if isinstance(count, int):
        return count
    return [each if isinstance(each, int) else str(each) for each in map(registry.literal, split(text))]


def checked_folder(out: Path | None) -> Path | None:
    """The folder for results, found to be writable before any work is done."""
    from adsim.experiments.output import check_folder

    return None if out is None else check_folder(out)
