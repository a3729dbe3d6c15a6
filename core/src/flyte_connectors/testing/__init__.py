"""The conformance kit: the rules for connectors, as tests to inherit.

    class TestMyConnector(ConnectorConformance):        with fixtures: connector, service, good_request

    conformance        ConnectorConformance: the class to inherit, its fixtures, and when tests are skipped
    service            ControllableService: what a test double of the external system offers
    jobs               a job that was started: its meta, and its id in the service
    replica            the connector in another process
    blocking           detects what blocks the event loop, and where
    harness            drives one connector through its dispatcher, directly or over gRPC
    rule               the mark of a standard test
    registration, create, meta, phases, many, deletion, logs, sync, errors, secrets, concurrency
                       the tests, one file for each part of the contract
    pytest_plugin      the summary at the end of a run
    check              rules that are tested over gRPC against any connector service
    baking             a package from the template, for tests of it and for the command `new`
    cli                the commands for authors of connectors

`docs/conformance.md` has every test's rule, its reason, and how to fix what it finds. Needs the extra
`flyte-connectors[testing]`.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flyte_connectors.testing.conformance import ConnectorConformance
    from flyte_connectors.testing.service import ControllableService

__all__ = ["ConnectorConformance", "ControllableService"]

_HOMES = {"ConnectorConformance": "conformance", "ControllableService": "service"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
