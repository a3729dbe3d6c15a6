"""Every setting of the service, declared once: as flag, environment variable and key of a TOML file.

    --metrics-port 9090        FLYTE_CONNECTORS_METRICS_PORT=9090        metrics-port = 9090

A flag wins over the variable, the variable over the file, the file over the default. Unknown keys of
the file are errors, as are variables whose name is nearly that of a setting.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from flyte_connectors.errors import SettingsError

PREFIX = "FLYTE_CONNECTORS_"
WORKER_VARIABLE = PREFIX + "WORKER"
"""Set by the supervisor of several workers, to the number of each."""

CONFIG_VARIABLE = PREFIX + "CONFIG"

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})


def _setting(  # noqa: PLR0913  (what argparse and the table need to know)
    default: Any,
    help: str,  # noqa: A002  (argparse's name)
    parse: Callable[[str], Any] = str,
    *,
    many: bool = False,
    choices: tuple[str, ...] = (),
    metavar: str | None = None,
) -> Any:
    metadata = {"help": help, "parse": parse, "many": many, "choices": choices, "metavar": metavar}
    return dataclasses.field(default=default, metadata=metadata)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:  # noqa: PLR2004
        raise ValueError(text)
    return port


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise ValueError(text)
    return seconds


def _flag(text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(text)
    return word in _TRUE


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

    host: str = _setting("127.0.0.1", "address to listen on")
    port: int = _setting(8000, "gRPC port, 0 picks one", _port)
    metrics_port: int = _setting(
        9090, "HTTP port of /metrics, /healthz and /readyz, 0 picks one", _port
    )
    module: tuple[str, ...] = _setting(
        (), "also host the connectors of this module or file", many=True, metavar="M"
    )
    allow: tuple[str, ...] | None = _setting(
        None, "load only these plugins, by distribution or entry point", many=True, metavar="NAME"
    )
    deny: tuple[str, ...] | None = _setting(
        None, "never load these plugins", many=True, metavar="NAME"
    )
    lenient: bool = _setting(
        False, "start even if a plugin fails to load or a name in --deny matches no plugin", _flag
    )
    workers: int = _setting(1, "number of processes that share the port", _positive, metavar="N")
    event_loop: str = _setting(
        "auto",
        "event loop; auto uses uvloop where it is installed",
        choices=("auto", "asyncio", "uvloop"),
    )
    tls_cert: str | None = _setting(None, "certificate chain, PEM; reloaded when the file changes")
    tls_key: str | None = _setting(None, "private key of the certificate, PEM")
    tls_client_ca: str | None = _setting(
        None, "accept only clients with a certificate of this CA, PEM"
    )
    auth_token_file: str | None = _setting(
        None, "accept only clients that send `authorization: Bearer` with a line of this file"
    )
    allowed_endpoints: tuple[str, ...] | None = _setting(
        None,
        "endpoints that a request may name: hosts, *.domains or URL prefixes; empty for none",
        _endpoint,
        many=True,
        metavar="TARGET",
    )
    max_message_bytes: int = _setting(10 * 1024 * 1024, "largest request, in bytes", _positive)
    threads: int = _setting(16, "threads per connector for plain functions", _positive)
    backlog: int = _setting(1000, "calls per connector that may wait for a thread", _positive)
    transient_errors: str = _setting(
        "absorb",
        "what GetTask answers while a job's state can't be read: RUNNING (absorb) or the error (raise)",
        choices=("absorb", "raise"),
    )
    lost_after: float = _setting(
        600.0,
        "seconds after which a job whose state can't be read counts as lost",
        _seconds,
        metavar="SECONDS",
    )
    grace: float = _setting(30.0, "shutdown grace period, in seconds", _seconds, metavar="SECONDS")
    log_format: str = _setting("console", "format of log lines", choices=("console", "json"))
    log_level: str = _setting(
        "info", "lowest level of log lines", choices=("debug", "info", "warning", "error")
    )

    @property
    def is_public(self) -> bool:
        """Whether the service is reachable from other machines."""
        return self.host not in ("127.0.0.1", "::1", "localhost")


FIELDS = {field.name: field for field in dataclasses.fields(ServiceSettings)}


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
    metadata = FIELDS[name].metadata
    try:
        if metadata["many"]:
            items = value.split(",") if isinstance(value, str) else value
            return tuple(
                metadata["parse"](str(item).strip()) for item in items if str(item).strip()
            )
        parsed = metadata["parse"](_text(value))
    except SettingsError as error:
        raise SettingsError(error.message, field=source) from None
    except (ValueError, TypeError):
        raise SettingsError(f"invalid value {value!r} ({metadata['help']})", field=source) from None
    if metadata["choices"] and parsed not in metadata["choices"]:
        message = f"invalid value {value!r}: choose from {', '.join(metadata['choices'])}"
        raise SettingsError(message, field=source)
    return parsed


def _text(value: Any) -> str:
    """A single value of TOML as text."""
    if isinstance(value, (list, dict)):
        raise TypeError(value)
    return str(value)


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
    for key, value in (_read_file(path) if path else {}).items():
        name = key.replace("-", "_")
        if name not in FIELDS:
            known = ", ".join(field.replace("_", "-") for field in FIELDS)
            raise SettingsError(f"unknown key; available: {known}", field=f"{path}: {key}")
        values[name] = parse_setting(name, value, f"{path}: {key}")
        sources[name] = str(path)
    _check_spelling(environment)
    for name in FIELDS:
        variable = variable_of(name)
        # Kubernetes sets <SERVICE>_PORT=tcp://... for every Service; one may be named like us.
        is_of_kubernetes = name.endswith("port") and environment.get(variable, "").startswith(
            "tcp:"
        )
        if variable in environment and not is_of_kubernetes:
            values[name] = parse_setting(name, environment[variable], variable)
            sources[name] = variable
    for name, value in flags.items():
        values[name] = value
        sources[name] = flag_of(name)
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
            lines.append(f"{key} = {_toml(value)}  # {sources[name]}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    # JSON's escapes are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _read_file(path: str) -> dict[str, Any]:
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


def _check_spelling(environment: Mapping[str, str]) -> None:
    known = {variable_of(name) for name in FIELDS}
    for variable in environment.keys() - {WORKER_VARIABLE, CONFIG_VARIABLE} - known:
        if variable.startswith(PREFIX):
            import difflib  # only with a variable that is not a setting

            meant = difflib.get_close_matches(variable, known, n=1, cutoff=0.9)
            if meant:
                raise SettingsError(f"unknown variable; did you mean {meant[0]}?", field=variable)


def _check_tls(settings: ServiceSettings) -> None:
    if bool(settings.tls_cert) != bool(settings.tls_key):
        missing = "tls_key" if settings.tls_cert else "tls_cert"
        raise SettingsError(
            "a certificate needs its key, and a key its certificate", field=flag_of(missing)
        )
    if settings.tls_client_ca and not settings.tls_cert:
        raise SettingsError("needs --tls-cert and --tls-key", field="--tls-client-ca")
