"""The secrets and configs of a call: added to the verb's arguments; the secrets are masked while it runs."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flyte_connectors import hookspecs
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.secrets import SecretValue, protected, resolve

if TYPE_CHECKING:
    from flyteidl2.core.security_pb2 import Connection

    from flyte_connectors.bound import BoundConnector

_ARGUMENTS = frozenset(
    argument for verb in hookspecs.VERBS for argument in inspect.signature(getattr(hookspecs, verb)).parameters
) | {"self", "cls"}
_NO_SECRETS: dict[str, str] = {}
_MOST_SECRETS = 256
_LARGEST_SECRETS = 64 * 1024  # characters, together; patterns for more would hold up other calls


def with_secrets(
    connector: BoundConnector,
    arguments: dict[str, Any],
    names: Mapping[str, str],
    connection: Connection | None = None,
    *,
    local: bool,
) -> protected:
    """Add secrets and configs to `arguments`; redact the secrets within the block that is returned.

    Raises:
        InvalidRequestError: a secret or config has the name of an argument, both have one name, or the
            secrets are too many or too large.
        AuthenticationError: a secret was not sent and is not mounted here.
    """
    if not (names or local or connection is not None or connector.own_secrets):
        return protected(_NO_SECRETS)  # most calls of a service
    own = connector.own_secrets
    secrets: dict[str, SecretValue] = {}
    if names or own or connection is not None:
        sent, configs = _read(connection) if connection is not None else ({}, {})
        _refuse_clashes("custom.secrets", names, _ARGUMENTS)
        _refuse_clashes("connection.secrets", sent, _ARGUMENTS)
        taken = _ARGUMENTS.union(names, sent, own)
        _refuse_clashes("connection.configs", configs, taken)
        secrets = resolve(names, sent, local=local)
        for key in own - secrets.keys():
            secrets[key] = connector.plugin.secret(key)
        arguments.update(configs)
        arguments.update(secrets)
    return _ProtectedLocally(secrets) if local else protected(secrets)


class _ProtectedLocally(protected):
    """Within this block, any endpoint is allowed, too."""

    by_user = True


def _read(connection: Connection) -> tuple[dict[str, str], dict[str, str]]:
    """The secrets and the configs in the request, by keyword argument."""
    secrets = dict(connection.secrets)
    size = sum(map(len, secrets.values()))
    if len(secrets) > _MOST_SECRETS or size > _LARGEST_SECRETS:
        message = (
            f"{len(secrets)} secrets of {size} characters together are too much: send at most"
            f" {_MOST_SECRETS} of {_LARGEST_SECRETS}"
        )
        raise InvalidRequestError(message, field="connection.secrets")
    return secrets, dict(connection.configs)


def _refuse_clashes(field: str, given: Iterable[str], taken: frozenset[str]) -> None:
    clash = taken.intersection(given)
    if clash:
        name = min(clash)
        owner = "an argument of the connector" if name in _ARGUMENTS else "a secret"
        message = f"this name is taken by {owner}: choose another one"
        raise InvalidRequestError(message, field=f"{field}.{name}")
