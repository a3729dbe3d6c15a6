"""Modules that a person names."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterator

import pytest
from flyte_connectors._registry.user_modules import import_module
from flyte_connectors.errors import InvalidRequestError


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pathlib.Path]:
    """A working directory, with `sys.path` and `sys.modules` as they were afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_file_and_what_lies_beside_it(folder: pathlib.Path) -> None:
    """A file's neighbours can be imported, as `python file.py` would."""
    (folder / "work").mkdir()
    (folder / "work" / "beside_it.py").write_text("ANSWER = 42\n")
    (folder / "work" / "my_flow.py").write_text("from beside_it import ANSWER\n")
    assert import_module("work/my_flow.py").ANSWER == 42


def test_a_dotted_name_from_the_working_directory(folder: pathlib.Path) -> None:
    """As `python -m` would."""
    (folder / "my_package").mkdir()
    (folder / "my_package" / "flow.py").write_text("ANSWER = 42\n")
    assert import_module("my_package.flow").ANSWER == 42


def test_a_file_is_imported_once(folder: pathlib.Path) -> None:
    """Named twice, its connectors are not registered twice."""
    (folder / "once_only.py").write_text("THING = object()\n")
    assert import_module("once_only.py") is import_module(str(folder / "once_only.py"))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("missing.py", None, r"^missing\.py: .*missing\.py does not exist$"),
        ("flwo.py", None, r"^flwo\.py: .*flwo\.py does not exist; did you mean 'flow\.py'\?$"),
        (".", None, r"^\.: neither a Python file, NAME\.py, nor the dotted name of a module$"),
        ("folder/flow", None, "neither a Python file"),
        ("no_such_package.flow", None, "ModuleNotFoundError while importing it: .*no_such_package"),
        ("raises.py", "1 / 0\n", r"^raises\.py: ZeroDivisionError while importing it: division"),
        ("broken.py", "def\n", "SyntaxError while importing it"),
        (
            "exits.py",
            "import sys; sys.exit('usage: exits FILE')\n",
            "SystemExit while importing it",
        ),
        ("lacks.py", "open('/no/such/file')\n", r"no/such/file does not exist$"),
    ],
)
def test_what_can_not_be_imported_says_why(folder: pathlib.Path, name: str, text: str | None, said: str) -> None:
    """In one line that names it; nothing half imported is left behind."""
    (folder / "flow.py").touch()
    if text is not None:
        (folder / name).write_text(text)
    for _ in range(2):
        with pytest.raises(InvalidRequestError, match=said):
            import_module(name)
    assert pathlib.Path(name).stem not in sys.modules
