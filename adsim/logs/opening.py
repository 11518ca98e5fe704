"""Bytes and lines of a file, decompressed where its first bytes say so; what goes wrong, in words."""

import bz2
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from adsim.errors import LogError

HEAD_LINES, HEAD_BYTES = 20, 1 << 20
"""How far into a file its format is looked for."""


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
