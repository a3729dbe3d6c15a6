"""`flyte-connectors new NAME`: a package with a connector to start from, baked from the template."""

from __future__ import annotations

import argparse
import pathlib

from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.testing.baking import QUESTIONS, SWITCHES, bake, flag_of

DEFAULT_NAME = "flyte-connectors-acme"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `new`: the template's questions, and where the package goes."""
    add = parser.add_argument
    add(
        "name",
        nargs="?",
        default=DEFAULT_NAME,
        metavar="NAME",
        help=f"the distribution's name, and the new folder's ({DEFAULT_NAME})",
    )
    add("--output-dir", default=".", metavar="D", help="where the new folder goes (default .)")
    add("--no-input", action="store_true", help="ask no questions: use the flags and defaults")
    for name, settings in QUESTIONS.items():
        add(flag_of(name), **settings)
    for name, subject in SWITCHES.items():
        add(flag_of(name), action=argparse.BooleanOptionalAction, help=subject)


def run(options: argparse.Namespace) -> int:
    """Bake the package; exit code 1 if a name is refused, with nothing written."""
    target = pathlib.Path(options.output_dir, options.name).absolute()
    if target.exists():
        raise InvalidRequestError(f"{target} already exists: choose another name", field="NAME")
    if not target.parent.is_dir():
        raise InvalidRequestError(f"the folder {target.parent} does not exist", field="--output-dir")
    given = {name: getattr(options, name) for name in (*QUESTIONS, *SWITCHES)}
    answers = {name: answer for name, answer in given.items() if answer is not None}
    folder = bake(target.parent, {"distribution": target.name, **answers}, options.no_input)
    if folder is None:
        return 1
    print(f"{folder} is ready. In it:\n  pip install -e . --group dev\n  pytest")
    return 0
