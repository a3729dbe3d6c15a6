"""The tables `[plugins.<name>]`: checked at the start, printed, handed on to every process."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import pytest
from flyte_connectors._registry.installed import Selection
from flyte_connectors.errors import SettingsError
from flyte_connectors.service.plugin_settings import GROUP, PluginTables
from site_packages import Site

SOURCE = """
import dataclasses
from flyte_connectors.settings import PluginSettings, setting, table

@dataclasses.dataclass(frozen=True)
class Pool:
    size: int = setting(4, "connections", minimum=1)

@dataclasses.dataclass(frozen=True)
class Settings(PluginSettings, prefix="FIXTURE_ACME_"):
    region: str = setting("eu", "where jobs run", choices=("eu", "us"))
    hosts: tuple[str, ...] = setting((), "servers")
    key_file: str | None = setting(None, "a file")
    pool: Pool = table(Pool)
"""
EVERYTHING = Selection()
TABLE = "[plugins.fixture-acme]"


@pytest.fixture
def acme(site: Site) -> Site:
    """A plugin with settings."""
    (site.folder / "fixture_acme.py").write_text(SOURCE)
    site.declare("fixture_acme", "fixture_acme:Settings", GROUP)
    return site


def tables(toml: str, folder: pathlib.Path, selection: Selection = EVERYTHING, **environment: str) -> PluginTables:
    """What a file and variables give."""
    path = folder / "service.toml"
    path.write_text(toml)
    return PluginTables(selection, environment, str(path))


@pytest.mark.usefixtures("acme")
def test_file_and_variables_are_one(tmp_path: pathlib.Path) -> None:
    """The variable wins; what is printed says where each comes from."""
    toml = """
        [plugins.fixture-acme]
        region = "us"
        hosts = ["a", "b,c"]
        [plugins.fixture-acme.pool]
        size = 2
    """
    found = tables(toml, tmp_path, FIXTURE_ACME_REGION="eu")
    assert found.sources["FIXTURE_ACME_REGION"] == "FIXTURE_ACME_REGION"
    printed = found.as_toml()
    assert 'region = "eu"  # FIXTURE_ACME_REGION' in printed
    assert f'hosts = ["a", "b,c"]  # {tmp_path / "service.toml"}' in printed
    assert "# key-file is not set" in printed
    assert f"pool.size = 2  # {tmp_path / 'service.toml'}" in printed
    again = tables(printed, tmp_path)
    assert [line.partition("  # ")[0] for line in again.as_toml().splitlines()] == [
        line.partition("  # ")[0] for line in printed.splitlines()
    ]


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("toml", "fault"),
    [
        ("[plugins.fixture-acmee]", "[plugins.fixture-acmee]: no installed plugin has these"),
        ("[plugins]\nfixture-acme = 3", f"{TABLE}: must be a table"),
        (f"{TABLE}\nzone = 'us'", f"{TABLE} zone: unknown key; available: region, hosts"),
        (f"{TABLE}\nregionn = 'eu'", f"{TABLE} regionn: unknown key; did you mean 'region'?"),
        (f"{TABLE}\nregion = 'asia'", f"{TABLE} region: invalid value 'asia': choose from eu"),
        ("[plugins.fixture-acme.pool]\nsize = 0", f"{TABLE} pool.size: invalid value 0: must be"),
        (f"{TABLE}\npool = 3", f"{TABLE} pool: unknown key"),
        ("[plugins.fixture_acme]\nhosts = 3", "[plugins.fixture_acme] hosts: invalid value 3"),
        (f"{TABLE}\nhosts = 3", f"{TABLE} hosts: invalid value 3"),
        ("plugins = 3", "plugins: must be a table"),
    ],
)
def test_a_mistake_in_the_file_is_named(toml: str, fault: str, tmp_path: pathlib.Path) -> None:
    """With the file, the table and the key."""
    with pytest.raises(SettingsError, match=re.escape(f"service.toml: {fault}")):
        tables(toml, tmp_path)


@pytest.mark.usefixtures("acme")
def test_a_mistake_in_a_variable_is_named(tmp_path: pathlib.Path) -> None:
    """Its name, too."""
    with pytest.raises(SettingsError, match=r"^FIXTURE_ACME_REGION: invalid value 'x'"):
        tables("", tmp_path, FIXTURE_ACME_REGION="x")
    with pytest.raises(SettingsError, match=r"FIXTURE_ACME_POOL_SIZES: unknown variable; did you"):
        tables("", tmp_path, FIXTURE_ACME_POOL_SIZES="1")


@pytest.mark.usefixtures("acme")
def test_a_plugin_that_is_not_loaded_needs_no_valid_settings(tmp_path: pathlib.Path) -> None:
    """One file serves services with different plugins."""
    denied = Selection.of(deny=["fixture-acme"])
    found = tables("[plugins.fixture-acme]\nregion = 'asia'", tmp_path, denied)
    assert "fixture-acme" not in found.classes


def test_broken_settings_stop_nobody(acme: Site, caplog: pytest.LogCaptureFixture) -> None:
    """The plugin is told to be broken when it is loaded."""
    acme.declare("fixture_broken", "fixture_broken:Settings", GROUP)
    assert "fixture-acme" in PluginTables(EVERYTHING, {}).classes
    assert "the settings of plugin fixture_broken failed to load" in caplog.text


def test_serve_hands_the_file_on_to_the_plugins(tmp_path: pathlib.Path) -> None:
    """A misspelt table does not start; a good one is printed."""
    path = tmp_path / "service.toml"

    def serve(toml: str) -> subprocess.CompletedProcess[str]:
        path.write_text(toml)
        words = ["serve", "--print-config", "--config", str(path)]
        return subprocess.run(
            [sys.executable, "-m", "flyte_connectors", *words],
            check=False,
            capture_output=True,
            text=True,
            env={k: v for k, v in os.environ.items() if not k.startswith("FLYTE_")},
        )

    wrong = serve("[plugins.no-such]\n")
    assert (wrong.returncode, "[plugins.no-such]: no installed plugin" in wrong.stderr) == (1, True)
    assert serve("port = 0\n").returncode == 0
