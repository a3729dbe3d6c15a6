"""Secrets on their way to a connector: where they come from, and keeping them out of everything else.

A task names the secrets it needs in `custom["secrets"]` (keyword argument to secret name). The back
end resolves them into `Connection.secrets`; what it does not send, the service looks up itself in
the environment (`FLYTE_SECRET_<NAME>`) or in mounted files. The values reach the connector's verbs as
keyword arguments, and are masked wherever else they turn up.
"""

from __future__ import annotations

import base64
import contextlib
import contextvars
import dataclasses
import json
import logging
import os
import pathlib
import re
import urllib.parse
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import AuthenticationError, InvalidRequestError

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct

MASK = "***"
_SHORTEST = 4  # characters
DIRECTORY_VARIABLE = "FLYTE_CONNECTORS_SECRETS_DIR"
DEFAULT_DIRECTORY = "/etc/flyte/secrets"
ENVIRONMENT_PREFIX = "FLYTE_SECRET_"

_active: contextvars.ContextVar[Collection[str]] = contextvars.ContextVar("secrets", default=())


class SecretValue(str):
    """The value of a secret: a string whose `repr` does not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"SecretValue('{MASK}')"


@dataclasses.dataclass(frozen=True)
class Secret:
    """A request for a secret by name.

    Args:
        key: Name of the secret in the secret store.
        group: Group of the secret, where the store has groups.
        as_env_var: Environment variable that it is mounted as.
    """

    key: str
    group: str | None = None
    as_env_var: str | None = None


class ConnectorSecretsMixin:
    """A connector with secrets of its own, shared by all tasks that use it.

    Its verbs get each value as a keyword argument named by its key, unless the task brings its own.

    Args:
        secrets: Environment variable for each secret key, as the deployment mounts them.
    """

    def __init__(self, secrets: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._secrets = dict(secrets or {})

    @property
    def secrets(self) -> list[Secret]:
        """What the deployment has to mount."""
        return [Secret(key=key, as_env_var=variable) for key, variable in self._secrets.items()]

    def secret(self, key: str) -> SecretValue:
        """The value of one of the connector's secrets, from its variable or the mounted files.

        Raises:
            AuthenticationError: it is not mounted.
        """
        variable = self._secrets.get(key, key)
        value = os.environ.get(variable) or _from_file(key)
        if value is None:
            message = f"secret '{key}' is not mounted: set {variable} or add {_directory() / key}"
            raise AuthenticationError(message)
        return SecretValue(value)


def resolve(
    names: Mapping[str, str], sent: Mapping[str, str], *, local: bool = False
) -> dict[str, SecretValue]:
    """The secret for each keyword argument.

    Args:
        names: Secret name for each keyword argument (`custom["secrets"]`).
        sent: Values that came with the call (`Connection.secrets`).
        local: Whether user and operator are one, so that any environment variable may be named.

    Raises:
        AuthenticationError: a secret is neither sent nor known here.
    """
    values = {argument: SecretValue(value) for argument, value in sent.items()}
    for argument, name in names.items():
        if argument not in values:
            values[argument] = _look_up(name, local=local)
    return values


def secret_names(custom: Struct) -> dict[str, str]:
    """The `secrets` table of a task's `custom`.

    Raises:
        InvalidRequestError: it is not a table of strings.
    """
    if "secrets" not in custom:
        return {}
    table: Any = custom["secrets"]
    names: dict[str, str] = dict(table.items()) if hasattr(table, "keys") else {"": table}
    if not all(argument and isinstance(name, str) for argument, name in names.items()):
        message = "must map each keyword argument to the name of a secret"
        raise InvalidRequestError(message, field="custom.secrets")
    return names


def redact(text: str, secrets: Mapping[str, str] | None = None) -> str:
    """`text` with the secrets of this call masked, in plain and in the usual encoded forms."""
    values = _active.get() if secrets is None else tuple(secrets.values())
    forms = {form for value in values for form in _forms(value)}
    for form in sorted(forms, key=len, reverse=True):  # a secret may be a part of another
        text = text.replace(form, MASK)
    return text


def redact_all(value: Any) -> Any:
    """A JSON-like value with every string in it redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(str(key)): redact_all(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_all(item) for item in value]
    return value


def protects_secrets() -> bool:
    """Whether this call has any secrets to mask."""
    return bool(_active.get())


def holds_secret(data: bytes) -> bool:
    """Whether a secret of this call occurs in `data`."""
    return any(form.encode() in data for value in _active.get() for form in _forms(value))


@contextlib.contextmanager
def protected(secrets: Mapping[str, str]) -> Iterator[None]:
    """Within this block, and in the tasks and threads it starts, `redact` masks `secrets`."""
    # A list, so that what a connector derives in a task of its own is masked in its caller's, too.
    token = _active.set([*_active.get(), *secrets.values()])
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # an abandoned stream is closed from another context
            _active.reset(token)


def mask(*values: str) -> None:
    """Mask `values` like the secrets of this call, until the call ends.

    For what a connector derives from a secret: a session's token, or the value of a header. Does nothing
    outside of a call.

    Args:
        values: Each in plain; its usual encoded forms are masked, too.
    """
    active = _active.get()
    if isinstance(active, list):
        active.extend(value for value in values if value not in active)


class RedactingFilter(logging.Filter):
    """Masks the secrets of the current call in every record of a handler."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record; it is always logged."""
        if _active.get():
            record.msg, record.args = redact(_message(record)), None
            if record.exc_info and not record.exc_text:
                record.exc_text = logging.Formatter().formatException(record.exc_info)
            if record.exc_text:
                record.exc_text = redact(record.exc_text)
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):  # a filter must not raise into the code that logs
        return f"{record.msg} {record.args!r}"


def _look_up(name: str, *, local: bool) -> SecretValue:
    variable = ENVIRONMENT_PREFIX + re.sub(r"\W", "_", name).upper()
    value = os.environ.get(variable) or _from_file(name)
    if value is None and local:
        value = os.environ.get(name)
    if value is None:
        place = (
            f"{variable} or {name}" if local else f"{variable} or the file {_directory() / name}"
        )
        message = f"secret '{name}' was not sent and is not known here: set {place}"
        raise AuthenticationError(message)
    return SecretValue(value)


def _from_file(name: str) -> str | None:
    if "/" in name or name.startswith("."):
        return None
    try:
        return (_directory() / name).read_text().rstrip("\n")
    except OSError:
        return None


def _directory() -> pathlib.Path:
    return pathlib.Path(os.environ.get(DIRECTORY_VARIABLE, DEFAULT_DIRECTORY))


def _forms(value: str) -> tuple[str, ...]:
    """How a secret may be spelled in a text; what is too short to tell from words is left alone."""
    spellings = (
        value,
        urllib.parse.quote(value, safe=""),
        json.dumps(value)[1:-1],
        base64.b64encode(value.encode()).decode().rstrip("="),
        " ".join(value.split()),  # as in an error's one line
    )
    return tuple(spelling for spelling in spellings if min(len(value), len(spelling)) >= _SHORTEST)
