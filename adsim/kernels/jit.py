"""The one way kernels are compiled, and where their machine code is kept.

numba's own cache misses edits in *other* files: a cached caller keeps a stale callee. The cache folder is
therefore named after a hash of all compiled sources, so that any edit starts a fresh one.
"""

import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numba

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}

_PACKAGE = Path(__file__).resolve().parent.parent
_COMPILED = ("kernels", "mechanisms", "predictors", "market", "agents", "envs")


def _cache_folder() -> str:
    digest = hashlib.sha256()
    for part in _COMPILED:
        for source in sorted((_PACKAGE / part).glob("*.py")):
            digest.update(source.read_bytes())
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
