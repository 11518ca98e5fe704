"""What a file is, found by its content and never by its name: its compression, and its log format."""

import bz2
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from adsim import registry
from adsim.errors import LogError

if TYPE_CHECKING:
    from adsim.logs.base import Log

HEAD_LINES, HEAD_BYTES = 20, 1 << 20
"""How far into a file its format is looked for."""


def open_log(path: str | Path, format: str | None = None, **parameters: Any) -> "Log":
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


def first_lines(path: str | Path) -> list[str]:
    """At most 20 lines from the beginning of a file, without their ends.

    Raises
    ------
    LogError
        When the file cannot be read or is empty.
    """
    with opened(path) as stream:
        lines = [stream.readline(HEAD_BYTES).decode(errors="replace") for _ in range(HEAD_LINES)]
    lines = [line.rstrip("\r\n") for line in lines if line]
    if not any(lines):
        raise LogError(f"{path}: the file is empty. A log holds one row per impression.")
    return lines


@contextmanager
def opened(path: str | Path) -> Iterator[IO[bytes] | gzip.GzipFile | bz2.BZ2File]:
    """The bytes of a file, decompressed where need be.

    Raises
    ------
    LogError
        When the file is missing, unreadable, damaged or cut short, whenever that comes to light.
    """
    try:
        with _open(Path(path)) as stream:
            yield stream
    except EOFError:
        raise LogError(f"{path}: the compressed data break off. Copy or download the file again.") from None
    except FileNotFoundError:
        raise LogError(f"{path}: there is no such file. Check the path.") from None
    except (OSError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise LogError(f"{path}: cannot be read ({reason}). Check the file.") from None


def _open(path: Path) -> IO[bytes] | gzip.GzipFile | bz2.BZ2File:
    with path.open("rb") as stream:
        magic = stream.read(3)
    if magic[:2] == b"\x1f\x8b":
        return gzip.open(path, "rb")
    if magic == b"BZh":
        return bz2.open(path, "rb")
    return path.open("rb")
