"""Runs the checks on what is installed and set here, and on a running service."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from flyte_connectors._registry.discovery import PluginReport, load_plugins
from flyte_connectors._registry.table import Registry, process_registry
from flyte_connectors.errors import SettingsError
from flyte_connectors.service.settings import ServiceSettings, read_settings

from flyte_connectors_doctor.checks import (
    backend,
    certificates,
    connections,
    endpoint,
    plugins,
    secrets,
    settings,
    storage,
)
from flyte_connectors_doctor.finding import Finding


@dataclasses.dataclass
class Subject:
    """What is examined.

    Attributes:
        config: Path of the TOML file; from `FLYTE_CONNECTORS_CONFIG` by default.
        tasks: Files with tasks whose secrets are looked up.
        storage: URI of a folder that jobs write to.
        endpoint: A running service.
        backend: File with the configuration of Flyte's back end.
        tenants: Each `PROJECT/DOMAIN` whose secrets are looked up.
    """

    config: str | None = None
    tasks: Sequence[str] = ()
    storage: str | None = None
    endpoint: str | None = None
    backend: str | None = None
    tenants: Sequence[str] = ()


def examine(subject: Subject) -> Iterator[Finding]:
    """The findings, in the order of a service's start.

    Args:
        subject: What to examine.
    """
    found, given = _settings(subject.config)
    registry = process_registry()
    reports = load_plugins(registry, allow=given.allow, deny=given.deny)
    yield from plugins.check(reports, registry)
    yield from found
    yield from settings.check(given, subject.config, reports)
    yield from certificates.check(given)
    yield from secrets.check(registry, subject.tasks, secrets_by=given.secrets_by, projects=subject.tenants)
    yield from storage.check(subject.storage)
    yield from connections.check(registry)
    types: set[str] | None = _types(registry, reports)
    if subject.endpoint is not None:
        findings, types = endpoint.check(subject.endpoint)
        yield from findings
    if subject.backend is not None:
        has_tls = bool(given.tls_cert)
        if subject.endpoint is not None:
            has_tls = subject.endpoint.startswith("https://")
        yield from backend.check(subject.backend, types, has_tls=has_tls)


def _settings(config: str | None) -> tuple[list[Finding], ServiceSettings]:
    try:
        return [], read_settings({}, config=config)[0]
    except SettingsError as error:
        return [settings.fault(error)], ServiceSettings()


def _types(registry: Registry, reports: Sequence[PluginReport]) -> set[str]:
    return {bound.category.name for bound in registry} if reports else set()
