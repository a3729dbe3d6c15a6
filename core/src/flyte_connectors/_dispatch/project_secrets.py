"""Secrets that belong to a project and domain: the names by which a job's calls find them again, and the plugins that do."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from flyteidl2.core.security_pb2 import Connection

from flyte_connectors import errors
from flyte_connectors._calls.guard import unforeseen
from flyte_connectors.secrets import FILE, FOLDER, OF_PROJECT, owner_of

if TYPE_CHECKING:
    from flyte_connectors._registry.table import Registry


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
        if names and not re.fullmatch(FOLDER, text):
            message = f"secrets belong to projects here, and {kind} {text[:100]!r} is none: use a-z, 0-9 and -"
            raise errors.InvalidRequestError(message, field="task_execution_metadata")
    for argument, name in names.items():
        if not re.fullmatch(FILE, name):
            message = f"{name[:100]!r} can't be a secret's name: use letters, digits, -, _ and ."
            raise errors.InvalidRequestError(message, field=f"custom.secrets.{argument}")
    return {argument: f"{OF_PROJECT}{project}/{domain}/{name}" for argument, name in names.items()}


async def with_found(
    registry: Registry, names: Mapping[str, str], connection: Connection | None, timeout: float | None
) -> tuple[Connection | None, float | None]:
    """The secrets that came with a call and those that plugins have found besides, and what is left of `timeout` seconds.

    Args:
        registry: Has the implementations of `find_secrets`; the first that answers is believed.
        names: Name of the secret for each keyword argument, as `of_project` makes it.
        connection: What came with the call.
        timeout: Seconds that the call may take.

    Raises:
        ConnectorError: a plugin raised it, or has not answered in time.
    """
    sent = connection or Connection()
    owned = {argument: name for argument, name in names.items() if name.startswith(OF_PROJECT)}
    missing = {argument: owner_of(name) for argument, name in owned.items() if argument not in sent.secrets}
    if not missing:
        return connection, timeout
    began = time.monotonic()
    project, domain, _ = next(iter(missing.values()))  # all are of the call's one execution
    wanted = sorted({name for _, _, name in missing.values()})
    for find in registry.hooks["find_secrets"]:
        try:
            asked = find(project=project, domain=domain, names=wanted)
            found = await asyncio.wait_for(asked, None if timeout is None else timeout / 2)
        except asyncio.TimeoutError:
            message = f"the store of secrets has not answered in time for {project}/{domain}"
            raise errors.ServiceUnavailableError(message, outcome_unknown=False) from None
        except errors.ConnectorError:
            raise
        except Exception as error:
            raise unforeseen(error, f"find_secrets of {find.__module__}") from error
        if found is not None:
            values = {argument: found[name] for argument, (_, _, name) in missing.items() if name in found}
            sent = Connection(secrets={**sent.secrets, **values}, configs=sent.configs)
            break
    return sent, None if timeout is None else max(timeout - (time.monotonic() - began), 0.001)
