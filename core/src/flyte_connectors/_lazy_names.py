"""Lazily imported names of a package; its stub says which module defines each.

A package with many names stays cheap to import, and the list stands once: type checkers read
`__init__.pyi`, and so does this module. A line of the stub is `from package.module import Name as Name`.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable
from typing import Any

_LINE = re.compile(r"^from (\S+) import \(?\s*(\w+) as \2\b", re.MULTILINE)


def lazy_names(package: str, *eager: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package with an `__init__.pyi`.

    A name of a plugin that is not installed is left out of `__all__`; using it raises an `ImportError`
    that names the extra.

    Args:
        package: The package's `__name__`.
        eager: Public names that the package defines itself.
    """

    @functools.cache
    def homes() -> dict[str, str]:
        module = sys.modules[package]
        stub = module.__spec__.loader.get_data(f"{module.__file__}i")  # type: ignore[union-attr]
        return {name: home for home, name in _LINE.findall(stub.decode())}

    def exported() -> list[str]:
        there = (name for name, home in homes().items() if _is_installed(home))
        return sorted({*eager, *there}, key=_constants_classes_functions)

    def get(name: str) -> Any:
        if name == "__all__":
            return exported()
        home = homes().get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if not _is_installed(home):
            raise ImportError(_not_installed(f"{package}.{name}", home), name=_top(home))
        value = getattr(importlib.import_module(home), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *exported()})

    return get, names


def _top(module: str) -> str:
    return module.partition(".")[0]


def _is_installed(module: str) -> bool:
    return _top(module) in sys.modules or importlib.util.find_spec(_top(module)) is not None


def _not_installed(name: str, home: str) -> str:
    distribution = _top(home).replace("_", "-")
    extra = distribution.removeprefix("flyte-connectors-")
    return f'{name} needs {distribution}: pip install "flyte-connectors[{extra}]"'


def _constants_classes_functions(name: str) -> tuple[int, str]:
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)
