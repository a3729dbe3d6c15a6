"""Secrets that belong to a project and domain: the names by which a job's calls find them again."""

from __future__ import annotations

import re
from collections.abc import Mapping

from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.secrets import OF_PROJECT

_FOLDER = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")


def of_project(names: Mapping[str, str], project: str, domain: str) -> dict[str, str]:
    """The names of secrets that belong to a project and domain, for `resolve`.

    Args:
        names: Secret name for each keyword argument.
        project: Project of the execution.
        domain: Its domain.

    Raises:
        InvalidRequestError: project, domain or a name can't be a folder or file of a single spelling.
    """
    for kind, text in (("project", project), ("domain", domain)):
        if names and not _FOLDER.fullmatch(text):
            message = f"secrets belong to projects here, and {kind} {text[:100]!r} is none: use a-z, 0-9 and -"
            raise InvalidRequestError(message, field="task_execution_metadata")
    for argument, name in names.items():
        if not _FILE.fullmatch(name):
            message = f"{name[:100]!r} can't be a secret's name: use letters, digits, -, _ and ."
            raise InvalidRequestError(message, field=f"custom.secrets.{argument}")
    return {argument: f"{OF_PROJECT}{project}/{domain}/{name}" for argument, name in names.items()}
