"""Commands of plugins: listed with the core's, imported when they are used."""

from __future__ import annotations

import sys

import pytest
from flyte_connectors.cli import known_commands, main
from site_packages import Site

PLUGIN = """
from flyte_connectors import hookimpl

@hookimpl
def register_commands(commands):
    commands.add("greet", help="print a greeting", module="fixture_greeter.command")
"""
COMMAND = """
import fixture_heavy_library

def configure(parser):
    parser.add_argument("name")

def run(options):
    print(f"hello {options.name}")
    return 3
"""
HEAVY = """
import sys
sys.modules["fixture_heavy_library"] = sys
task_type_name = "heavy"
"""


@pytest.fixture
def greeter(site: Site) -> Site:
    """A plugin with a command, whose module is heavy; beside it, a heavy connector."""
    site.install_package("fixture_greeter", plugin=PLUGIN, command=f"{HEAVY}\n{COMMAND}")
    site.install_package("fixture_heavy", __init__=HEAVY, plugin=HEAVY)
    site.install(HEAVY, name="fixture_heavy_module")
    return site


@pytest.mark.usefixtures("greeter")
def test_a_command_is_listed_without_importing_what_it_needs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nor any other plugin: only the module with the hook is imported."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "greet     print a greeting" in capsys.readouterr().out
    loaded = {name for name in sys.modules if name.startswith("fixture_")}
    assert loaded == {"fixture_greeter", "fixture_greeter.plugin"}


@pytest.mark.usefixtures("greeter")
def test_a_command_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """With its options; its exit code is the process'."""
    assert main(["greet", "Ada"]) == 3
    assert capsys.readouterr().out == "hello Ada\n"


@pytest.mark.usefixtures("greeter")
def test_commands_of_the_core_ask_no_plugin(capsys: pytest.CaptureFixture[str]) -> None:
    """Their start costs what it cost before."""
    for words in (["list", "--help"], ["--version"]):
        with pytest.raises(SystemExit):
            main(words)
    capsys.readouterr()
    assert not [name for name in sys.modules if name.startswith("fixture_")]


@pytest.mark.usefixtures("greeter")
@pytest.mark.parametrize(
    ("variable", "value"),
    [("FLYTE_CONNECTORS_DENY", "fixture-greeter"), ("FLYTE_CONNECTORS_ALLOW", "another")],
)
def test_a_blocked_plugin_has_no_commands(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is not imported."""
    monkeypatch.setenv(variable, value)
    assert "greet" not in known_commands()
    assert "fixture_greeter" not in sys.modules


def test_a_name_that_is_taken_stays(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """The core's commands are the core's; the rest of the plugin's are there."""
    more = '    commands.add("list", help="steal", module="fixture_thief.command")\n'
    site.install_package("fixture_greeter", plugin=PLUGIN + more, command=COMMAND)
    commands = known_commands()
    assert commands["list"].module == "flyte_connectors.cli.list"
    assert "greet" in commands
    error = capsys.readouterr().err
    assert "command 'list' of fixture_thief.command is left out: the name is taken" in error


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("register_commands = 1\nraise RuntimeError('broken')", "RuntimeError: broken"),
        (PLUGIN.replace("(commands)", "(commands, more)"), "Argument(s) {'more'}"),
    ],
)
def test_a_broken_plugin_does_not_break_the_command_line(
    source: str, text: str, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """The others' commands are there, and the log says which plugin it is."""
    site.install_package("fixture_broken", plugin=source)
    site.install_package("fixture_greeter", plugin=PLUGIN, command=COMMAND)
    assert "greet" in known_commands()
    assert "plugin fixture_broken failed to load" in caplog.text
    assert text in caplog.text


def test_an_object_with_the_hook_is_a_plugin_too(site: Site) -> None:
    """As for every other hook."""
    source = "class Plugin:\n" + "\n".join(f"    {line}" for line in PLUGIN.splitlines())
    source = source.replace("(commands)", "(self, commands)")
    site.install(f"{source}\nplugin = Plugin()\n", ":plugin", name="fixture_object")
    assert known_commands()["greet"].help == "print a greeting"


def test_a_command_of_a_plugin_that_is_missing_names_the_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For those of this project's own plugins."""
    monkeypatch.setenv("FLYTE_CONNECTORS_DENY", "flyte-connectors-deploy")
    with pytest.raises(SystemExit) as ended:
        main(["deploy", "app.py", "connector"])
    assert ended.value.code == 2
    assert 'deploy needs a plugin: pip install "flyte-connectors[deploy]"' in capsys.readouterr().err
