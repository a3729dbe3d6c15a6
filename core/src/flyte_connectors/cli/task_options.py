"""The inputs of a task as options of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from flyte_connectors.cli.suggestions import SuggestingParser
from flyte_connectors.cli.task_files import summary
from flyte_connectors.cli.values import parse_value, type_name
from flyte_connectors.tasks.interface import REQUIRED
from flyte_connectors.tasks.template import TaskTemplate

AddOptions = Callable[[argparse.ArgumentParser], None]


def parse_inputs(
    task: TaskTemplate, command: str, words: Sequence[str], add_options: AddOptions
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The inputs that are given after the task's name, and the options among them.

    Args:
        task: The task.
        command: The command line up to the task's name, for the help text.
        words: What follows.
        add_options: Adds the command's own options; an input of the same name replaces one.

    Raises:
        InvalidRequestError: a value is not of its input's type.
        SystemExit: an option is unknown or lacks its value.
    """
    parser = SuggestingParser(
        prog=command.replace("%", "%%"),
        usage=f"{command.replace('%', '%%')} [--input value ...] [options]",
        description=_escaped(summary(task)),
        argument_default=argparse.SUPPRESS,
        conflict_handler="resolve",
    )
    add_options(parser)
    group = parser.add_argument_group("inputs")
    for name, (python_type, default) in task.interface.inputs.items():
        shown = "required" if default is REQUIRED else f"default {default!r}"
        flags = dict.fromkeys([f"--{name}", f"--{name.replace('_', '-')}"])
        group.add_argument(
            *flags,
            dest=f"input {name}",
            metavar=type_name(python_type),
            help=shown.replace("%", "%%"),
        )
    given = vars(parser.parse_args(list(words)))
    inputs = {
        name: parse_value(name, python_type, given.pop(f"input {name}"))
        for name, (python_type, _) in task.interface.inputs.items()
        if f"input {name}" in given
    }
    return inputs, given


def _escaped(description: str) -> str:
    """A description that argparse shows as it is: it fills in its name where it finds `%(prog)`."""
    return description.replace("%", "%%") if "%(prog)" in description else description
