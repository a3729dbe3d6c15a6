"""Bakes a package from the template that is in the core's wheel."""

from __future__ import annotations

import logging
import pathlib
import shutil
import tempfile
from typing import Any

import flyte_connectors
from flyte_connectors.errors import InvalidRequestError

QUESTIONS: dict[str, dict[str, Any]] = {
    "service": {"metavar": "NAME", "help": "name of the external system"},
    "task_type": {"metavar": "TYPE", "help": "the task type"},
    "connector": {
        "choices": ("async", "sync", "both"),
        "help": "async starts jobs, sync answers at once, both does both",
    },
    "client": {
        "choices": ("rest", "sdk"),
        "help": "REST with the core's HTTP client, or the vendor's blocking SDK",
    },
}
"""The template's questions, and what a command line says of each."""

SWITCHES = {
    "logs": "logs of its jobs",
    "metrics": "metrics of its jobs",
    "get_many": "one request for the states of many jobs",
    "fake_service": "a fake service in the package, not only in its tests",
    "functions": "a connector that runs Python functions as jobs",
}
"""Its questions that are answered by yes or no."""


def flag_of(question: str) -> str:
    """The flag of a command line that answers a question."""
    return f"--{question.replace('_', '-')}"


def bake(parent: pathlib.Path, answers: dict[str, Any], no_input: bool) -> str | None:
    """Bake a package; needs the extra `flyte-connectors[new]`.

    Args:
        parent: Where its folder goes.
        answers: Answers to the template's questions.
        no_input: Ask nothing, and take the defaults for the others.

    Returns:
        The path of the new package; None where the template's hook has refused a name and said so.

    Raises:
        InvalidRequestError: it can't be baked; the error says why.
    """
    try:
        from cookiecutter.exceptions import FailedHookException, OutputDirExistsException
        from cookiecutter.main import cookiecutter
    except ModuleNotFoundError:
        message = "cookiecutter is not installed: pip install 'flyte-connectors[new]'"
        raise InvalidRequestError(message, field="new") from None
    logging.getLogger("cookiecutter").addHandler(logging.NullHandler())  # the hook's line is enough
    with tempfile.TemporaryDirectory() as place:
        # Installers compile what they install, and cookiecutter would take that for files of the template.
        compiled = shutil.ignore_patterns("__pycache__")
        source = shutil.copytree(template(), pathlib.Path(place, "template"), ignore=compiled)
        try:
            folder: str = cookiecutter(
                str(source),
                no_input=no_input,
                extra_context=answers,
                output_dir=str(parent),
                default_config={"replay_dir": place},  # not the user's, who finds nothing there
            )
        except FailedHookException:
            return None
        except OutputDirExistsException as error:
            raise InvalidRequestError(str(error), field="distribution") from None
        except OSError as error:
            raise InvalidRequestError(f"can't be written: {error}", field="--output-dir") from error
        except EOFError:
            message = "stdin is not interactive: pass the options as flags, and --no-input for the rest"
            raise InvalidRequestError(message, field="new") from None
    return folder


def template() -> pathlib.Path:
    """The template: inside the installed package, or at the top of the core's sources."""
    package = pathlib.Path(flyte_connectors.__file__).parent
    installed = package / "template"
    return installed if installed.is_dir() else package.parents[1] / "template"
