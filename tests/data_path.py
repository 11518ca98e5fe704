"""Where the real logs lie that tests may use; they are not part of the repository."""

import os
from pathlib import Path

import pytest


def shared_data(name: str) -> Path:
    """A file among the shared data (ADSIM_DATA, or ../shared/data); skips the test where it is absent."""
    root = Path(os.environ.get("ADSIM_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    path = root / name
    if not path.exists():
        pytest.skip(f"needs {name} among the shared data (set ADSIM_DATA)")
    return path
