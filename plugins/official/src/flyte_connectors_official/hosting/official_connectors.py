"""Connectors that were written for the official SDK (`flyte.connectors`), hosted unchanged.

`HostedConnector` stands between the contracts: each verb is called as the official service (flyte 2.12)
calls it, and its answers are converted to those of the core. Imported when the first of them is registered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flyte_connectors.connector import Resource
from flyte_connectors.hookspecs import hookimpl

from flyte_connectors_official.hosting.hosted_meta import HostedMeta, meta_type_of
from flyte_connectors_official.hosting.hosted_verb import HostedVerb
from flyte_connectors_official.hosting.official_sdk import FLYTE
from flyte_connectors_official.official_references import as_official, as_ours

_SENT = {
    "create": ("task_template", "output_prefix", "inputs", "task_execution_metadata"),
    "get": ("resource_meta",),
    "delete": ("resource_meta",),
    "get_logs": ("resource_meta", "token"),
    "get_metrics": ("resource_meta",),
}
"""What the official service passes to each verb, besides secrets and configs."""


class HostedConnector:
    """A connector of the official SDK's, as the core sees it.

    Raises:
        RegistrationError: it has no `metadata_type`.
    """

    def __init__(self, connector: Any) -> None:
        self.__module__ = type(connector).__module__
        self.name = connector.name
        self.task_type_name = getattr(connector, "task_type_name", None)
        self.task_type_version = connector.task_type_version
        self.metadata_type = meta_type_of(connector)
        self._verbs = {
            verb: HostedVerb(verb, getattr(connector, verb), connector.name, sent)
            for verb, sent in _SENT.items()
            if getattr(connector, verb).__module__ != FLYTE
        }
        if "create" in self._verbs:
            stated = getattr(connector, "repeatable_create", None)
            self.repeatable_create = self._verbs["create"].is_repeatable if stated is None else stated
        for verb in _SENT.keys() - self._verbs.keys():
            setattr(self, verb, None)  # so that it is not taken for a hook

    @hookimpl
    async def create(self, **arguments: Any) -> HostedMeta:
        """Start the job."""
        given = {**arguments, "inputs": as_official(arguments["inputs"])}
        meta = await self._verbs["create"].call(given)
        return self.metadata_type.of(meta, arguments["task_template"])

    @hookimpl
    async def get(self, resource_meta: HostedMeta, **arguments: Any) -> Resource:
        """Report its state, with those outputs that the task declares."""
        official = await self._verbs["get"].call(_with(resource_meta, arguments))
        outputs = official.outputs and {
            name: as_ours(value) for name, value in official.outputs.items() if resource_meta.declares(name)
        }
        return Resource(official.phase, official.message, official.log_links, outputs, official.custom_info)

    @hookimpl
    async def delete(self, resource_meta: HostedMeta, **arguments: Any) -> None:
        """Cancel it."""
        await self._verbs["delete"].call(_with(resource_meta, arguments))

    @hookimpl
    async def get_logs(self, resource_meta: HostedMeta, **arguments: Any) -> Any:
        """A page of its log."""
        return await self._verbs["get_logs"].call(_with(resource_meta, arguments))

    @hookimpl
    async def get_metrics(self, resource_meta: HostedMeta, **arguments: Any) -> Any:
        """Its metrics."""
        return await self._verbs["get_metrics"].call(_with(resource_meta, arguments))


def _with(meta: HostedMeta, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {**arguments, "resource_meta": meta.official}
