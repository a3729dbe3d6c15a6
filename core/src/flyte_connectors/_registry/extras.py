"""Extras of distributions that are not installed, and that a plugin fails to be imported without."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator

if sys.version_info >= (3, 11):
    from importlib.metadata import PackageNotFoundError, distribution
else:
    from importlib_metadata import PackageNotFoundError, distribution

from flyte_connectors._registry.installed import InstalledPlugin

_REQUIREMENT = re.compile(r"[\w.-]+")
_EXTRA = re.compile(r"""\bextra\s*==\s*["']([\w.-]+)["']""")


def lacks_own_extra(entry_point: InstalledPlugin, error: BaseException) -> bool:
    """Whether an entry point that names an extra fails because a module of another package is missing."""
    return bool(entry_point.extras) and _is_foreign(entry_point, error)


def missing_extra(entry_point: InstalledPlugin, error: BaseException) -> str:
    """The extra whose absence explains why a plugin can't be imported, or an empty string.

    It does if a module of another package is missing, the distribution offers an extra that is not
    installed, and all that it needs without extras is.
    """
    if not _is_foreign(entry_point, error):
        return ""
    missing = [(extra, name) for name, extra in _requirements(entry_point) if not _is_installed(name)]
    if not missing or any(not extra for extra, _ in missing):
        return ""
    import difflib  # for a message that is seldom needed

    parts = {entry_point.name, *entry_point.module.split(".")}
    likeness = difflib.SequenceMatcher(b=getattr(error, "name", ""))

    def fits(candidate: tuple[str, str]) -> tuple[bool, float]:
        extra, requirement = candidate
        likeness.set_seq1(requirement.replace("-", "_"))
        return extra in parts, likeness.ratio()

    return max(missing, key=fits)[0]


def _is_foreign(entry_point: InstalledPlugin, error: BaseException) -> bool:
    if not isinstance(error, ImportError) or not error.name:
        return False
    own = entry_point.module.rpartition(".")[0] or entry_point.module
    if f"{error.name}.".startswith(f"{own}."):
        return False
    return isinstance(error, ModuleNotFoundError) or not _is_importable(error.name)


def _is_importable(module: str) -> bool:
    return importlib.util.find_spec(module.partition(".")[0]) is not None


def _requirements(entry_point: InstalledPlugin) -> Iterator[tuple[str, str]]:
    """Names of the distributions that a plugin's needs, each with its extra, if it is for one."""
    found = entry_point.dist
    for requirement in (found.requires if found else None) or ():
        name = _REQUIREMENT.match(requirement)
        extra = _EXTRA.search(requirement)
        is_conditional = ";" in requirement and extra is None  # for another system, perhaps
        if name is not None and not is_conditional:
            yield name[0], extra[1] if extra else ""


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
