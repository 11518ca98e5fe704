"""Files that appear whole or not at all."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from adsim.errors import OutputError

LEVEL = 6
"""Of compression: a third of the time of the highest, for a few percent of size."""


@contextmanager
def written(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """A stream to write a file's bytes to, compressed if the path ends in .gz; equal bytes give equal files.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            if path.suffix == ".gz":
                with gzip.GzipFile("", "wb", LEVEL, file, mtime=0) as stream:
                    yield stream
            else:
                yield file
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}).") from None
    finally:
        with suppress(OSError):
            partial.unlink()
