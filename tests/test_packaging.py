"""What is shipped: every folder of code, the scenarios, and a command that runs from elsewhere."""

import json
import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_folder_of_code_is_listed() -> None:
    files = [*(ROOT / "adsim").glob("*/__init__.py"), *(ROOT / "adsim").glob("*/*/__init__.py")]
    folders = {".".join(path.parent.relative_to(ROOT).parts) for path in files}
    assert set(SETTINGS["tool"]["setuptools"]["packages"]) == folders | {"adsim"}


def test_the_links_for_tools_and_bare_clones_stand() -> None:
    assert {os.readlink(ROOT / "adsim" / name) for name in ("agents", "scenarios")} == {"../agents", "../scenarios"}


def test_import_loads_only_what_auctions_and_the_names_of_environments_need() -> None:
    heavy = [
        "torch",
        "pandas",
        "pydantic",
        "scipy.optimize",
        "matplotlib",
        "typer",
        "rich",
        "joblib",
        "pyarrow",
        "pettingzoo",
    ]
    code = f"import sys, adsim; print([name for name in {heavy!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_version_is_the_one_of_the_distribution() -> None:
    import adsim

    assert adsim.__version__ == SETTINGS["project"]["version"]


@pytest.mark.slow
def test_a_wheel_runs_a_scenario_from_elsewhere(tmp_path: Path) -> None:
    """The wheel is made from the source distribution; its fresh environment borrows this one's dependencies."""
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("adsim-*.whl")
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel], check=True)
    (site,) = environment.glob("lib/python*/site-packages")
    borrowed = next(Path(path) for path in sys.path if path.endswith("site-packages"))
    (site / "borrowed.pth").write_text(f"{borrowed}\n")
    where = subprocess.run(
        [python, "-c", "import adsim; print(adsim.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(environment) in where.stdout
    command = [environment / "bin" / "adsim", "run", "quickstart", "--set", "market.opportunities=2000", "--json"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)
