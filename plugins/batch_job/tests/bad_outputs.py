"""Outputs that fail a job, whatever runs it: in a socket's, a link's, nobody's place, or too large."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batch_jobs import template
from flyteidl2.core.types_pb2 import BlobType, LiteralType

if TYPE_CHECKING:
    from flyteidl2.core.tasks_pb2 import TaskTemplate

_BIND = "import socket, os; os.chdir(os.path.dirname(os.environ['BATCH_JOB_OUTPUT_F'])); "
_BIND += "socket.socket(socket.AF_UNIX).bind('f')"

BAD_OUTPUTS = {
    "missing": ("true", "output 'f': the job ended without writing 'f'"),
    "a link": (
        "ln -s /etc/passwd $BATCH_JOB_OUTPUT_F",
        "output 'f': 'f' is a symbolic link, not a regular file",
    ),
    "a socket": (f'python3 -c "{_BIND}"', "output 'f': 'f' is a socket, not a regular file"),
    "ten gigabytes": ("truncate -s 10G $BATCH_JOB_OUTPUT_F", "output 'f': larger than the limit of 5Gi"),
}


def task_with_output(script: str, **fields: object) -> TaskTemplate:
    """A task whose output `f` is a file."""
    made = template(script=script, **fields)
    literal_type = LiteralType(blob=BlobType(dimensionality=BlobType.SINGLE))
    made.interface.outputs.variables.add(key="f").value.type.CopyFrom(literal_type)
    return made
