"""What the commands save."""

import sys
from pathlib import Path
from typing import Any


def save(folder: Path, tables: dict[str, Any], figures: dict[str, Any], facts: dict[str, Any]) -> None:
    """Save tables, figures and facts, with the command that made them."""
    from adsim.experiments import output

    output.save(folder, tables, figures, {"command": ["adsim", *sys.argv[1:]], **facts})


def saved(folder: Path | None) -> list[str]:
    """The line that names the folder, if there is one."""
    return [f"Saved to {folder}."] if folder else []
