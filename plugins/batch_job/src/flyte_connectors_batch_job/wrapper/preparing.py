"""What a command finds when it starts: its folder, its program, its variables.

<folder>/
  inputs.json   all inputs
  inputs/       files of inputs, see `plan`
  outputs/      files of outputs
  outputs.json  for the command to write
  script        the text of a script
  work/         the directory it starts in
"""

from __future__ import annotations

import json
import os
import re

from flyte_connectors_batch_job.backends.local import files, outputs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

WORK = "work"
"""Folder in which the command starts; relative paths of outputs start from here."""

# Linux refuses single variables of 128 KiB (MAX_ARG_STRLEN, execve(2)); the file has them all.
MAX_INPUT_BYTES = 32 * 1024


def make_folder(folder: str, spec: Mapping[str, Any]) -> None:
    """Fill a new, empty folder; files of inputs come later."""
    inputs = spec["inputs"]
    if spec.get("files"):
        from flyte_connectors_batch_job.wrapper import plan  # most jobs have no files

        plan.make_folders(spec["files"], folder)
        inputs = plan.localized(inputs, spec["files"], folder)
    files.write_json(os.path.join(folder, "inputs.json"), inputs, durable=False)
    if spec["working_directory"] is None:
        os.mkdir(os.path.join(folder, WORK))


def directory(folder: str, spec: Mapping[str, Any]) -> str:
    """Where the command starts."""
    given: str | None = spec["working_directory"]
    return os.path.join(folder, WORK) if given is None else given


def program(folder: str, spec: Mapping[str, Any]) -> list[str]:
    """The program to run, and its arguments."""
    if spec["script"] is None:
        command: list[str] = spec["command"]
        return command
    path = os.path.join(folder, "script")
    with open(path, "x", encoding="utf-8") as file:
        file.write(spec["script"])
    os.chmod(path, 0o700)
    return [path] if spec["script"].startswith("#!") else ["/bin/sh", path]


def variables(job_id: str, folder: str, spec: Mapping[str, Any]) -> dict[str, str]:
    """The variables of the command.

    Sources, the later ones winning:
        whatever `env` says
        BATCH_JOB_INPUT_X     input `x`, if it is a scalar that fits: strings as they are, else JSON;
                              of a file or folder, its path
        BATCH_JOB_OUTPUT_X    path for output `x`, if it is a file or a folder
        BATCH_JOB_ID          the job's id
        BATCH_JOB_INPUTS      file with all inputs as one JSON object
        BATCH_JOB_OUTPUTS     file for the outputs as one JSON object
    """
    inputs, paths = spec["inputs"], {}
    if spec.get("files"):
        from flyte_connectors_batch_job.wrapper import plan

        inputs = plan.localized(inputs, spec["files"], folder)
        paths = plan.output_paths(spec["files"], folder)
    return {
        **spec["env"],
        **input_variables(inputs),
        **{_variable("OUTPUT", name): path for name, path in sorted(paths.items())},
        "BATCH_JOB_ID": job_id,
        "BATCH_JOB_INPUTS": os.path.join(folder, "inputs.json"),
        "BATCH_JOB_OUTPUTS": os.path.join(folder, outputs.NAME),
    }


def input_variables(inputs: Mapping[str, Any]) -> dict[str, str]:
    """`BATCH_JOB_INPUT_X` for each input that is a scalar and fits."""
    return {
        _variable("INPUT", name): text for name, value in sorted(inputs.items()) if (text := _text(value)) is not None
    }


def _variable(kind: str, name: str) -> str:
    return f"BATCH_JOB_{kind}_" + re.sub(r"\W", "_", name).upper()


def _text(value: object) -> str | None:
    if value is None or isinstance(value, (list, dict)):
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    fits = "\0" not in text and len(text.encode()) <= MAX_INPUT_BYTES
    return text if fits else None
