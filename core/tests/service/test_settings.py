"""Settings: flag over variable over file over default, and every mistake named."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from flyte_connectors.errors import SettingsError
from flyte_connectors.service.settings import (
    FIELDS,
    ServiceSettings,
    as_toml,
    flag_of,
    read_settings,
    variable_of,
)


@pytest.fixture
def file(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "service.toml"
    path.write_text('port = 1\nmodule = ["a", "b"]\nlenient = true\nlost-after = 1.5\n')
    return path


def test_the_nearest_word_is_the_last(file: pathlib.Path) -> None:
    """And for each setting it is known where it came from."""
    environment = {"FLYTE_CONNECTORS_PORT": "2", "FLYTE_CONNECTORS_GRACE": "4"}
    settings, sources = read_settings({"port": 3}, environment, str(file))
    assert (settings.port, sources["port"]) == (3, "--port")
    assert (settings.grace, sources["grace"]) == (4.0, "FLYTE_CONNECTORS_GRACE")
    assert (settings.module, sources["module"]) == (("a", "b"), str(file))
    assert (settings.lenient, settings.lost_after) == (True, 1.5)
    assert (settings.host, sources["host"]) == ("127.0.0.1", "default")
    assert read_settings({}, environment, str(file))[0].port == 2
    assert read_settings({}, {}, str(file))[0].port == 1


def test_the_file_can_be_named_by_a_variable(file: pathlib.Path) -> None:
    """As a chart would."""
    assert read_settings({}, {"FLYTE_CONNECTORS_CONFIG": str(file)})[0].port == 1


@pytest.mark.parametrize(("text", "value"), [("", ()), ("a", ("a",)), (" a, b,,", ("a", "b"))])
def test_a_list_is_separated_by_commas(text: str, value: tuple[str, ...]) -> None:
    """A list that is set and empty is not the same as none: it allows nothing."""
    assert read_settings({}, {"FLYTE_CONNECTORS_ALLOW": text})[0].allow == value
    assert read_settings({}, {})[0].allow is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("port", "http"),
        ("port", "70000"),
        ("port", "-1"),
        ("workers", "0"),
        ("grace", "-1"),
        ("grace", "inf"),
        ("grace", "nan"),
        ("lenient", "perhaps"),
        ("log_format", "xml"),
        ("transient_errors", "ignore"),
    ],
)
def test_an_impossible_value_is_named(name: str, text: str, tmp_path: pathlib.Path) -> None:
    """With the variable, or the file and the key, that holds it."""
    variable = variable_of(name)
    with pytest.raises(SettingsError, match=f"^{variable}: invalid value '{text}'"):
        read_settings({}, {variable: text})
    path = tmp_path / "service.toml"
    key = flag_of(name)[2:]
    path.write_text(f'{key} = "{text}"\n')
    with pytest.raises(SettingsError, match=rf"service\.toml: {key}: invalid value '{text}'"):
        read_settings({}, {}, str(path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1\n", r"prot: unknown key; did you mean 'port'"),
        ("zone = 1\n", r"zone: unknown key; available: host, port, metrics-port"),
        ("port = \n", r"service\.toml: invalid TOML"),
        (None, r"service\.toml: can't be read: No such file"),
    ],
)
def test_a_bad_file_is_named(text: str | None, said: str, tmp_path: pathlib.Path) -> None:
    """A typing error does not go unnoticed."""
    path = tmp_path / "service.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsError, match=said):
        read_settings({}, {}, str(path))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tls_cert": "c"}, "^--tls-key: a certificate needs its key"),
        ({"tls_key": "k"}, "^--tls-cert: a certificate needs its key"),
        ({"tls_client_ca": "a"}, "^--tls-client-ca: needs --tls-cert and --tls-key"),
    ],
)
def test_half_of_tls_is_none(given: dict[str, Any], said: str) -> None:
    """A service that looks protected and is not does not start."""
    with pytest.raises(SettingsError, match=said):
        read_settings(given, {})


def test_the_settings_in_force_can_be_read_back(tmp_path: pathlib.Path) -> None:
    """What is printed is a file that means the same."""
    flags = {"host": 'a "quoted" \\ name', "module": ("m.py",), "lost_after": 2.5, "deny": ()}
    settings, sources = read_settings(flags, {})
    path = tmp_path / "printed.toml"
    path.write_text(as_toml(settings, sources))
    again, _ = read_settings({}, {}, str(path))
    assert {name: getattr(again, name) for name in FIELDS} == {name: getattr(settings, name) for name in FIELDS}


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_is_documented(name: str) -> None:
    """Its help is what the manual lists."""
    assert FIELDS[name].metadata["help"]
    assert variable_of(name) == "FLYTE_CONNECTORS" + flag_of(name)[1:].replace("-", "_").upper()


@pytest.mark.parametrize(("host", "public"), [("127.0.0.1", False), ("::1", False), ("0.0.0.0", True)])
def test_others_can_reach_only_a_public_address(host: str, public: bool) -> None:
    """The default is this machine alone."""
    assert not ServiceSettings().is_public
    assert ServiceSettings(host=host).is_public is public
