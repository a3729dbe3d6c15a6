"""The code of a function: which files, in which order, how large, and where."""

from __future__ import annotations

import importlib
import io
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_functions import bundle, code

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def files_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str], str], dict[str, Path]]:
    """The files of a module's code, once a folder has these files and the module is imported from it."""
    root = tmp_path / "src"

    def make(content: dict[str, str], module: str) -> dict[str, Path]:
        for name, text in content.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.syspath_prepend(str(root))
        top = module.partition(".")[0]
        monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.delitem(sys.modules, top, raising=False)
        importlib.invalidate_caches()
        importlib.import_module(module)
        return code.files_of(module)

    return make


def test_a_package_travels_whole_and_alone(files_of: Callable[..., dict[str, Path]]) -> None:
    """With its data; without bytecode, hidden files and what lies beside it."""
    found = files_of(
        {
            "pack_a/__init__.py": "",
            "pack_a/jobs.py": "",
            "pack_a/deep/data.csv": "1",
            "pack_a/.env": "SECRET=1",
            "pack_a/.git/config": "",
            "pack_a/__pycache__/x.pyc": "",
            "other.py": "",
        },
        "pack_a.jobs",
    )
    assert sorted(found) == ["pack_a/__init__.py", "pack_a/deep/data.csv", "pack_a/jobs.py"]


def test_a_module_travels_with_what_it_imports_from_its_folder(
    files_of: Callable[..., dict[str, Path]],
) -> None:
    """Imports in functions included; other files of the folder are left."""
    found = files_of(
        {
            "mod_a.py": "import mod_b, json\ndef f():\n    from pack_b.x import y\n",
            "mod_b.py": "import mod_c",
            "mod_c.py": "import mod_a",
            "pack_b/__init__.py": "",
            "pack_b/x.py": "import mod_d\ny = 1",
            "pack_b/table.csv": "1",
            "mod_d.py": "",
            "unrelated.py": "",
            "notes.txt": "",
        },
        "mod_a",
    )
    assert sorted(found) == [
        "mod_a.py", "mod_b.py", "mod_c.py", "mod_d.py", "pack_b/__init__.py", "pack_b/table.csv",
        "pack_b/x.py",
    ]  # fmt: skip


def test_a_file_of_a_package_run_by_its_path_travels_with_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`flyte-connectors run pack_d/flow.py` imports it as `flow`, which may import `pack_d`."""
    folder = tmp_path / "pack_d"
    folder.mkdir()
    for name, text in {"__init__.py": "", "flow.py": "import pack_d.rows", "rows.py": ""}.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(folder))
    importlib.import_module("flow")
    assert sorted(code.files_of("flow")) == [
        "flow.py", "pack_d/__init__.py", "pack_d/flow.py", "pack_d/rows.py",
    ]  # fmt: skip


def test_ignored_files_stay(files_of: Callable[..., dict[str, Path]]) -> None:
    """By the files of all folders from the top of the work tree on; the nearest decides."""
    found = files_of(
        {
            ".git/HEAD": "",
            ".gitignore": "*.bin\nbuild/\n/pack_c/top.txt\n",
            "pack_c/.gitignore": "!kept.bin\n*.log\n",
            "pack_c/__init__.py": "",
            "pack_c/model.bin": "",
            "pack_c/kept.bin": "",
            "pack_c/top.txt": "",
            "pack_c/a.log": "",
            "pack_c/build/x.py": "",
            "pack_c/deep/top.txt": "",
        },
        "pack_c",
    )
    assert sorted(found) == ["pack_c/__init__.py", "pack_c/deep/top.txt", "pack_c/kept.bin"]


def test_an_installed_module_does_not_travel() -> None:
    """It has to be installed where the job runs, too."""
    assert code.files_of("pytest") == {}
    assert code.files_of("json") == {}
    assert code.files_of("sys") == {}


def test_the_same_files_are_the_same_bytes(tmp_path: Path) -> None:
    """Whatever their order and dates."""
    first, second = tmp_path / "a.py", tmp_path / "b.py"
    first.write_text("1")
    second.write_text("2")
    packed = bundle.pack("m", {"a.py": first, "b.py": second})
    second.touch()
    assert bundle.pack("m", {"b.py": second, "a.py": first}) == packed
    second.write_text("3")
    assert bundle.pack("m", {"a.py": first, "b.py": second}) != packed
    assert zipfile.ZipFile(io.BytesIO(packed)).namelist() == ["a.py", "b.py"]


def test_code_over_the_limit_is_refused_by_its_largest_file(tmp_path: Path) -> None:
    """Before anything starts."""
    small, large = tmp_path / "a.py", tmp_path / "model.bin"
    small.write_text("1")
    with large.open("wb") as file:
        file.truncate(bundle.LARGEST)
    with pytest.raises(InvalidRequestError) as caught:
        bundle.pack("etl", {"a.py": small, "etl/model.bin": large})
    assert str(caught.value) == (
        "the code of module 'etl' has 10.0 MiB, more than 10.0 MiB, of which "
        "etl/model.bin has 10.0 MiB: name it in .gitignore, or pass it as a File"
    )


def test_code_is_stored_once(
    files_of: Callable[..., dict[str, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the output prefix where one is set, else with the run history; never with a second name."""
    monkeypatch.setenv("FLYTE_CONNECTORS_OUTPUT_PREFIX", (tmp_path / "out").as_uri())
    files_of({"mod_e.py": ""}, "mod_e")
    first = bundle.stored("mod_e")
    assert bundle.stored("mod_e") == first
    assert first.uri == f"{(tmp_path / 'out').as_uri()}/code/{first.digest}.zip"
    assert len(list((tmp_path / "out" / "code").iterdir())) == 1
