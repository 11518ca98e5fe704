"""Where machine code is kept: one folder for each state of the sources, old ones swept."""

import os
import time
from pathlib import Path

from adsim.kernels import jit


def test_only_old_folders_of_other_versions_are_swept(tmp_path: Path) -> None:
    old, young, other = (tmp_path / name for name in ("kernels-" + "0" * 16, "kernels-" + "1" * 16, "kernels-notes"))
    for folder in (old, young, other):
        folder.mkdir()
    for folder in (old, other):
        os.utime(folder, (time.time() - 31 * 86_400,) * 2)
    jit.forget_unused(tmp_path)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == [young.name, other.name]


def test_an_edit_of_any_compiled_source_starts_a_new_folder(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "kernels").mkdir()
    source = tmp_path / "kernels" / "some.py"
    source.write_text("x = 1")
    monkeypatch.setattr(jit, "_PACKAGE", tmp_path)
    before = jit._cache_folder()
    source.write_text("x = 2")
    assert jit._cache_folder() != before
