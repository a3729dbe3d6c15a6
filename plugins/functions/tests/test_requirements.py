"""The modules that a function's code imports in any case."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from flyte_connectors_functions import location, requirements

FILES = {
    "__init__.py": "import package_of_all\nfrom . import used\n",
    "used.py": "from __future__ import annotations\nimport json, deep.inner\nfrom .more import x\nclass A:\n    import in_a_class\n",
    "more/__init__.py": "from ..sibling import y\nx = 1\nimport in_more as z\n",
    "sibling.py": "from . import more\ny = 2\n",
    "unused.py": "import never\n",
    "broken.py": "import (\n",
    "tasks.py": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import for_types\n"
        "try:\n    import optional\nexcept ImportError:\n    pass\n"
        "def other() -> None:\n    import in_other\n"
        "async def work() -> None:\n    import in_work.part\n    from .sibling import y\n    if y:\n        import perhaps\n"
    ),
}
STUBS = ("package_of_all", "deep.inner", "in_a_class", "in_more")


def test_what_certainly_runs_is_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the modules on the way, whether imported by name or relatively, and by the function itself."""
    for name, text in FILES.items():
        file = tmp_path / "packed" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for name in STUBS:
        file = tmp_path / "elsewhere" / f"{name.replace('.', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    for folder in ("elsewhere", ""):
        monkeypatch.syspath_prepend(str(tmp_path / folder))
    importlib.import_module("packed.tasks")
    found = requirements.required("packed.tasks", "work")
    assert found == ("deep", "in_a_class", "in_more", "in_work", "json", "package_of_all", "typing")
    assert location.missing(found) == ["in_work"]
    assert "in_work" not in sys.modules


def test_an_installed_module_is_itself_required() -> None:
    """It does not travel."""
    assert requirements.required("pytest", "fixture") == ("pytest",)
