"""The Secret of a job: the values of its secrets, in an object that its container's variables refer to.

Its name is in the Job, and is random: a replica that repeats a create reads it there, and no other Secret has it. So the
service needs the right to create Secrets, and none to read them. The Job owns it: Kubernetes deletes it with the Job.

Reference: https://kubernetes.io/docs/concepts/configuration/secret/
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import AuthenticationError, InvalidRequestError

from flyte_connectors_batch_job.backends.kubernetes import records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors_batch_job.backends.kubernetes.api import Api

_CONFLICT = 409
_MOST_BYTES = 1024 * 1024  # of a Secret


def new_name(job: str) -> str:
    """A name for the Secret of a Job."""
    return f"{job}-{secrets.token_hex(8)}"


def check(names: Mapping[str, str], values: Mapping[str, str]) -> None:
    """Whether there is a value for each variable, and Kubernetes takes it.

    Raises:
        AuthenticationError: a value did not come with the call.
        InvalidRequestError: Kubernetes does not take it; the error names the field.
    """
    for variable, name in names.items():
        if variable not in values:
            raise AuthenticationError(f"custom.secrets.{variable}: secret '{name}' did not come with the call")
        if "\0" in values[variable]:
            message = f"secret '{name}' has a NUL character, which no variable takes: encode it, for example as base64"
            raise InvalidRequestError(message, field=f"custom.secrets.{variable}")
    size = sum(len(value.encode()) for value in values.values())
    if size > _MOST_BYTES:
        raise InvalidRequestError(f"{size} bytes: Kubernetes takes {_MOST_BYTES}", field="custom.secrets")


async def may_create(api: Api, name: str) -> None:
    """Raise what the API server says against a Secret of this name, before there is a Job that waits for one."""
    query = {"dryRun": "All"}
    await api.request("POST", "secrets", body=_body(name, {}), query=query, repeatable=True)


async def create(api: Api, name: str, job: records.JobRecord, values: Mapping[str, str]) -> None:
    """Create the Secret of a Job, unless it is there. The Job's pod waits for it.

    Raises:
        ConnectorError: it can't be created.
    """
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job.name, "uid": job.uid}
    body = _body(name, values, [owner])
    await api.request("POST", "secrets", body=body, repeatable=True, accept=frozenset({_CONFLICT}))


def _body(name: str, values: Mapping[str, str], owners: list[dict[str, str]] | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "labels": {records.MANAGED_BY: records.MANAGER},
            **({"ownerReferences": owners} if owners else {}),
        },
        "immutable": True,
        "data": {variable: base64.b64encode(value.encode()).decode() for variable, value in values.items()},
    }
