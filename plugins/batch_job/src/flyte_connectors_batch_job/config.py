"""The fields of a batch job, and their way through the task template's `custom`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from flyte_connectors.errors import InvalidRequestError
from google.protobuf import json_format

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from google.protobuf.struct_pb2 import Struct

_FOR_THE_CORE = frozenset({"secrets", "configs"})
_NUL = "\0"


@dataclasses.dataclass(frozen=True)
class BatchJobConfig:
    """What a batch job runs. Without `command` and `script` it answers `output-from-<job id>`.

    Args:
        command: Program and arguments, run without a shell.
        script: Text of a script instead, run by its `#!` line or else by `/bin/sh`.
        env: Environment variables, added to the few that jobs inherit (see the README).
        working_directory: An absolute directory on the machine that runs the job; by default a new
            one of the job's own.
        timeout_seconds: Time limit. The job then gets SIGTERM and, after a grace time, SIGKILL.
    """

    command: Sequence[str] | None = None
    script: str | None = None
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)
    working_directory: str | None = None
    timeout_seconds: float = 300

    def to_custom(self) -> dict[str, Any]:
        """The fields that are set, by name; never empty, because Flyte refuses that."""
        custom: dict[str, Any] = {"timeout_seconds": self.timeout_seconds}
        if self.command is not None:
            custom["command"] = _argv(self.command)
        if self.script is not None:
            custom["script"] = self.script
        if self.env:
            custom["env"] = dict(self.env)
        if self.working_directory is not None:
            custom["working_directory"] = self.working_directory
        return custom

    @classmethod
    def from_custom(cls, custom: Struct) -> BatchJobConfig:
        """Read what `to_custom` gave, or somebody wrote by hand.

        Raises:
            InvalidRequestError: a field is unknown or wrong; the error names it.
        """
        fields = _fields(custom)
        known = [field.name for field in dataclasses.fields(cls)]
        for name in sorted(fields.keys() - _FOR_THE_CORE - set(known)):
            _refuse(name, f"unknown; the fields of a batch job are {', '.join(known)}")
        config = cls(**{name: fields[name] for name in known if fields.get(name) is not None})
        config._check()
        return config

    def _check(self) -> None:
        if self.command is not None:
            _check_command(self.command)
        if self.script is not None:
            _check_script(self.script)
        if self.command is not None and self.script is not None:
            _refuse("script", "set beside custom.command: give one of the two")
        _check_env(self.env)
        if self.working_directory is not None:
            _check_directory(self.working_directory)
        _check_timeout(self.timeout_seconds)


def _fields(custom: Struct) -> dict[str, Any]:
    try:
        return dict(json_format.MessageToDict(custom))
    except ValueError as error:  # a Struct can hold infinity
        message = f"not a JSON object: {error}"
        raise InvalidRequestError(message, field="custom") from error


def _argv(command: Sequence[str]) -> list[str] | str:
    """A list; a string stays one, to be refused as what it is and not taken for its letters."""
    return command if isinstance(command, str) else list(command)


def _check_command(command: Any) -> None:
    if isinstance(command, str):
        _refuse("command", "a string: give a list of program and arguments, or use custom.script")
    if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
        _refuse("command", "must be a list of strings")
    if not command or not command[0]:
        _refuse("command", "empty: give the program to run first")
    if any(_NUL in word for word in command):
        _refuse("command", "must not contain NUL characters")


def _check_script(script: Any) -> None:
    if not isinstance(script, str) or not script.strip():
        _refuse("script", "must be the text of a script")


def _check_env(env: Any) -> None:
    if not isinstance(env, dict):
        _refuse("env", "must be an object of strings")
    for name, value in env.items():
        if not name or "=" in name or _NUL in name:
            _refuse("env", f"{name!r} is not a valid name of an environment variable")
        if not isinstance(value, str) or _NUL in value:
            _refuse(f"env.{name}", "must be a string without NUL characters")


def _check_directory(path: Any) -> None:
    if not isinstance(path, str) or not Path(path).is_absolute() or not Path(path).is_dir():
        _refuse(
            "working_directory",
            f"{path!r} must be the absolute path of a directory on the service's machine",
        )


def _check_timeout(seconds: Any) -> None:
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not is_number or seconds <= 0:
        _refuse("timeout_seconds", f"{seconds!r} must be a number of seconds greater than zero")


def _refuse(field: str, message: str) -> NoReturn:
    raise InvalidRequestError(message, field=f"custom.{field}")
