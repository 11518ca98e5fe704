"""The format of a log, found by its content and never by its name."""

from pathlib import Path
from typing import Any

from adsim import registry
from adsim.errors import LogError
from adsim.logs.base import Log
from adsim.logs.opening import first_lines


def open_log(path: str | Path, format: str | None = None, **parameters: Any) -> Log:
    """The reader of a log.

    Parameters
    ----------
    path : str or Path
        Plain text, gzip or bzip2.
    format : str, optional
        Name of a registered format; found by content unless given.
    **parameters
        What the format takes besides (``clicks`` for iPinYou's raw impression logs).

    Raises
    ------
    LogError
        When the file cannot be read, is empty, or is of no known format.
    UnknownName
        For an unknown format or parameter.
    """
    log: Log = registry.create("logs", format or format_of(path), {"path": path, **parameters})
    return log


def format_of(path: str | Path) -> str:
    """The one registered format that recognises the first lines of a file.

    Raises
    ------
    LogError
        When no format does, or several do.
    """
    lines = first_lines(path)
    formats = {name: registry.load("logs", name) for name in sorted(registry.known("logs"))}
    found = [name for name, log in formats.items() if log.matches(lines)]
    if len(found) > 1:
        raise LogError(f"{path}: could be {' or '.join(found)}. Name the format (format=...).")
    if not found:
        known = "; ".join(f"{name}: {log.description}" for name, log in formats.items())
        raise LogError(f"{path}: unrecognised format. Known are {known}.")
    return found[0]
