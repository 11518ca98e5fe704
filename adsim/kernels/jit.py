"""The one way kernels are compiled, and where their machine code is kept.

numba's own cache misses edits in *other* files: a cached caller keeps a stale callee. The cache folder is
therefore named after a hash of all sources that machine code is made of, so that an edit of any starts a fresh one.
"""

import hashlib
import os
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numba

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}

_PACKAGE = Path(__file__).resolve().parent.parent
_IMPORT = re.compile(r"^\s*from (adsim[\w.]*) import (\([^)]*\)|.*)|^\s*import (adsim[\w.]*)", re.MULTILINE)
_TUPLE = re.compile(r"^class \w+\(NamedTuple\):.*\n(?:[ \t].*\n|\n)*", re.MULTILINE)


def compiled_sources(package: Path) -> dict[str, str]:
    """What machine code is made of: text by name of module.

    Modules that compile, and those that they import, directly or not, for their functions and constants; of others
    the named tuples, since the order of their fields is compiled in.
    """
    paths = [path for depth in ("", "*/", "*/*/") for path in package.glob(f"{depth}*.py")]
    names = [".".join(("adsim", *path.relative_to(package).with_suffix("").parts)) for path in paths]
    modules = {
        name.removesuffix(".__init__"): path.read_text("utf-8") for name, path in zip(names, paths, strict=True)
    }
    found = {name: "".join(_TUPLE.findall(text)) for name, text in modules.items()}
    left = {name for name, text in modules.items() if "adsim.kernels.jit" in text}
    while left:
        name = left.pop()
        found[name] = modules[name]
        left |= {other for other in _imported(modules, name) if found[other] != modules[other]}
    return {name: text for name, text in sorted(found.items()) if text}


def _imported(modules: Mapping[str, str], name: str) -> set[str]:
    """Those of some modules that one of them imports from."""
    found = set()
    for module, names, whole in _IMPORT.findall(modules[name]):
        inner = {f"{module}.{each}" for each in re.findall(r"\w+", re.sub(r"\bas \w+", "", names))}
        found |= inner
        if whole or not inner <= modules.keys():
            found.add(whole or module)
    return found & modules.keys()


def _cache_folder() -> str:
    digest = hashlib.sha256()
    for name, text in compiled_sources(_PACKAGE).items():
        digest.update(f"{name}\0{text}\0".encode())
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    root = Path(numba.config.CACHE_DIR or Path(home) / "adsim")
    folder = root / f"kernels-{digest.hexdigest()[:16]}"
    if not folder.exists():
        forget_unused(root)
    return str(folder)


def forget_unused(root: Path, days: float = 30) -> None:
    """Remove machine code of other versions of the sources that nothing was added to for so long."""
    for folder in root.glob("kernels-" + "[0-9a-f]" * 16):
        if folder.stat().st_mtime < time.time() - days * 86_400:
            shutil.rmtree(folder, ignore_errors=True)


_FOLDER = _cache_folder()


def jit(function: Any) -> Any:
    """Compile without fastmath, without the interpreter lock, with IEEE division, cached on disk.

    The bits of a result are then the same on every machine with fused multiply-add, whatever the
    width of its vectors or the number of threads. Kernels get no memory manager (``_nrt``): one that allocated would
    not compile, and counting references to arrays in tuples would cost half as much as an auction.
    """
    return _compile(function, inline="never")


def inline(function: Any) -> Any:
    """Compile into each caller: for the thin layers that hand tuples of arrays on.

    A call that passes thirty arrays by value costs a hundred nanoseconds, as much as the work on a small tile.
    """
    return _compile(function, inline="always")


def _compile(function: Any, inline: str) -> Any:
    if numba.config.DISABLE_JIT:
        return function
    outside = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = _FOLDER
    try:
        return numba.njit(cache=True, inline=inline, **OPTIONS)(function)
    finally:
        numba.config.CACHE_DIR = outside
