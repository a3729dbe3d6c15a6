"""How a connector is found and loaded."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from flyte_connectors._registry.discovery import Status, load_plugins
from flyte_connectors._registry.table import Registry, process_registry
from flyte_connectors.connector import TaskCategory
from flyte_connectors.testing.rule import rule

_KEPT = ("PATH", "HOME", "TMPDIR", "PYTEST_CURRENT_TEST")


class RegistrationRules:
    """Rules of the start."""

    @rule()
    def test_registers_without_network_or_credentials(
        self, connector: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A service starts while external systems are down, and before secrets are mounted."""
        reached: list[object] = []

        def refuse(*address: object) -> NoReturn:
            reached.append(address)
            raise OSError("the conformance kit has disabled the network")

        for name in set(os.environ) - set(_KEPT):
            monkeypatch.delenv(name)
        for name in ("connect", "connect_ex", "sendto"):
            monkeypatch.setattr(socket.socket, name, refuse)
        monkeypatch.setattr(socket, "getaddrinfo", refuse)
        Registry().register(connector())
        assert not reached, "the connector used the network when it was created: connect in the verbs"

    @rule()
    def test_an_installed_plugin_brings_it(self, category: TaskCategory) -> None:
        """Users only install the package: its entry point has to lead to the connector."""
        reports = load_plugins(process_registry(), allow=None, deny=())
        found = [report for report in reports if any(bound.category == category for bound in report.connectors)]
        reasons = "; ".join(f"{r.entry_point}: {r.reason}" for r in reports if r.reason)
        message = f"no entry point of the group 'flyte.connectors' registers {category}: add one to pyproject.toml ({reasons or 'none fails'})"
        assert any(report.status is Status.LOADED for report in found), message
