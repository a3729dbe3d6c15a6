"""`python -m flyte_connectors_official.stand_in`: commands and imports of the official SDK, by this project."""

from __future__ import annotations

import argparse
import importlib.metadata
import pathlib
import sys
import sysconfig
from collections.abc import Sequence

from flyte_connectors.cli.streams import exit_code_of
from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_official.stand_in import import_hook

PARTS = ("flyte", "c0", "imports")

_MARK = "flyte_connectors_official.stand_in"
_SCRIPT = """#!{python}
import sys
from flyte_connectors_official.stand_in.{name} import main
sys.exit(main())
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or remove them; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {_MARK}",
        description="Provide the official SDK's commands and imports where it is not installed.",
    )
    add = parser.add_argument
    add("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)} (default: all)")
    add("--replace", action="store_true", help="also where the SDK's own are")
    add("--remove", action="store_true", help="remove what was written")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"PART {min(unknown)!r} is unknown: use {', '.join(PARTS)}")
    parts = options.parts or PARTS
    return exit_code_of(lambda: _remove(parts) if options.remove else _write(parts, options.replace))


def _write(parts: Sequence[str], replace: bool) -> int:
    if not replace and _is_sdk_installed():
        message = "the official SDK is installed, and they are its own: use --replace, or uninstall flyte"
        raise InvalidRequestError(message, field=" ".join(parts))
    for part in parts:
        for path, text in _files(part).items():
            if path.exists() and not replace and _MARK not in path.read_text(errors="replace"):
                message = "is another program's: use --replace to overwrite it"
                raise InvalidRequestError(message, field=str(path))
            path.write_text(text)
            if path.parent == _scripts():
                path.chmod(0o755)
            print(path)  # noqa: T201  (what was written, for people)
    return 0


def _remove(parts: Sequence[str]) -> int:
    for path in (path for part in parts for path in _files(part)):
        if path.exists() and _MARK in path.read_text(errors="replace"):
            path.unlink()
            print(path)  # noqa: T201  (as above)
    return 0


def _files(part: str) -> dict[pathlib.Path, str]:
    if part != "imports":
        return {_scripts() / part: _SCRIPT.format(python=sys.executable, name=part)}
    packages = pathlib.Path(sysconfig.get_path("purelib"))
    start = f"# {_MARK}\nimport {import_hook.MODULE}\n"
    return {
        packages / f"{import_hook.MODULE}.py": import_hook.SOURCE,
        packages / f"{import_hook.MODULE}.pth": start,
    }


def _scripts() -> pathlib.Path:
    return pathlib.Path(sysconfig.get_path("scripts"))


def _is_sdk_installed() -> bool:
    try:
        importlib.metadata.version("flyte")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
