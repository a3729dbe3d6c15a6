"""Wrapper plugins: found like connectors, composed once, around every verb; extras that are absent."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import pytest
from fake_jobs import JobConnector, JobService, create_request, get_request
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._registry.discovery import PluginReport, Status, load_module, load_plugins
from flyte_connectors._registry.table import Registry
from flyte_connectors.bound import Call, Verb
from flyte_connectors.errors import InternalError, PermissionDeniedError
from site_packages import Site

AUDIT = """
from flyte_connectors import hookimpl

seen = []

@hookimpl
def wrap_verb(verb, call):
    async def audited(arguments):
        seen.append(verb.name)
        return await call(arguments)

    return audited
"""


def report(registry: Registry) -> PluginReport | None:
    """The load status of the fixture's plugin."""
    reports = load_plugins(registry, allow=["fixture_wrapper"])
    return next((r for r in reports if r.entry_point == "fixture_wrapper"), None)


@pytest.mark.parametrize(
    ("source", "attribute"),
    [
        (AUDIT, ""),
        (
            f"{AUDIT}\nclass Audit:\n    wrap_verb = staticmethod(wrap_verb)\naudit = Audit()",
            ":audit",
        ),
    ],
    ids=["module", "object"],
)
async def test_a_wrapper_is_a_plugin(
    site: Site, registry: Registry, guard: CallGuard, source: str, attribute: str
) -> None:
    """It is loaded, although it registers no connector, and goes around those that are there."""
    site.install(source, attribute)
    loaded = report(registry)
    assert loaded is not None
    assert (loaded.status, loaded.reason, loaded.connectors) == (Status.LOADED, "", [])
    dispatcher = Dispatcher(registry, guard)
    meta = (await dispatcher.create(create_request())).resource_meta
    await dispatcher.get(get_request(meta))
    assert sys.modules["fixture_wrapper"].seen == ["create", "get"]


async def test_a_module_may_bring_a_wrapper(site: Site, registry: Registry, guard: CallGuard) -> None:
    """As `serve --module` and `run` load it; loaded twice, it goes around once."""
    site.install(AUDIT)
    module = __import__("fixture_wrapper")
    for _ in range(2):
        assert load_module(registry, module, "fixture_wrapper") == []
    await Dispatcher(registry, guard).create(create_request())
    assert module.seen == ["create"]


async def test_a_wrapper_is_composed_with_each_verb_once(registry: Registry, dispatcher: Dispatcher) -> None:
    """Whatever it keeps between calls, such as a limit, holds for all of them."""
    composed: list[str] = []

    def wrap_verb(verb: Verb, call: Call) -> Call:
        composed.append(verb.name)
        return call

    registry.wrap(wrap_verb)
    for attempt in range(3):
        meta = (await dispatcher.create(create_request(attempt=attempt))).resource_meta
        await dispatcher.get(get_request(meta))
    assert composed == ["create", "get"]


async def test_wrappers_go_around_each_other(registry: Registry, dispatcher: Dispatcher, service: JobService) -> None:
    """The later is outside; one that comes after the first calls is not too late."""
    order: list[str] = []

    def wrapper(name: str) -> Any:
        def wrap_verb(verb: Verb, call: Call) -> Call:
            async def noted(arguments: Mapping[str, Any]) -> Any:
                order.append(name)
                return await call(arguments)

            return noted

        return wrap_verb

    registry.wrap(wrapper("inner"))
    meta = (await dispatcher.create(create_request())).resource_meta
    registry.wrap(wrapper("outer"))
    await dispatcher.get(get_request(meta))
    assert order == ["inner", "outer", "inner"]


async def test_a_connector_that_comes_later_is_wrapped(guard: CallGuard) -> None:
    """The order of installation does not decide what is audited."""
    registry, seen = Registry(), []

    def wrap_verb(verb: Verb, call: Call) -> Call:
        async def noted(arguments: Mapping[str, Any]) -> Any:
            seen.append(sorted(arguments))
            return await call(arguments)

        return noted

    registry.wrap(wrap_verb)
    registry.register(JobConnector(JobService()))
    await Dispatcher(registry, guard).create(create_request())
    assert "idempotency_key" in seen[0]


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (PermissionDeniedError("not on a Sunday"), PermissionDeniedError),
        (KeyError("x"), InternalError),
    ],
)
async def test_an_error_of_a_wrapper_is_like_a_connectors(
    registry: Registry,
    dispatcher: Dispatcher,
    service: JobService,
    error: Exception,
    seen: type[Exception],
) -> None:
    """Mapped and counted; the connector is not called."""

    def wrap_verb(verb: Verb, call: Call) -> Call:
        async def refuse(arguments: Mapping[str, Any]) -> Any:
            raise error

        return refuse

    registry.wrap(wrap_verb)
    with pytest.raises(seen):
        await dispatcher.create(create_request())
    assert service.calls["create"] == 0
    (bound,) = registry
    assert sum(bound.verb("create").calls.by_code.values()) == 1


class TestExtras:
    """An entry point that names an extra is there only where the extra is."""

    def test_without_the_extra_it_is_absent(self, site: Site) -> None:
        """Neither failed nor listed."""
        registry = Registry()
        site.install(f"import a_library_that_nobody_has\n{AUDIT}", " [extra]")
        assert report(registry) is None
        assert registry.failures == []
        assert registry.wrappers == ()

    def test_with_the_extra_it_is_loaded(self, site: Site) -> None:
        """Like any other."""
        registry = Registry()
        site.install(AUDIT, " [extra]")
        loaded = report(registry)
        assert loaded is not None
        assert loaded.status is Status.LOADED
        assert len(registry.wrappers) == 1

    @pytest.mark.parametrize(
        ("source", "attribute", "reason"),
        [
            ("import a_library_that_nobody_has", "", "No module named 'a_library_that_nobody_has'"),
            ("import fixture_wrapper.missing", " [extra]", "'fixture_wrapper' is not a package"),
            ("raise RuntimeError('broken')", " [extra]", "RuntimeError: broken"),
        ],
    )
    def test_what_is_broken_is_still_failed(self, site: Site, source: str, attribute: str, reason: str) -> None:
        """A plugin without an extra has to load, and its own modules have to be there."""
        site.install(source, attribute)
        failed = report(Registry())
        assert failed is not None
        assert failed.status is Status.FAILED
        assert reason in failed.reason
