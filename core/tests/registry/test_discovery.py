"""Real distributions on `sys.path`: each plugin loads by itself, and the report has its status."""

from __future__ import annotations

import asyncio
import pathlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator

import pytest
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._registry.discovery import PluginReport, Status, load_plugins
from flyte_connectors._registry.table import Registry
from flyte_connectors.errors import ConnectorNotFoundError

DISTS = pathlib.Path(__file__).parent / "data" / "dists"
Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put distributions on `sys.path`; forget their modules afterwards."""

    def install(*names: str) -> None:
        for name in names:
            assert (DISTS / name).is_dir()
            monkeypatch.syspath_prepend(str(DISTS / name))

    yield install
    for module in [module for module in sys.modules if module.startswith("fixture_")]:
        del sys.modules[module]


def load(registry: Registry, **blocking: Iterable[str]) -> dict[str, PluginReport]:
    """The reports of the distributions of these tests, by entry point."""
    reports = load_plugins(registry, **blocking)
    return {r.entry_point: r for r in reports if r.distribution.startswith("fixture-")}


@pytest.fixture
def process(process_registry: Registry) -> Registry:
    return process_registry


def test_a_good_plugin_is_loaded(install: Install, process: Registry) -> None:
    """Its report names distribution, version and connectors, and its task type is routed."""
    install("ok")
    report = load(process)["ok"]
    assert (report.status, report.reason) == (Status.LOADED, "")
    assert report.source == "fixture-ok 1.2.0"
    assert [bound.category.name for bound in report.connectors] == ["fixture_ok"]
    assert process.find("fixture_ok").source == "fixture-ok 1.2.0"
    assert not process.failures


def test_a_module_of_hooks_is_a_plugin(install: Install, process: Registry) -> None:
    """No class is needed."""
    install("hook_module")
    assert load(process)["hooks"].status is Status.LOADED
    assert process.find("fixture_hooks", 1).name == "Hooks"


def test_plain_functions_are_a_plugin(install: Install, process: Registry) -> None:
    """A sync `create` is run in a thread and gives its meta, not an error after the job has started."""
    install("sync_create")
    assert load(process)["sync_create"].status is Status.LOADED
    verb = process.find("fixture_plain").verb("create")
    guard = CallGuard()

    async def create() -> object:
        try:
            return await guard.call(verb, {"idempotency_key": "k1"})
        finally:
            await guard.drain(5)

    assert asyncio.run(create()).job == "k1"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "entry_point", "reason"),
    [
        ("import_error", "import_error", "ModuleNotFoundError: .*a_module_that_nobody_has"),
        (
            "needs_official_sdk",
            "needs_official_sdk",
            "it needs the official SDK, .*: pip install flyte$",
        ),
        ("exits", "exits", "SystemExit: usage: fixture FILE"),
        ("registers_nothing", "nothing", "registers no connector"),
        ("misspelled_hook", "misspelled", "Misspelled: unknown hook 'get_log'"),
        ("wrong_hook_api", "wrong_api", "Wrong API was written for hook API 99, this .* has 1"),
    ],
)
def test_a_broken_plugin_is_reported(
    install: Install, process: Registry, name: str, entry_point: str, reason: str
) -> None:
    """One line says why; the plugins beside it are loaded all the same."""
    install(name, "ok")
    reports = load(process)
    report = reports[entry_point]
    assert report.status is Status.FAILED
    assert not report.connectors
    assert re.match(reason, report.reason)
    assert "\n" not in report.reason
    assert reports["ok"].status is Status.LOADED


def test_a_missing_task_type_names_the_plugin_that_failed(install: Install, process: Registry) -> None:
    """Whoever asks for its task type learns what is wrong with the plugin."""
    install("import_error", "ok")
    load(process)
    with pytest.raises(ConnectorNotFoundError) as caught:
        process.find("wanted")
    text = caught.value.message
    assert "no connector for task type 'wanted' version 0" in text
    assert "'fixture_ok' version 0" in text
    assert "import_error (fixture-import-error 1.0): ModuleNotFoundError" in text


def test_one_task_type_from_two_distributions(install: Install, process: Registry) -> None:
    """The first by name serves it; the other is shadowed, and the text names both and the way out."""
    install("duplicate_b", "duplicate_a")  # the order on sys.path does not matter
    reports = load(process)
    assert reports["dup_a"].status is Status.LOADED
    shadowed = reports["dup_b"]
    assert shadowed.status is Status.SHADOWED
    for part in ("Second (fixture-duplicate-b 2.0)", "First (fixture-duplicate-a 1.0)", "deny one"):
        assert part in shadowed.reason
    assert process.find("fixture_duplicate").name == "First"


def test_denying_one_lets_the_other_serve(install: Install, process: Registry) -> None:
    """As the message about two plugins for one task type says."""
    install("duplicate_a", "duplicate_b")
    reports = load(process, deny=["fixture-duplicate-a"])
    assert reports["dup_a"].status is Status.BLOCKED
    assert process.find("fixture_duplicate").name == "Second"


def test_a_broken_plugin_costs_its_own_distribution_nothing(install: Install, process: Registry) -> None:
    """Of three plugins in one distribution, the two good ones are loaded."""
    install("two_plugins")
    reports = load(process)
    assert {name: report.status for name, report in reports.items()} == {
        "a_good": Status.LOADED,
        "b_module": Status.LOADED,
        "c_broken": Status.FAILED,
    }
    assert process.find("fixture_good").name == "Good"
    assert process.find("fixture_module", 1).name == "Module"


def test_a_plugin_that_registers_itself_is_loaded(install: Install, process: Registry) -> None:
    """A module with `ConnectorRegistry.register` at its end counts under its distribution."""
    install("self_registering")
    report = load(process)["self_registering"]
    assert report.status is Status.LOADED
    assert process.find("fixture_self").source == "fixture-self-registering 1.0"


def test_a_plugin_that_was_imported_before_is_loaded(install: Install, process: Registry) -> None:
    """A user's script has usually imported the task's package, and with it the connector."""
    install("self_registering")
    __import__("fixture_self_registering")
    report = load(process)["self_registering"]
    assert (report.status, report.reason) == (Status.LOADED, "")
    assert [bound.name for bound in report.connectors] == ["Self"]


@pytest.fixture
def marker(install: Install, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A file that exists once the module of `Marked.Plugin` has been imported."""
    marker = tmp_path / "marker"
    monkeypatch.setenv("FIXTURE_MARKER", str(marker))
    install("marker", "ok")
    return marker


@pytest.mark.parametrize("denied", ["fixture-marker", "Fixture_Marker", "Marked.Plugin", "marked-plugin"])
def test_a_denied_plugin_is_not_imported(marker: pathlib.Path, process: Registry, denied: str) -> None:
    """By distribution or entry point, spelled as PEP 503 allows; the others are loaded."""
    reports = load(process, deny=[denied])
    assert (reports["Marked.Plugin"].status, reports["Marked.Plugin"].reason) == (
        Status.BLOCKED,
        "denied",
    )
    assert reports["ok"].status is Status.LOADED
    assert not marker.exists()


def test_what_is_not_allowed_is_not_imported(marker: pathlib.Path, process: Registry) -> None:
    """An allow-list admits only what it names."""
    reports = load(process, allow=["fixture-ok"])
    assert reports["Marked.Plugin"].reason == "not on the allow-list"
    assert reports["ok"].status is Status.LOADED
    assert not marker.exists()


def test_denial_wins_over_allowance(marker: pathlib.Path, process: Registry) -> None:
    """A plugin on both lists is blocked."""
    assert load(process, allow=["ok"], deny=["ok"])["ok"].reason == "denied"


@pytest.mark.parametrize(
    ("allow", "deny", "loaded"),
    [
        (None, None, True),
        ("", None, False),
        ("other, fixture-ok ", None, True),
        ("other", None, False),
        (None, "ok", False),
        (None, "", True),
    ],
)
def test_the_environment_holds_the_lists(  # noqa: PLR0913, PLR0917  (fixtures)
    install: Install,
    process: Registry,
    monkeypatch: pytest.MonkeyPatch,
    allow: str | None,
    deny: str | None,
    loaded: bool,
) -> None:
    """Unset allows all and denies none; an empty allow-list allows none."""
    install("ok")
    for variable, text in (("FLYTE_CONNECTORS_ALLOW", allow), ("FLYTE_CONNECTORS_DENY", deny)):
        if text is not None:
            monkeypatch.setenv(variable, text)
    status = load(process)["ok"].status
    assert status is (Status.LOADED if loaded else Status.BLOCKED)


def test_an_argument_wins_over_the_environment(
    install: Install, process: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flag on the command line is the last word."""
    install("ok")
    monkeypatch.setenv("FLYTE_CONNECTORS_ALLOW", "")
    assert load(process, allow=["ok"])["ok"].status is Status.LOADED


def test_reports_are_ordered(install: Install, process: Registry) -> None:
    """By distribution, then entry point, wherever on `sys.path` they are."""
    install("two_plugins", "ok", "duplicate_a")
    assert list(load(process)) == ["dup_a", "ok", "a_good", "b_module", "c_broken"]


def test_a_class_that_its_module_registers_is_no_rival_of_itself(install: Install, process: Registry) -> None:
    """A module may register its class, and the entry point name the class as well."""
    install("ok")
    module = __import__("fixture_ok")
    process.register(module.OkConnector)
    report = load(process)["ok"]
    assert (report.status, report.reason) == (Status.LOADED, "")


def test_a_plugin_that_fails_half_way_leaves_nothing_behind(install: Install, process: Registry) -> None:
    """What it had registered before it failed is forgotten again."""
    install("fails_late", "ok")
    reports = load(process)
    assert reports["fails_late"].reason == "RuntimeError: too late"
    types = [bound.category.name for bound in process]
    assert [name for name in types if name.startswith("fixture_")] == ["fixture_ok"]
