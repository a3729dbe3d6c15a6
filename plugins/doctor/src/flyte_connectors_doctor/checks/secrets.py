"""Secrets: those that connectors and tasks name, looked up where the service looks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from flyte_connectors._dispatch.project_secrets import of_project
from flyte_connectors._registry.table import Registry
from flyte_connectors._registry.user_modules import import_module
from flyte_connectors.cli.task_files import tasks_of
from flyte_connectors.errors import ConnectorError
from flyte_connectors.secrets import (
    DEFAULT_DIRECTORY,
    DIRECTORY_VARIABLE,
    ConnectorSecretsMixin,
    resolve,
    secret_names,
)

from flyte_connectors_doctor.checks.tenants import of_project_and_domain, of_store
from flyte_connectors_doctor.finding import Finding, Status

CHECK = "secrets"


def check(
    registry: Registry, files: Sequence[str], *, secrets_by: str = "service", projects: Sequence[str] = ()
) -> Iterator[Finding]:
    """A finding for each secret, and for the folder of mounted ones.

    Args:
        registry: The connectors.
        files: Files or modules that define tasks.
        secrets_by: Whose secrets tasks may name; those of a `project` have to be there for one at least.
        projects: Each `PROJECT/DOMAIN` whose secrets are looked up as the service does.
    """
    folder = os.environ.get(DIRECTORY_VARIABLE)
    if folder and not os.access(folder, os.R_OK | os.X_OK):
        text = "can't be read" if Path(folder).exists() else "does not exist"
        fix = f"mount the secrets there, or correct {DIRECTORY_VARIABLE}"
        yield Finding(CHECK, Status.FAULT, folder, text, fix)
    for bound in registry:
        plugin = bound.plugin
        if isinstance(plugin, ConnectorSecretsMixin):
            for secret in plugin.secrets:
                yield _connectors_own(plugin, secret.key, bound.name)
    if projects and secrets_by != "project":
        text = f"is not looked up: tasks name the secrets of the {secrets_by}"
        yield Finding(CHECK, Status.WARNING, ", ".join(projects), text, 'set secrets-by = "project", or leave it out')
        projects = ()
    yield from (of_store(registry, project) for project in projects)
    for file in files:
        for finding in _of_tasks(file):
            if isinstance(finding, Finding):
                yield finding
            else:
                yield from _looked_up(registry, *finding, secrets_by, projects)


def _looked_up(
    registry: Registry, name: str, subject: str, secrets_by: str, projects: Sequence[str]
) -> Iterator[Finding]:
    if secrets_by != "project":
        yield _of_service(name, subject)
    elif projects:
        yield from (of_project_and_domain(registry, project, name, subject) for project in projects)
    else:
        yield _of_any_project(registry, name, subject)


def _connectors_own(plugin: ConnectorSecretsMixin, key: str, name: str) -> Finding:
    try:
        plugin.secret(key)
    except ConnectorError as error:
        text, _, fix = error.message.partition(": ")
        return Finding(CHECK, Status.FAULT, f"{key} of {name}", text, fix)
    return Finding(CHECK, Status.OK, f"{key} of {name}", "found")


def _of_tasks(file: str) -> Iterator[Finding | tuple[str, str]]:
    """Name and subject of each secret that the tasks of a file name; a finding for what can't be read."""
    try:
        module = import_module(file)
    except ConnectorError as error:
        fix = "correct the file, or its path"
        yield Finding(CHECK, Status.FAULT, file, error.message, fix)
        return
    for variable, task in tasks_of(module).items():
        try:
            names = secret_names(task.to_proto().custom)
        except ConnectorError as error:
            fix = "correct the task"
            yield Finding(CHECK, Status.FAULT, f"{file}: {variable}", error.message, fix)
            continue
        for name in names.values():
            yield name, f"{name} of {file}: {variable}"


def _of_service(name: str, subject: str) -> Finding:
    try:
        resolve({"": name}, {})
    except ConnectorError as error:
        text, _, fix = error.message.partition(": ")
        return Finding(CHECK, Status.FAULT, subject, text, fix)
    return Finding(CHECK, Status.OK, subject, "found")


def _of_any_project(registry: Registry, name: str, subject: str) -> Finding:
    folder = Path(os.environ.get(DIRECTORY_VARIABLE, DEFAULT_DIRECTORY))
    try:
        of_project({"": name}, "project", "domain")
    except ConnectorError as error:
        return Finding(CHECK, Status.FAULT, subject, error.message, "rename the secret")
    levels = (folder.glob("*"), folder.glob("*/*"))
    owners = sorted(str(at.relative_to(folder)) for level in levels for at in level if (at / name).is_file())
    if owners:
        return Finding(CHECK, Status.OK, subject, f"found for {', '.join(owners)}")
    text, fix = "is mounted for no project", f"add the file {folder}/PROJECT/DOMAIN/{name}"
    if registry.hooks["find_secrets"]:
        fix = f"{fix}; for a store of secrets, name a project: --tenant PROJECT/DOMAIN"
    return Finding(CHECK, Status.FAULT, subject, text, fix)
