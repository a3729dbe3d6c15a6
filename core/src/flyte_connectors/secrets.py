"""Secrets: finding their values, passing them to connectors, and masking them everywhere else.

A task names the secrets it needs in `custom["secrets"]` (keyword argument to secret name). The back
end resolves them into `Connection.secrets`; what it does not send, the service looks up itself in
the environment (`FLYTE_SECRET_<NAME>`) or in mounted files. The values reach the connector's verbs as
keyword arguments, and are masked in everything else that leaves: replies, errors and log records. A
connector adds what it derives from them, such as a token that it fetched, with `mask`.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import os
import pathlib
import re
import threading
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import MASK, AuthenticationError, InvalidRequestError, InvalidResourceMetaError

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct
    from typing_extensions import Self

    from flyte_connectors._masking import Masker

DIRECTORY_VARIABLE = "FLYTE_CONNECTORS_SECRETS_DIR"
DEFAULT_DIRECTORY = "/etc/flyte/secrets"
ENVIRONMENT_PREFIX = "FLYTE_SECRET_"
OF_PROJECT = "\0"  # begins a name that leads to a project's folder; no task can name one
FOLDER = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
FILE = "[A-Za-z0-9_][A-Za-z0-9._-]{0,252}"
_OWNED = re.compile(f"({FOLDER})/({FOLDER})/({FILE})")
_MOST_ADDED = 256


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
    """A connector with its own secrets, shared by all tasks that use it.

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


def resolve(names: Mapping[str, str], sent: Mapping[str, str], *, local: bool = False) -> dict[str, SecretValue]:
    """The secret for each keyword argument.

    Args:
        names: Secret name for each keyword argument (`custom["secrets"]`).
        sent: Values that came with the call (`Connection.secrets`).
        local: Whether this is a local run, in which secrets may name any environment variable.

    Raises:
        AuthenticationError: a secret was not sent and is not mounted here.
    """
    values = {argument: SecretValue(value) for argument, value in sent.items()}
    for argument, name in names.items():
        if argument not in values:
            values[argument] = _look_up(name, local=local)
    return values


def secret_names(custom: Struct) -> dict[str, str]:
    """The `secrets` table of a task's `custom`.

    Raises:
        InvalidRequestError: it is not a table of strings, or a name has control characters.
    """
    if "secrets" not in custom:
        return {}
    try:
        table: Any = custom["secrets"]
        names: dict[str, str] = dict(table.items()) if hasattr(table, "keys") else {"": table}
    except ValueError:  # protobuf's, for a value that is not set
        names = {"": ""}
    if not all(argument and isinstance(name, str) for argument, name in names.items()):
        message = "must map each keyword argument to the name of a secret"
        raise InvalidRequestError(message, field="custom.secrets")
    for argument, name in names.items():
        if not name.isprintable():
            message = f"{name[:100]!r} has control characters: give the name of a secret"
            raise InvalidRequestError(message, field=f"custom.secrets.{argument}")
    return names


class protected:  # noqa: N801  (a context manager; a generator would cost each call a microsecond)
    """Within this block, and in the tasks and threads it starts, `redact` masks `secrets`.

    An exception that leaves the block carries them, so that they are masked where it is reported.

    Args:
        secrets: Values by name.

    Attributes:
        values: These, and those that `mask` has added.
        by_user: Whether this is a call of a local run, in which the user is the operator.
    """

    # Of the class, because few calls have anything else.
    _added: dict[str, None] | None = None
    by_user = False
    is_over = False
    outer: protected | None = None
    values = _given = frozenset[str]()

    def __init__(self, secrets: Mapping[str, str]) -> None:
        if secrets:
            self.values = self._given = frozenset(secrets.values())

    def __enter__(self) -> Self:
        outer = _active.get()
        if outer is not None:
            self.by_user = self.by_user or outer.by_user
            while outer is not None and outer.is_over:
                outer = outer.outer
            if outer is not None:
                self.outer = outer
                self.values = self._given = self._given | outer.values
        if self._given:
            with _lock:
                _in_use.add(self)
        self._token = _active.set(self)
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self.is_over = True
        if error is None:
            try:
                _active.reset(self._token)
            except ValueError:  # an abandoned stream is closed from another context
                return

    def add(self, value: str) -> None:
        """Mask `value`, too."""
        with _lock:
            added = self._added = self._added or {}
            added.pop(value, None)
            added[value] = None
            if len(added) > _MOST_ADDED:
                del added[next(iter(added))]
            self.values = self._given.union(added)
            _in_use.add(self)
        if self.outer is not None:
            self.outer.add(value)


_lock = threading.RLock()  # the garbage collector may log while it is held
_in_use: weakref.WeakSet[protected] = weakref.WeakSet()
_active: contextvars.ContextVar[protected | None] = contextvars.ContextVar("secrets", default=None)
outside_calls = protected({})
"""What is masked for the whole process."""


def is_call_by_user() -> bool:
    """Whether a call of a local run has led here, which may be over."""
    call = _active.get()
    return call is not None and call.by_user


def mask(*values: str) -> None:
    """Mask `values` in everything that leaves from now on: replies, errors and log records.

    For what a connector derives from secrets or fetches with them: access tokens, signed addresses,
    authorization headers. It holds for the current call, in whichever thread, task or event loop
    the call made; a new call starts without it. Outside of a call, it holds for the whole process. The
    latest 256 values are kept.

    Args:
        values: Each in plain, of at least 4 characters; its usual encoded forms are masked, too.
    """
    call = _active.get() or outside_calls
    for value in values:
        call.add(str(value))


def redact(text: str, secrets: Mapping[str, str] | None = None) -> str:
    """`text` with the secrets of this call masked, in plain and in the usual encoded forms.

    Cut a text that may hold secrets only after this: half a secret is not recognized.

    Args:
        text: Any text.
        secrets: Values by name to mask instead of those of the current call.
    """
    found = current_masker() if secrets is None else _masker(frozenset(secrets.values()))
    return text if found is None else found.mask(text)


def redact_error(error: BaseException) -> None:
    """Mask the texts of an exception, of its notes, and of those that it was raised from or groups."""
    found = current_masker()
    seen: set[int] = set()
    pending = [error] if found is not None else []
    while pending and found is not None:
        error = pending.pop()
        if id(error) in seen:
            continue
        seen.add(id(error))
        with contextlib.suppress(Exception):  # an exception may be anything
            error.args = tuple(found.mask_value(argument) for argument in error.args)
        for name in ("message", "field", "strerror", "filename", "__notes__"):
            if value := getattr(error, name, None):
                with contextlib.suppress(Exception):
                    setattr(error, name, found.mask_value(value))
        others = (error.__cause__, error.__context__, *getattr(error, "exceptions", ()))
        pending += [other for other in others if isinstance(other, BaseException)]


def holds_secret(data: bytes) -> bool:
    """Whether a secret of this call occurs in `data`."""
    found = current_masker()
    return found is not None and found.found_in(data.decode(errors="replace"))


def current_masker() -> Masker | None:
    """The masker of this call's secrets; None if it has none."""
    call = _active.get() or outside_calls
    values = call.values
    if outside_calls.values:
        values = values | outside_calls.values
    return _masker(values) if values else None


def masker_of_all_calls() -> Masker | None:
    """The masker of the secrets of all running calls; None if there are none."""
    with _lock:
        values = frozenset[str]().union(*[call.values for call in _in_use])
    return _masker(values) if values else None


def _masker(values: frozenset[str]) -> Masker:
    from flyte_connectors._masking import masker  # many calls have no secrets

    return masker(values)


def _look_up(name: str, *, local: bool) -> SecretValue:
    if name.startswith(OF_PROJECT):
        return _of_project(*owner_of(name))
    variable = ENVIRONMENT_PREFIX + re.sub(r"\W", "_", name).upper()
    value = os.environ.get(variable) or _from_file(name)
    if value is None and local:
        value = os.environ.get(name)
    if value is None:
        place = f"{variable} or {name}" if local else f"{variable} or the file {_directory() / name}"
        message = f"secret '{name}' was not sent and is not mounted here: set {place}"
        raise AuthenticationError(message)
    return SecretValue(value)


def owner_of(name: str) -> tuple[str, str, str]:
    """The project, the domain and the name of a secret whose name begins with `OF_PROJECT`.

    Raises:
        InvalidResourceMetaError: it is none; such names are in metas only, which a client can forge.
    """
    match = _OWNED.fullmatch(name.removeprefix(OF_PROJECT))
    if match is None:
        message = "it names a secret of no project: pass the meta that create returned"
        raise InvalidResourceMetaError(message, field="resource_meta")
    return match[1], match[2], match[3]


def _of_project(project: str, domain: str, name: str) -> SecretValue:
    folder = _directory() / project
    for path in (folder / domain / name, folder / name):
        if (value := _text_of(path, name)) is not None:
            return SecretValue(value)
    place = f"for {project}/{domain}: add the file {folder / domain / name}"
    raise AuthenticationError(f"secret '{name}' was not sent and is not mounted {place}")


def _from_file(name: str) -> str | None:
    if "/" in name or "\0" in name or name.startswith("."):
        return None
    return _text_of(_directory() / name, name)


def _text_of(path: pathlib.Path, name: str) -> str | None:
    try:
        return path.read_bytes().decode().rstrip("\n")
    except UnicodeDecodeError:
        message = f"secret '{name}' is not UTF-8 text: encode {path}, for example as base64"
        raise AuthenticationError(message) from None
    except OSError:
        return None


def _directory() -> pathlib.Path:
    return pathlib.Path(os.environ.get(DIRECTORY_VARIABLE, DEFAULT_DIRECTORY))
