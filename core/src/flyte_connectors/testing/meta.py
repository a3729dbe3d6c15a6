"""The resource meta: all that Flyte keeps of a job between the calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors._dispatch.envelope import unseal
from flyte_connectors.bound import BoundConnector
from flyte_connectors.connector import TERMINAL_PHASES, Phase
from flyte_connectors.errors import ConnectorError
from flyte_connectors.testing import replica
from flyte_connectors.testing.harness import Driver, driving
from flyte_connectors.testing.rule import rule
from flyte_connectors.testing.service import ControllableService, SharedByProcesses

LARGEST_META = 4096
"""Bytes of a connector's meta; Flyte stores it with every execution and sends it with every call."""


class MetaRules:
    """Rules of the meta that `create` returns."""

    @rule("create")
    async def test_meta_reads_back_as_it_was_written(self, direct: Driver, task_request: pb.CreateTaskRequest) -> None:
        """Reading and writing it again gives the same bytes."""
        meta = _own(direct, await direct.create(task_request))
        again = direct.bound.metadata_type.decode(meta).encode()
        assert again == meta, (
            f"the meta {meta!r} became {again!r} when it was decoded and encoded: make encode deterministic"
        )

    @rule("create")
    async def test_meta_is_small(self, direct: Driver, task_request: pb.CreateTaskRequest) -> None:
        """It identifies the job and holds neither inputs nor results."""
        size = len(_own(direct, await direct.create(task_request)))
        assert size <= LARGEST_META, (
            f"the meta has {size} bytes, over {LARGEST_META}: keep only what identifies the job"
        )

    @rule("create")
    async def test_meta_of_a_later_release_is_read(self, direct: Driver, task_request: pb.CreateTaskRequest) -> None:
        """During an upgrade, replicas of two releases serve the same jobs."""
        meta = _own(direct, await direct.create(task_request))
        try:
            fields = json.loads(meta)
        except ValueError:
            pytest.skip("its metas are not JSON, so the kit can't add a field")
        later = json.dumps({**fields, "field_of_a_later_release": 1}).encode()
        read = direct.bound.metadata_type.decode(later)
        assert read == direct.bound.metadata_type.decode(meta)

    @rule("create")
    async def test_any_replica_serves_the_job(
        self,
        direct: Driver,
        connector: Callable[[], Any],
        service: ControllableService,
        task_request: pb.CreateTaskRequest,
    ) -> None:
        """Later calls must not depend on the memory of the replica that created the job.

        The replica is another process if the service can be reached from there.
        """
        meta = await direct.create(task_request)
        here = (await direct.get(meta)).phase
        if isinstance(service, SharedByProcesses):
            phase = await replica.phase_of(direct, meta, service.environment())
        else:
            async with driving(connector()) as other:
                other.connection = direct.connection
                phase = (await other.get(meta)).phase
                await other.delete(meta)
        message = f"a job is {Phase(here).name} here and {Phase(phase).name} in another process: keep no state"
        assert (here in TERMINAL_PHASES) == (phase in TERMINAL_PHASES), message

    @rule("create", given="golden_metas")
    def test_metas_of_earlier_releases_are_read(
        self, bound: BoundConnector, golden_metas: Mapping[bytes, Mapping[str, object]]
    ) -> None:
        """Jobs that run during an upgrade were created by the release before."""
        for written, fields in golden_metas.items():
            meta = bound.metadata_type.decode(written)
            read = {name: getattr(meta, name) for name in fields}
            assert read == fields, (
                f"{written!r} is read as {read}, not as {fields}: keep reading the metas of earlier releases"
            )

    @rule("create")
    async def test_a_corrupt_meta_is_refused(self, driver: Driver, task_request: pb.CreateTaskRequest) -> None:
        """As INVALID_ARGUMENT: the job is not lost, and a retry can't help."""
        meta = await driver.create(task_request)
        own = _own(driver, meta)
        for corrupt in (b"", meta[:-3], own[: len(own) // 2], b"\xff\xfe nothing", b"[]"):
            with pytest.raises(ConnectorError) as caught:
                await driver.get(corrupt)
            assert caught.value.code == "INVALID_ARGUMENT", (
                f"{corrupt!r} gave {caught.value!r}: let decode raise ValueError"
            )


def _own(driver: Driver, meta: bytes) -> bytes:
    """The connector's part of a resource meta."""
    return unseal(meta, driver.bound.category.name).meta
