"""Where machine code is kept: one folder for each state of the sources, old ones swept."""

import importlib
import os
import time
from pathlib import Path

import pytest
from numba.core.dispatcher import Dispatcher

from adsim.kernels import jit


def test_only_old_folders_of_other_versions_are_swept(tmp_path: Path) -> None:
    old, young, other = (tmp_path / name for name in ("kernels-" + "0" * 16, "kernels-" + "1" * 16, "kernels-notes"))
    for folder in (old, young, other):
        folder.mkdir()
    for folder in (old, other):
        os.utime(folder, (time.time() - 31 * 86_400,) * 2)
    jit.forget_unused(tmp_path)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == [young.name, other.name]


def write(package: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).write_text(text)


PACKAGE = {
    "__init__.py": "",
    "kernels/sums.py": "from adsim.kernels.jit import jit\nfrom adsim.market import sizes as s, other\n",
    "market/__init__.py": "",
    "market/sizes.py": "import adsim.deep\nWIDTH = 8\n",
    "market/other.py": "",
    "deep.py": "from adsim.market.many import (\n    DEPTH,\n)\n",
    "market/many.py": "DEPTH = 3\n",
    "envs/handed.py": "class Seats(NamedTuple):\n    first: int\n\n    second: int\n\n\nSIZE = 1\n",
    "envs/drawing.py": "from adsim.kernels.sums import total\n",
}


@pytest.mark.parametrize(
    ("name", "text", "fresh"),
    [
        ("kernels/sums.py", "x", True),
        ("market/sizes.py", "WIDTH = 9", True),
        ("market/other.py", "x = 1", True),
        ("deep.py", "DEPTH = 2", True),
        ("market/many.py", "DEPTH = 4", True),
        ("envs/handed.py", PACKAGE["envs/handed.py"].replace("second", "third"), True),
        ("envs/handed.py", PACKAGE["envs/handed.py"].replace("SIZE", "COUNT"), False),
        ("envs/drawing.py", "x = 1", False),
        ("envs/new.py", "x = 1", False),
        ("envs/new.py", "from adsim.kernels.jit import inline\n", True),
        ("market/__init__.py", "x = 1", False),
    ],
)
def test_an_edit_of_what_is_compiled_in_starts_a_new_folder(
    name: str, text: str, fresh: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, PACKAGE)
    monkeypatch.setattr(jit, "_PACKAGE", tmp_path)
    before = jit._cache_folder()
    assert jit._cache_folder() == before
    write(tmp_path, {name: text})
    assert (jit._cache_folder() != before) is fresh


def test_pictures_and_wrappers_are_not_compiled_in_but_their_kernels_are() -> None:
    found = jit.compiled_sources(jit._PACKAGE)
    whole = {name for name, text in found.items() if "adsim.kernels.jit" in text}
    assert {"adsim.envs.stepping", "adsim.agents.pid", "adsim.market.fleet", "adsim.mechanisms.first_price"} <= whole
    assert "class Constraints(NamedTuple)" in found["adsim.types"]
    assert "class Speaker(NamedTuple)" in found["adsim.market.markets"]
    for name in ("envs.wrappers", "envs.bidding", "envs.engine", "cli", "experiments.compare"):
        assert f"adsim.{name}" not in found
    assert len(found["adsim.envs.rendering"].splitlines()) < 30


def test_every_module_whose_numbers_a_kernel_uses_is_compiled_in() -> None:
    """All that the globals of compiled functions come from, as far as it tells where that is."""
    found = jit.compiled_sources(jit._PACKAGE)
    for name in found:
        module = importlib.import_module(name)
        for kernel in vars(module).values():
            if isinstance(kernel, Dispatcher) and kernel.__module__ == name:
                for used in kernel.py_func.__code__.co_names:
                    home = getattr(kernel.py_func.__globals__.get(used), "__module__", None)
                    assert home in found or not str(home).startswith("adsim")
