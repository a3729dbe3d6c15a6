"""Every setting by each way: flag, variable, file; the nearest wins; what is printed means the same."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
from typing import Any, NamedTuple

import pytest
from flyte_connectors.cli import serve
from flyte_connectors.errors import SettingsError
from flyte_connectors.service.settings import (
    FIELDS,
    ServiceSettings,
    as_toml,
    flag_of,
    read_settings,
    variable_of,
)
from hypothesis import given
from hypothesis import strategies as st


class Way(NamedTuple):
    """Two values of a setting, each as text and as what it means; neither is the default."""

    first: tuple[str, Any]
    second: tuple[str, Any]


VALUES = {
    "host": Way(("::1", "::1"), ("0.0.0.0", "0.0.0.0")),
    "port": Way(("0", 0), ("65535", 65535)),
    "metrics_port": Way(("0", 0), ("9191", 9191)),
    "module": Way(("a", ("a",)), ("b.py", ("b.py",))),
    "allow": Way(("a-plugin", ("a-plugin",)), ("b", ("b",))),
    "deny": Way(("a-plugin", ("a-plugin",)), ("b", ("b",))),
    "lenient": Way(("true", True), ("true", True)),
    "workers": Way(("2", 2), ("4", 4)),
    "transport": Way(("asgi", "asgi"), ("other", "other")),
    "event_loop": Way(("asyncio", "asyncio"), ("uvloop", "uvloop")),
    "tls_cert": Way(("a.pem", "a.pem"), ("/b.pem", "/b.pem")),
    "tls_key": Way(("a.pem", "a.pem"), ("/b.pem", "/b.pem")),
    "tls_client_ca": Way(("a.pem", "a.pem"), ("/b.pem", "/b.pem")),
    "auth_token_file": Way(("a", "a"), ("/b", "/b")),
    "allowed_endpoints": Way(("*.a.org", ("*.a.org",)), ("b.org:1", ("b.org:1",))),
    "secrets_by": Way(("project", "project"), ("project", "project")),
    "max_message_bytes": Way(("1", 1), ("4194304", 4194304)),
    "threads": Way(("1", 1), ("64", 64)),
    "backlog": Way(("1", 1), ("64", 64)),
    "transient_errors": Way(("raise", "raise"), ("raise", "raise")),
    "lost_after": Way(("0", 0.0), ("1.5", 1.5)),
    "grace": Way(("0", 0.0), ("2.5", 2.5)),
    "log_format": Way(("json", "json"), ("json", "json")),
    "log_level": Way(("debug", "debug"), ("error", "error")),
}
TLS = {"tls_cert": "c.pem", "tls_key": "k.pem"}


def flags_of(name: str, text: str) -> dict[str, Any]:
    """What `serve` makes of the command line that sets `name`."""
    parser = argparse.ArgumentParser()
    serve.configure(parser)
    words = [flag_of(name)] if name == "lenient" else [flag_of(name), text]
    given = vars(parser.parse_args(words))
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items() if name in FIELDS}


def companions_of(name: str) -> dict[str, str]:
    """The settings without which `name` is refused."""
    return {other: value for other, value in TLS.items() if name.startswith("tls_") and other != name}


def test_no_setting_is_missing_here() -> None:
    """A new one needs its two values above."""
    assert VALUES.keys() == FIELDS.keys()


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_by_each_way(name: str, tmp_path: pathlib.Path) -> None:
    """Flag over variable over file over default, each by itself and together."""
    (first, value), (second, other) = VALUES[name]
    path = tmp_path / "service.toml"
    path.write_text(f"{flag_of(name)[2:]} = {json.dumps(first)}\n")
    companions = companions_of(name)
    flag, variable, file = flags_of(name, second), {variable_of(name): first}, str(path)

    def read(flags: dict[str, Any], environment: dict[str, str], config: str | None = None) -> tuple[Any, str]:
        settings, sources = read_settings(companions | flags, environment, config)
        return getattr(settings, name), sources[name]

    unset, sources = read_settings({}, {})
    assert (getattr(unset, name), sources[name]) == (FIELDS[name].default, "default")
    assert FIELDS[name].default not in {value, other}
    assert read({}, {}, file) == (value, file)
    assert read({}, {variable_of(name): second}, file) == (other, variable_of(name))
    assert read({}, variable) == (value, variable_of(name))
    assert read(flag, {}) == (other, flag_of(name))
    assert read(flag, variable, file) == (other, flag_of(name))


@pytest.mark.parametrize("name", [name for name in FIELDS if FIELDS[name].metadata["many"]])
def test_a_list_by_each_way(name: str, tmp_path: pathlib.Path) -> None:
    """A flag that is repeated, a variable with commas, an array; the nearest replaces, it adds nothing."""
    path = tmp_path / "service.toml"
    path.write_text(f'{flag_of(name)[2:]} = ["x", "y"]\n')
    parser = argparse.ArgumentParser()
    serve.configure(parser)
    repeated = parser.parse_args([flag_of(name), "a", flag_of(name), "b"])
    assert getattr(repeated, name) == ["a", "b"]
    assert getattr(read_settings({}, {}, str(path))[0], name) == ("x", "y")
    variable = {variable_of(name): "v,w"}
    assert getattr(read_settings({}, variable, str(path))[0], name) == ("v", "w")


@pytest.mark.parametrize("text", ["", " ", ",", " , "])
def test_an_empty_list_of_endpoints_is_not_the_missing_one(text: str, tmp_path: pathlib.Path) -> None:
    """Flag, variable and file alike: empty allows nothing, unset leaves it to the rules."""
    path = tmp_path / "service.toml"
    for line in (f"allowed-endpoints = {json.dumps(text)}", "allowed-endpoints = []"):
        path.write_text(line)
        assert read_settings({}, {}, str(path))[0].allowed_endpoints == ()
    variable = {"FLYTE_CONNECTORS_ALLOWED_ENDPOINTS": text}
    assert read_settings({}, variable)[0].allowed_endpoints == ()
    assert read_settings(flags_of("allowed_endpoints", text), {})[0].allowed_endpoints == ()
    assert read_settings({}, {})[0].allowed_endpoints is None


def test_a_list_of_endpoints_with_a_mistake_does_not_start(tmp_path: pathlib.Path) -> None:
    """The entry is shown, with what would be right; the service says so before it listens."""
    fault = "'host:84433' is not an endpoint: its port is '84433': use 1 to 65535"
    path = tmp_path / "service.toml"
    path.write_text("allowed-endpoints = ['a.org', 'host:84433']")
    with pytest.raises(SettingsError, match=f"allowed-endpoints: {fault}"):
        read_settings({}, {}, str(path))
    variable = {"FLYTE_CONNECTORS_ALLOWED_ENDPOINTS": "a.org,host:84433"}
    with pytest.raises(SettingsError, match=f"^FLYTE_CONNECTORS_ALLOWED_ENDPOINTS: {fault}"):
        read_settings({}, variable)
    done = subprocess.run(
        [sys.executable, "-m", "flyte_connectors", "serve", "--allowed-endpoints", "host:84433"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert fault in done.stderr


def test_underscores_and_dashes_are_one_in_a_file(tmp_path: pathlib.Path) -> None:
    """Both habits are common."""
    path = tmp_path / "service.toml"
    path.write_text("metrics_port = 1\nlost-after = 2\n")
    settings, _ = read_settings({}, {}, str(path))
    assert (settings.metrics_port, settings.lost_after) == (1, 2.0)


@pytest.mark.parametrize(
    "line",
    ["host = ['a']", "port = 1.5", "port = true", "grace = {a = 1}", "module = 3", "workers = []"],
)
def test_a_value_of_another_shape_is_named(line: str, tmp_path: pathlib.Path) -> None:
    """With file and key, however TOML reads it."""
    path = tmp_path / "service.toml"
    path.write_text(f"{line}\n")
    key = line.partition(" ")[0]
    with pytest.raises(SettingsError, match=rf"service\.toml: {key}: invalid value"):
        read_settings({}, {}, str(path))


def test_a_file_that_is_no_text_is_named(tmp_path: pathlib.Path) -> None:
    """Such as a compressed one."""
    path = tmp_path / "service.toml"
    path.write_bytes(b"\x1f\x8b\xff")
    with pytest.raises(SettingsError, match=r"service\.toml: invalid TOML"):
        read_settings({}, {}, str(path))


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("FLYTE_CONNECTORS_METRIC_PORT", "FLYTE_CONNECTORS_METRICS_PORT"),
        ("FLYTE_CONNECTORS_TLS_CERTS", "FLYTE_CONNECTORS_TLS_CERT"),
        ("FLYTE_CONNECTORS_ALLOWED_ENDPOINT", "FLYTE_CONNECTORS_ALLOWED_ENDPOINTS"),
    ],
)
def test_a_misspelled_variable_is_named(variable: str, meant: str) -> None:
    """A typing error does not leave the service open."""
    with pytest.raises(SettingsError, match=f"^{variable}: unknown variable; did you mean {meant}"):
        read_settings({}, {variable: "1"})


def test_other_variables_are_others() -> None:
    """Those of plugins, of this project's other commands, and those that Kubernetes sets for a Service."""
    environment = {
        "FLYTE_CONNECTORS_STATE_DIR": "/x",
        "FLYTE_CONNECTORS_BIGQUERY_ALLOWED_PROJECTS": "p",
        "FLYTE_CONNECTORS_PORT": "tcp://10.0.0.1:8000",
        "FLYTE_CONNECTORS_PORT_8000_TCP": "tcp://10.0.0.1:8000",
        "FLYTE_CONNECTORS_SERVICE_HOST": "10.0.0.1",
    }
    settings, sources = read_settings({}, environment)
    assert settings.port == 8000
    assert set(sources.values()) == {"default"}


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
LISTS = st.lists(TEXTS.map(str.strip)).map(tuple)


@given(
    host=TEXTS,
    files=st.tuples(TEXTS, TEXTS, TEXTS),
    lists=st.tuples(LISTS, st.none() | LISTS, st.none() | LISTS),
    seconds=st.tuples(st.floats(0, 1e30), st.floats(0, 1e30)),
    numbers=st.tuples(st.integers(1, 10**12), st.integers(0, 65535)),
    lenient=st.booleans(),
)
def test_what_is_printed_means_the_same(tmp_path_factory: pytest.TempPathFactory, **drawn: Any) -> None:
    """Whatever is in the values: quotes, line breaks, control characters, every script."""
    module, allow, deny = drawn["lists"]
    cert, key, token_file = drawn["files"]
    settings = ServiceSettings(
        host=drawn["host"],
        port=drawn["numbers"][1],
        module=module,
        allow=allow,
        deny=deny,
        lenient=drawn["lenient"],
        tls_cert=cert,
        tls_key=key,
        auth_token_file=token_file,
        max_message_bytes=drawn["numbers"][0],
        lost_after=drawn["seconds"][0],
        grace=drawn["seconds"][1],
    )
    path = tmp_path_factory.mktemp("printed") / "service.toml"
    path.write_text(as_toml(settings, dict.fromkeys(FIELDS, "default")), encoding="utf-8")
    again, sources = read_settings({}, {}, str(path))
    assert dataclasses.asdict(again) == dataclasses.asdict(settings)
    assert {name for name in FIELDS if sources[name] == "default"} == {
        name for name in FIELDS if getattr(settings, name) is None
    }


def test_print_config_prints_a_file_that_it_reads_again(tmp_path: pathlib.Path) -> None:
    """With every setting changed, and where each comes from; nothing is started for it."""
    words = [
        word
        for name, (_, (text, _)) in VALUES.items()
        for word in ([flag_of(name)] if name == "lenient" else [flag_of(name), text])
    ]

    def printed(*arguments: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", "flyte_connectors", "serve", "--print-config", *arguments],
            check=True,
            capture_output=True,
            text=True,
            env={k: v for k, v in os.environ.items() if not k.startswith("FLYTE_CONNECTORS")},
        )
        return done.stdout.splitlines()

    first = printed(*words)
    path = tmp_path / "printed.toml"
    path.write_text("\n".join(first))
    again = printed("--config", str(path))
    assert [line.partition("  # ")[2] for line in first] == [flag_of(name) for name in FIELDS]
    assert [line.partition("  # ")[0] for line in again] == [line.partition("  # ")[0] for line in first]
    settings, _ = read_settings({}, {}, str(path))
    assert {name: getattr(settings, name) for name in FIELDS} == {
        name: value for name, (_, (_, value)) in VALUES.items()
    }
