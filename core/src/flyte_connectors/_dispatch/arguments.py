"""The secrets and configs of a call: added to the connector's arguments, and protected while it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flyte_connectors._dispatch import wire
from flyte_connectors.endpoints import unrestricted
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.secrets import protected, resolve

if TYPE_CHECKING:
    from flyteidl2.core.security_pb2 import Connection

    from flyte_connectors.bound import BoundConnector

_NOTHING = contextlib.nullcontext()
_ARGUMENTS = frozenset(
    {
        "task_template",
        "output_prefix",
        "inputs",
        "task_execution_metadata",
        "idempotency_key",
        "resource_meta",
        "token",
        "lines",
        "queries",
        "start_time",
        "end_time",
        "step",
        "self",
    }
)


def with_secrets(
    connector: BoundConnector,
    arguments: dict[str, Any],
    names: Mapping[str, str],
    connection: Connection | None,
    *,
    local: bool,
) -> contextlib.AbstractContextManager[object]:
    """Add secrets and configs to `arguments`; redact the secrets within the block that is returned.

    Args:
        connector: Whose call it is.
        arguments: What its verb gets.
        names: Secret name for each keyword argument, from the task.
        connection: What the back end sent along; None if nothing.
        local: Whether user and operator are one.

    Raises:
        InvalidRequestError: a secret or config has the name of an argument, or both have one name.
        AuthenticationError: a secret is neither sent nor known here.
    """
    own = connector.own_secrets
    if not (names or own or connection is not None):
        return unrestricted() if local else _NOTHING
    sent, configs = wire.read_connection(connection) if connection is not None else ({}, {})
    named = own | names.keys() | sent.keys()
    clash = (named | configs.keys()) & (_ARGUMENTS | {"cls"})
    clash |= named & configs.keys()
    if clash:
        message = "this name is taken by an argument of the connector: choose another one"
        raise InvalidRequestError(message, field=f"custom.secrets.{min(clash)}")
    secrets = resolve(names, sent, local=local)
    for key in own - secrets.keys():
        secrets[key] = connector.plugin.secret(key)
    arguments.update(configs)
    arguments.update(secrets)
    if not local:
        return protected(secrets)
    stack = contextlib.ExitStack()
    stack.enter_context(unrestricted())
    stack.enter_context(protected(secrets))
    return stack
