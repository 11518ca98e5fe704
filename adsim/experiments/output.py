"""A folder of results: tables as Parquet and CSV, figures as PNG and SVG, and run.json to repeat it by."""

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from adsim.errors import OutputError

PACKAGES = ("adsim", "numpy", "numba", "scipy", "pandas", "matplotlib")


def check_folder(folder: str | Path) -> Path:
    """The folder, if files can be written to it; nothing is created yet.

    Raises
    ------
    OutputError
        When it, or the nearest folder above it that exists, can't be written to.
    """
    path = Path(folder).absolute()
    try:
        tempfile.TemporaryFile(dir=_existing(path)).close()
    except OSError as error:
        raise _complaint(path, error) from None
    return path


def save(
    folder: str | Path,
    tables: Mapping[str, pd.DataFrame],
    figures: Mapping[str, Figure],
    run: Mapping[str, Any],
) -> None:
    """Write results; each file appears whole or not at all, and none does unless all could be written.

    Parameters
    ----------
    folder : str or Path
        Created where missing; files of the same names are replaced.
    tables, figures : mapping
        By file name without its ending.
    run : mapping
        Of what `json` can write, for run.json; versions are added.

    Raises
    ------
    OutputError
        When a file can't be written.
    """
    with staged(folder) as staging:
        for name, table in tables.items():
            _write_table(staging / name, table)
        for name, figure in figures.items():
            _write_figure(staging / name, figure)
        _write_run(staging / "run.json", run)


@contextmanager
def staged(folder: str | Path) -> Iterator[Path]:
    """A new folder; what is written there moves to ``folder`` in the end, in the order of names, or not at all.

    Parameters
    ----------
    folder : str or Path
        Created where missing; files and folders of the same names are replaced.

    Raises
    ------
    OutputError
        When a file can't be written.
    """
    path = Path(folder).absolute()
    created = _first_missing(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".adsim-", dir=path) as staging:
            yield Path(staging)
            for entry in sorted(Path(staging).iterdir()):
                if entry.is_dir() and (path / entry.name).exists():
                    shutil.rmtree(path / entry.name)
                entry.replace(path / entry.name)
    except BaseException as error:
        if created is not None:
            shutil.rmtree(created, ignore_errors=True)
        if isinstance(error, OSError):
            raise _complaint(path, error) from None
        raise


def _write_table(stem: Path, table: pd.DataFrame) -> None:
    table.to_parquet(stem.with_suffix(".parquet"), index=False)
    table.to_csv(stem.with_suffix(".csv"), index=False, lineterminator="\n")


def _write_figure(stem: Path, figure: Figure) -> None:
    """Without dates and random identifiers, so that equal results give equal files."""
    with matplotlib.rc_context({"svg.hashsalt": "adsim"}):
        figure.savefig(stem.with_suffix(".svg"), metadata={"Date": None})
        figure.savefig(stem.with_suffix(".png"), dpi=150, metadata={"Software": None})


def _write_run(path: Path, run: Mapping[str, Any]) -> None:
    versions = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    facts = {**run, "versions": versions}
    path.write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _existing(path: Path) -> Path:
    """The path, or the nearest above it that exists."""
    return path if path.exists() else _existing(path.parent)


def _first_missing(path: Path) -> Path | None:
    """The topmost folder that has to be created."""
    missing = [place for place in (path, *path.parents) if not place.exists()]
    return missing[-1] if missing else None


def _complaint(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or os.strerror(error.errno or 0)
    return OutputError(f"{path}: results cannot be written there ({reason}). Name another folder (--out DIR).")
