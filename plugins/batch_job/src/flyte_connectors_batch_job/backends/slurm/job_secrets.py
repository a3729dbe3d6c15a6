"""The secrets of a job: variables that its node fetches by a command of the operator.

Slurm keeps the environment of a job, and its script, on the disks of the controller and of the node, and what is in the
jobs' folder is on one, too. So no value is sent: the script has the command, which asks the cluster's own store of
secrets, and the values are in the memory of the job's processes alone. See docs/decisions/0030.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
from typing import TYPE_CHECKING

from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_batch_job.backends.slurm.settings import SECRET_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors_batch_job.backends.interface import JobRequest

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")  # neither a path nor an option
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_FILES = {"inputs": [], "outputs": {}, "prefix": ""}


def check(names: Mapping[str, str], command: str) -> None:
    """Raise InvalidRequestError, which names the field, if a job can't get one of these secrets."""
    if names and not command:
        message = f"jobs on Slurm have none, because Slurm would store them: the operator can set {SECRET_VARIABLE}"
        raise InvalidRequestError(message, field="custom.secrets")
    for variable, name in names.items():
        if not _VARIABLE.fullmatch(variable):
            raise InvalidRequestError("must be the name of a shell's variable", field=f"custom.secrets.{variable}")
        if not _NAME.fullmatch(name):
            message = f"{name[:100]!r} can't be a secret's name on Slurm: use letters, digits, -, _ and ."
            raise InvalidRequestError(message, field=f"custom.secrets.{variable}")


def wrapped(request: JobRequest) -> JobRequest:
    """The request, so that its job runs under the wrapper, which masks what it prints, if it has secrets."""
    if not request.config.secrets or request.files is not None:
        return request
    return dataclasses.replace(request, files=_NO_FILES)


def lines(names: Mapping[str, str], command: str) -> list[str]:
    """Calls of the batch script's function `secret`."""
    found = []
    for variable, name in names.items():
        words = shlex.split(command)
        used = [word.replace("{}", name) for word in words] if any("{}" in word for word in words) else [*words, name]
        found.append(f"secret {shlex.join([variable, name, *used])}")
    return found
