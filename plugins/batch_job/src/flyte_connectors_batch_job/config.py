"""The fields of a batch job, and their form in the task template's `custom`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence  # read at run time, from the fields' annotations
from pathlib import Path
from typing import Any, NoReturn

from flyte_connectors.authoring import read_custom, write_custom
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.secrets import secret_names
from flyte_connectors_functions.call import FunctionReference
from google.protobuf.struct_pb2 import Struct

from flyte_connectors_batch_job import quantities

MOST_PRIORITY = 1000
LEAST_MEMORY_BYTES = 16 * 1024 * 1024  # less than any interpreter needs to start

_NUL = "\0"


@dataclasses.dataclass(frozen=True)
class BatchJobConfig:
    """What a batch job runs, and what it needs. Without `command` and `script` it answers
    `output-from-<job id>`.

    A back end refuses the fields that it can't honour, by name, before anything starts.

    Args:
        command: Program and arguments, run without a shell.
        script: Text of a script instead, run by its `#!` line or else by `/bin/sh`.
        env: Environment variables, added to the few that jobs inherit (see the README).
        working_directory: An absolute directory on the machine that runs the job; by default a new one for
            the job.
        timeout_seconds: Time limit. The job then gets SIGTERM and, after a grace time, SIGKILL.
        backend: Name of the back end to run on, one that the operator allows; by default the
            operator's first.
        cpu: Cores, such as `2` or `"500m"`.
        memory: Bytes, or a quantity such as `"2Gi"`; a job that uses more fails.
        gpu: Number of GPUs.
        image: Container image to run in.
        queue: Queue to wait in; Slurm calls it a partition.
        account: Account that pays for the job.
        qos: Quality of service.
        priority: Jobs of higher priority are started first; from -1000 to 1000.
        nodes: Number of machines.
        tasks: Number of processes that the engine starts.
        array: Number of jobs that run the same, each with its own index.
        retry_exit_codes: Exit codes after which Flyte may try again; others fail the task for good.
        modules: Environment modules to load first.
        python: Interpreter that runs functions, with `flyte-connectors[batch-job]` and what they import: a path, or
            a name on the `PATH`. By default that of the service on the local back end, elsewhere `python3`.
        uv_lock: Path of a `uv.lock` beside its `pyproject.toml`, here: functions run with its packages, by the `uv` of
            the machine that runs the job.
        secrets: Name of a secret for each environment variable that holds one.
        function: The function that the job calls; set by its task.
    """  # noqa: D205  (the summary takes two lines)

    command: Sequence[str] | None = None
    script: str | None = None
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)
    working_directory: str | None = None
    timeout_seconds: float = 300
    backend: str | None = None
    cpu: float | str | None = None
    memory: int | str | None = None
    gpu: int | None = None
    image: str | None = None
    queue: str | None = None
    account: str | None = None
    qos: str | None = None
    priority: int = 0
    nodes: int | None = None
    tasks: int | None = None
    array: int | None = None
    retry_exit_codes: Sequence[int] = ()
    modules: Sequence[str] = ()
    python: str | None = None
    uv_lock: str | None = None
    secrets: Mapping[str, str] = dataclasses.field(default_factory=dict)
    function: FunctionReference | None = None

    @property
    def cpu_count(self) -> float | None:
        """`cpu` as a number of cores."""
        return None if self.cpu is None else quantities.cores(self.cpu)

    @property
    def memory_bytes(self) -> int | None:
        """`memory` as a number of bytes."""
        return None if self.memory is None else quantities.whole(self.memory)

    def to_custom(self) -> dict[str, Any]:
        """The fields that are set, by name; never empty, because Flyte refuses that.

        Raises:
            InvalidRequestError: a value is not of its field's type; the error names the field.
        """
        return {"timeout_seconds": self.timeout_seconds, **write_custom(self)}

    @classmethod
    def from_custom(cls, custom: Struct) -> BatchJobConfig:
        """Read what `to_custom` wrote, or a user wrote by hand.

        Raises:
            InvalidRequestError: a field is unknown or wrong; the error names it.
        """
        given = Struct()
        for name, value in custom.fields.items():
            if not value.HasField("null_value"):  # a field that is null is not set
                given.fields[name].CopyFrom(value)
        if "command" in given.fields and given.fields["command"].HasField("string_value"):
            _refuse("command", "a string: give a list of program and arguments, or use custom.script")
        if "env" in given.fields:
            for name, value in given.fields["env"].struct_value.fields.items():
                if not value.HasField("string_value"):  # said here, so that no value is shown
                    _refuse(f"env.{name}", "must be a string without NUL characters")
        config = dataclasses.replace(read_custom(cls, given), secrets=secret_names(custom))  # which the core reads, too
        config.check()
        return config

    def check(self) -> None:
        """Raise InvalidRequestError, which names the field, if a value makes no sense."""
        if self.command is not None:
            _check_command(self.command)
        if self.script is not None and not self.script.strip():
            _refuse("script", "must be the text of a script")
        if self.command is not None and self.script is not None:
            _refuse("script", "set beside custom.command: give one of the two")
        self._check_function()
        _check_env(self.env)
        self._check_secrets()
        if self.working_directory is not None:
            _check_directory(self.working_directory)
        if self.timeout_seconds <= 0:
            _refuse(
                "timeout_seconds",
                f"{self.timeout_seconds!r} must be a number of seconds greater than zero",
            )
        self._check_resources()
        if not -MOST_PRIORITY <= self.priority <= MOST_PRIORITY:
            _refuse("priority", f"{self.priority} must be from -{MOST_PRIORITY} to {MOST_PRIORITY}")
        for code in self.retry_exit_codes:
            if not 1 <= code <= 255:  # noqa: PLR2004  (wait(2): an exit code has eight bits)
                _refuse("retry_exit_codes", f"{code} must be an exit code from 1 to 255")

    def _check_secrets(self) -> None:
        for name in self.secrets:
            if not name.isidentifier() or name in self.env:
                _refuse(f"secrets.{name}", "must be the name of a variable that is not in custom.env")

    def _check_function(self) -> None:
        if self.python is not None and (not self.python or _NUL in self.python):
            _refuse("python", "must be the path or the name of an interpreter")
        if self.function is not None:
            for name in ("command", "script"):
                if getattr(self, name) is not None:
                    _refuse(name, "set beside custom.function: give one of the two")
            if (self.array is None) != (not self.function.mapped):
                _refuse("array", "must be set together with custom.function.mapped")

    def _check_resources(self) -> None:
        for name in ("gpu", "nodes", "tasks", "array"):
            value = getattr(self, name)
            if value is not None and value < 1:
                _refuse(name, f"{value} must be at least 1")
        try:
            cpu = self.cpu_count
        except ValueError:
            _refuse("cpu", f"{self.cpu!r} must be a number of cores, such as 2 or '500m'")
        if cpu is not None and cpu <= 0:
            _refuse("cpu", f"{self.cpu!r} must be greater than zero")
        try:
            memory = self.memory_bytes
        except ValueError:
            _refuse("memory", f"{self.memory!r} must be a number of bytes, such as '500Mi'")
        if memory is not None and memory < LEAST_MEMORY_BYTES:
            _refuse("memory", f"{self.memory!r} must be at least 16Mi")


def _check_command(command: Sequence[str]) -> None:
    if not command or not command[0]:
        _refuse("command", "empty: give the program to run first")
    if any(_NUL in word for word in command):
        _refuse("command", "must not contain NUL characters")


def _check_env(env: Mapping[str, str]) -> None:
    for name, value in env.items():
        if not name or "=" in name or _NUL in name:
            _refuse("env", f"{name!r} is not a valid name of an environment variable")
        if _NUL in value:
            _refuse(f"env.{name}", "must be a string without NUL characters")


def _check_directory(path: str) -> None:
    if not Path(path).is_absolute():
        _refuse("working_directory", f"{path!r} must be the absolute path of a directory")


def _refuse(field: str, message: str) -> NoReturn:
    raise InvalidRequestError(message, field=f"custom.{field}")
