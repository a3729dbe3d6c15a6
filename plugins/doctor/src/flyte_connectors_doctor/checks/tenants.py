"""The secrets of one project and domain: looked up in plugins' stores and in the mounted folders, as the service does."""

from __future__ import annotations

import asyncio

from flyte_connectors._dispatch.project_secrets import of_project, with_found
from flyte_connectors._registry.table import Registry
from flyte_connectors.errors import ConnectorError, InvalidRequestError
from flyte_connectors.secrets import resolve

from flyte_connectors_doctor.finding import Finding, Status

CHECK = "secrets"
_SECONDS = 10.0


def of_store(registry: Registry, owner: str) -> Finding:
    """Whether a store has the secrets of a project and domain, and may be read.

    Args:
        registry: Has the plugins.
        owner: As `PROJECT/DOMAIN`.
    """
    project, _, domain = owner.partition("/")
    try:
        of_project({"": "any"}, project, domain)
        for find in registry.hooks["find_secrets"]:
            if asyncio.run(find(project=project, domain=domain, names=())) is not None:
                return Finding(CHECK, Status.OK, owner, f"in the store of {find.__module__.partition('.')[0]}")
    except ConnectorError as error:
        return _fault(owner, error)
    return Finding(CHECK, Status.OK, owner, "in the mounted folders")


def of_project_and_domain(registry: Registry, owner: str, name: str, subject: str) -> Finding:
    """Whether a project and domain have a secret.

    Args:
        registry: Has the plugins.
        owner: As `PROJECT/DOMAIN`.
        name: Of the secret.
        subject: What names it.
    """
    project, _, domain = owner.partition("/")
    subject = f"{subject}, in {owner}"
    try:
        names = of_project({"secret": name}, project, domain)
        connection, _ = asyncio.run(with_found(registry, names, None, _SECONDS))
        resolve(names, connection.secrets if connection is not None else {})
    except ConnectorError as error:
        return _fault(subject, error)
    return Finding(CHECK, Status.OK, subject, "found")


def _fault(subject: str, error: ConnectorError) -> Finding:
    if isinstance(error, InvalidRequestError):
        return Finding(CHECK, Status.FAULT, subject, error.message, "name project, domain and secret as Flyte does")
    text, _, fix = error.message.partition(": ")
    return Finding(CHECK, Status.FAULT, subject, text, fix or "see the plugin's README")
