"""Every setting of the service, declared once: as flag, environment variable and key of a TOML file.

    --metrics-port 9090        FLYTE_CONNECTORS_METRICS_PORT=9090        metrics-port = 9090

A flag wins over the variable, the variable over the file, the file over the default. Unknown keys of
the file are errors, as are variables whose name is nearly that of a setting.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import sys
from collections.abc import Collection, Mapping
from typing import Any

from flyte_connectors._calls.suggestions import did_you_mean, nearest
from flyte_connectors.errors import SettingsError
from flyte_connectors.secrets import DIRECTORY_VARIABLE
from flyte_connectors.settings import as_toml as value_as_toml
from flyte_connectors.settings import finite, flag, parse_value, setting

PREFIX = "FLYTE_CONNECTORS_"
WORKER_VARIABLE = PREFIX + "WORKER"
"""Set by the supervisor of several workers, to the number of each."""

CONFIG_VARIABLE = PREFIX + "CONFIG"

PLUGINS = "plugins"
"""The table of the file that has a table for each plugin."""


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:  # noqa: PLR2004
        raise ValueError(text)
    return port


def _endpoint(text: str) -> str:
    from flyte_connectors._allow_list import parse_entry  # only with a list

    try:
        parse_entry(text)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    return text


@dataclasses.dataclass(frozen=True, eq=False)
class ServiceSettings:
    """How a service listens, whom it accepts, what it loads, and how it shuts down.

    The help texts are the documentation of the fields; `docs/configuration.md` lists them.
    """

    host: str = setting("127.0.0.1", "address to listen on")
    port: int = setting(8000, "gRPC port, 0 picks one", _port)
    metrics_port: int = setting(9090, "HTTP port of /metrics, /healthz and /readyz, 0 picks one", _port)
    module: tuple[str, ...] = setting((), "also host the connectors of this module or file", many=True, metavar="M")
    allow: tuple[str, ...] | None = setting(
        None, "load only these plugins, by distribution or entry point", many=True, metavar="NAME"
    )
    deny: tuple[str, ...] | None = setting(None, "never load these plugins", many=True, metavar="NAME")
    lenient: bool = setting(False, "start even if a plugin fails to load or a name in --deny matches no plugin", flag)
    workers: int = setting(1, "number of processes that share the port", int, minimum=1, metavar="N")
    transport: str = setting("grpcio", "what serves gRPC: grpcio, or asgi of flyte-connectors[fast]", metavar="NAME")
    event_loop: str = setting(
        "auto",
        "event loop; auto uses uvloop where it is installed",
        choices=("auto", "asyncio", "uvloop"),
    )
    tls_cert: str | None = setting(None, "certificate chain, PEM; reloaded when the file changes")
    tls_key: str | None = setting(None, "private key of the certificate, PEM")
    tls_client_ca: str | None = setting(None, "accept only clients with a certificate of this CA, PEM")
    auth_token_file: str | None = setting(
        None, "accept only clients that send `authorization: Bearer` with a line of this file"
    )
    allowed_endpoints: tuple[str, ...] | None = setting(
        None,
        "endpoints that a request may name: hosts, *.domains or URL prefixes; empty for none",
        _endpoint,
        many=True,
        metavar="TARGET",
    )
    secrets_by: str = setting(
        "service",
        "whose secrets a task may name: all that the service has, or those of its project and domain",
        choices=("service", "project"),
    )
    max_message_bytes: int = setting(10 * 1024 * 1024, "largest request, in bytes", int, minimum=1)
    threads: int = setting(16, "threads per connector for plain functions", int, minimum=1)
    backlog: int = setting(1000, "calls per connector that may wait for a thread", int, minimum=1)
    transient_errors: str = setting(
        "absorb",
        "what GetTask answers while a job's state can't be read: RUNNING (absorb) or the error (raise)",
        choices=("absorb", "raise"),
    )
    lost_after: float = setting(
        600.0,
        "seconds after which a job whose state can't be read counts as lost",
        finite,
        minimum=0,
        metavar="SECONDS",
    )
    grace: float = setting(30.0, "shutdown grace period, in seconds", finite, minimum=0, metavar="SECONDS")
    log_format: str = setting("console", "format of log lines", choices=("console", "json"))
    log_level: str = setting("info", "lowest level of log lines", choices=("debug", "info", "warning", "error"))

    @property
    def is_public(self) -> bool:
        """Whether the service is reachable from other machines."""
        return self.host not in ("127.0.0.1", "::1", "localhost")


FIELDS = {field.name: field for field in dataclasses.fields(ServiceSettings)}


def address_of(host: str, port: int) -> str:
    """Host and port in the form of URLs."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def flag_of(name: str) -> str:
    """The command-line flag of a setting."""
    return "--" + name.replace("_", "-")


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def parse_setting(name: str, value: Any, source: str) -> Any:
    """The value of a setting, from text or from what TOML gives.

    Raises:
        SettingsError: the value is invalid.
    """
    return parse_value(FIELDS[name].metadata, value, source)


def read_settings(
    flags: Mapping[str, Any],
    environment: Mapping[str, str] | None = None,
    config: str | None = None,
) -> tuple[ServiceSettings, dict[str, str]]:
    """The settings in force.

    Args:
        flags: Parsed values of the flags that were given, by setting.
        environment: Environment variables; the process's by default.
        config: Path of the TOML file; from `FLYTE_CONNECTORS_CONFIG` by default.

    Returns:
        The settings, and for each where it comes from.

    Raises:
        SettingsError: a key is unknown, or a value invalid.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    sources = dict.fromkeys(FIELDS, "default")
    path = config or environment.get(CONFIG_VARIABLE)
    for key, value in (read_file(path) if path else {}).items():
        name = key.replace("-", "_")
        if key == PLUGINS:
            continue  # see `plugin_settings`
        if name not in FIELDS:
            keys = (field.replace("_", "-") for field in FIELDS)
            raise SettingsError(f"unknown key{did_you_mean(key, keys)}", field=f"{path}: {key}")
        values[name] = parse_setting(name, value, f"{path}: {key}")
        sources[name] = str(path)
    known = {variable_of(name) for name in FIELDS}
    check_spelling(environment.keys() - {WORKER_VARIABLE, CONFIG_VARIABLE, DIRECTORY_VARIABLE}, PREFIX, known)
    for name in FIELDS:
        variable = variable_of(name)
        text = environment.get(variable)
        # Kubernetes sets <SERVICE>_PORT=tcp://... for every Service; one may be named like us.
        if text is not None and not (name.endswith("port") and text.startswith("tcp:")):
            values[name] = parse_setting(name, text, variable)
            sources[name] = variable
    values.update(flags)
    sources.update({name: flag_of(name) for name in flags})
    settings = ServiceSettings(**values)
    _check_tls(settings)
    return settings, sources


def as_toml(settings: ServiceSettings, sources: Mapping[str, str]) -> str:
    """The settings as a TOML file, each with a comment that says where it comes from."""
    lines = []
    for name in FIELDS:
        value = getattr(settings, name)
        key = name.replace("_", "-")
        if value is None:
            lines.append(f"# {key} is not set")
        else:
            lines.append(f"{key} = {value_as_toml(value)}  # {sources[name]}")
    return "\n".join(lines) + "\n"


def read_file(path: str) -> dict[str, Any]:
    """What the TOML file says.

    Raises:
        SettingsError: it can't be read.
    """
    if sys.version_info >= (3, 11):
        import tomllib  # only with a file
    else:
        import tomli as tomllib

    try:
        return tomllib.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"can't be read: {error.strerror}", field=path) from error
    except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError
        raise SettingsError(f"invalid TOML: {error}", field=path) from error


def check_spelling(variables: Collection[str], prefix: str, known: Collection[str]) -> None:
    """Refuse a variable whose name is nearly that of a setting.

    Raises:
        SettingsError: there is one.
    """
    for variable in variables:
        if variable.startswith(prefix) and variable not in known:
            meant = nearest(variable, known, cutoff=0.9)
            if meant:
                raise SettingsError(f"unknown variable; did you mean {meant}?", field=variable)


def _check_tls(settings: ServiceSettings) -> None:
    if bool(settings.tls_cert) != bool(settings.tls_key):
        missing = "tls_key" if settings.tls_cert else "tls_cert"
        text = "a certificate needs its key, and a key its certificate"
        raise SettingsError(text, field=flag_of(missing))
    if settings.tls_client_ca and not settings.tls_cert:
        raise SettingsError("needs --tls-cert and --tls-key", field="--tls-client-ca")
