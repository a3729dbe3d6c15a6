"""Connectors that obey every rule pass every test of the kit."""

from __future__ import annotations

from typing import ClassVar

from kit_reference import ReferenceConnector, ReferenceMany, ReferenceSync
from kit_suite import Suite


class TestReference(Suite):
    """With all verbs, and a service with all abilities."""

    connector_class: ClassVar[type] = ReferenceConnector


class TestReferenceMany(Suite):
    """With `get_many`."""

    connector_class: ClassVar[type] = ReferenceMany


class TestReferenceSync(Suite):
    """Only `do`."""

    connector_class: ClassVar[type] = ReferenceSync
