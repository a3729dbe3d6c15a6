"""One connector for each rule of the kit, which breaks that rule and no other."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import itertools
import json
import logging
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

from flyte_connectors import Phase, Resource
from flyte_connectors.errors import (
    ConflictError,
    InvalidRequestError,
    JobNotFoundError,
    ServiceUnavailableError,
)
from flyteidl2.connector.connector_pb2 import GetTaskLogsResponse, GetTaskMetricsResponse
from flyteidl2.core.execution_pb2 import TaskLog
from flyteidl2.core.literals_pb2 import Literal
from kit_reference import (
    ERRORS,
    PHASES,
    JobMeta,
    MemoryJob,
    ReferenceConnector,
    ReferenceMany,
    ReferenceSync,
)

MUTANTS: dict[str, type] = {}
"""Mutants by the name of the test that has to catch them."""

_counter = itertools.count()
_background: set[Any] = set()
_connections: dict[str, str] = {}
_sockets: list[socket.socket] = []


def breaks(test: str) -> Any:
    """Mark the mutant that `test` has to catch."""

    def register(mutant: type) -> type:
        assert test not in MUTANTS
        MUTANTS[test] = mutant
        return mutant

    return register


@breaks("test_registers_without_network_or_credentials")
class ConnectsEarly(ReferenceConnector):
    def __init__(self, service: Any = None) -> None:
        super().__init__(service)
        with contextlib.suppress(OSError), socket.socket() as connection:
            connection.connect(("127.0.0.1", 1))


@breaks("test_an_installed_plugin_brings_it")
class NotInstalled(ReferenceConnector):
    task_type_name = "kit_not_installed"


@breaks("test_a_replay_is_the_same_job")
class StartsReplaysAnew(ReferenceConnector):
    def __init__(self, service: Any = None) -> None:
        super().__init__(service)
        self.answered: set[str] = set()

    async def create(self, task_template: Any, idempotency_key: str, **kwargs: Any) -> Any:
        job, rows = idempotency_key, task_template.custom.fields["rows"].number_value
        known = self.service.by_id.get(job)
        is_replay = job in self.answered and known and known.state == "RUNNING"
        if is_replay and known.rows == rows:
            job += "-again"
        meta = await super().create(task_template=task_template, idempotency_key=job, **kwargs)
        self.answered.add(idempotency_key)
        return meta


@breaks("test_racing_replicas_start_one_job")
class LooksThenLeaps(ReferenceConnector):
    async def create(self, idempotency_key: str, **kwargs: Any) -> Any:
        jobs = [job for job in self.service.by_id if job.startswith(idempotency_key)]
        await asyncio.sleep(0.05)
        job = jobs[0] if jobs else f"{idempotency_key}-{next(_counter)}"
        return await super().create(idempotency_key=job, **kwargs)


@breaks("test_a_new_attempt_is_a_new_job")
class KeyedByRun(ReferenceConnector):
    async def create(self, task_execution_metadata: Any, **kwargs: Any) -> Any:
        execution = task_execution_metadata.task_execution_id.node_execution_id.execution_id
        return await super().create(**{**kwargs, "idempotency_key": execution.name})


@breaks("test_a_lost_reply_starts_one_job")
class AsksAgainUnderAnotherName(ReferenceConnector):
    async def create(self, idempotency_key: str, **kwargs: Any) -> Any:
        try:
            return await super().create(idempotency_key=idempotency_key, **kwargs)
        except ServiceUnavailableError:
            return await super().create(idempotency_key=f"{idempotency_key}-again", **kwargs)


@breaks("test_another_task_is_no_replay")
class TakesWhatItFinds(ReferenceConnector):
    async def create(self, idempotency_key: str, **kwargs: Any) -> Any:
        try:
            return await super().create(idempotency_key=idempotency_key, **kwargs)
        except ConflictError:
            return JobMeta(idempotency_key)


@breaks("test_inputs_arrive_unchanged")
class SendsFloats(ReferenceConnector):
    """As JSON in JavaScript has numbers: 2**53 + 1 is 2**53."""

    async def create(self, inputs: Any, **kwargs: Any) -> Any:
        sent = {name: int(float(value)) if type(value) is int else value for name, value in inputs.items()}
        return await super().create(inputs=sent, **kwargs)


@breaks("test_create_leaves_its_request_alone")
class ScribblesOnTheRequest(ReferenceConnector):
    async def create(self, task_template: Any, **kwargs: Any) -> Any:
        task_template.custom["seen"] = True
        return await super().create(task_template=task_template, **kwargs)


@breaks("test_create_takes_any_name_of_a_run")
class PickyAboutNames(ReferenceConnector):
    async def create(self, task_execution_metadata: Any, **kwargs: Any) -> Any:
        execution = task_execution_metadata.task_execution_id.node_execution_id.execution_id
        if not execution.name.isalnum():
            raise InvalidRequestError("letters and digits only", field="run")
        return await super().create(**kwargs)


@breaks("test_bad_requests_start_nothing")
class SubmitsWhatItRefuses(ReferenceConnector):
    async def create(self, idempotency_key: str, **kwargs: Any) -> Any:
        try:
            return await super().create(idempotency_key=idempotency_key, **kwargs)
        except InvalidRequestError:
            self.service.submit(idempotency_key)
            raise


class RestlessMeta(JobMeta):
    def encode(self) -> bytes:
        return json.dumps({"job": self.job, "at": next(_counter)}).encode()


class WithMeta(ReferenceConnector):
    async def create(self, **kwargs: Any) -> Any:
        return self.metadata_type((await super().create(**kwargs)).job)


@breaks("test_meta_reads_back_as_it_was_written")
class RestlessMetaConnector(WithMeta):
    metadata_type = RestlessMeta


@dataclasses.dataclass
class FatMeta(JobMeta):
    copy_of_the_inputs: str = "x" * 5000


@breaks("test_meta_is_small")
class FatMetaConnector(WithMeta):
    metadata_type = FatMeta


class StrictMeta(JobMeta):
    @classmethod
    def decode(cls, data: bytes) -> Any:
        return cls(**json.loads(data))


@breaks("test_meta_of_a_later_release_is_read")
class StrictMetaConnector(WithMeta):
    metadata_type = StrictMeta


@breaks("test_any_replica_serves_the_job")
class RemembersItsJobs(ReferenceConnector):
    """For all connectors of the process."""

    started: set[str] = set()  # noqa: RUF012

    async def create(self, **kwargs: Any) -> Any:
        meta = await super().create(**kwargs)
        self.started.add(meta.job)
        return meta

    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        if resource_meta.job not in self.started:
            raise JobNotFoundError("not one of mine")
        return await super().get(resource_meta, **kwargs)


@dataclasses.dataclass
class RegionalMeta(JobMeta):
    region: str


@breaks("test_metas_of_earlier_releases_are_read")
class RegionalMetaConnector(ReferenceConnector):
    metadata_type = RegionalMeta

    async def create(self, **kwargs: Any) -> Any:
        return RegionalMeta((await super().create(**kwargs)).job, "eu")


class LenientMeta(JobMeta):
    @classmethod
    def decode(cls, data: bytes) -> Any:
        try:
            return super().decode(data)
        except ValueError:
            return cls("")


@breaks("test_a_corrupt_meta_is_refused")
class LenientMetaConnector(WithMeta):
    metadata_type = LenientMeta


class WithPhase(ReferenceConnector):
    """Reports another phase for one state."""

    wrong: dict[str, Any] = {}  # noqa: RUF012

    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        resource = await super().get(resource_meta, **kwargs)
        state = self.job(resource_meta).state
        return dataclasses.replace(resource, phase=self.wrong.get(state, resource.phase))


@breaks("test_a_running_job_is_not_over")
class AbortsTheRunning(WithPhase):
    wrong = {"RUNNING": Phase.ABORTED}  # noqa: RUF012


@breaks("test_a_completed_job_has_succeeded")
class AbortsTheCompleted(WithPhase):
    wrong = {"DONE": Phase.ABORTED}  # noqa: RUF012


@breaks("test_a_failed_job_has_failed")
class AbortsTheFailed(WithPhase):
    wrong = {"BROKEN": Phase.ABORTED}  # noqa: RUF012


@breaks("test_a_failure_says_why")
class FailsInSilence(ReferenceConnector):
    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        return dataclasses.replace(await super().get(resource_meta, **kwargs), message=None)


@breaks("test_a_terminal_phase_stays")
class CountsOn(ReferenceConnector):
    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        outputs = {"count": next(_counter)}
        return dataclasses.replace(await super().get(resource_meta, **kwargs), outputs=outputs)


@breaks("test_every_state_is_mapped")
class MapsWhatItKnows(ReferenceConnector):
    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        resource = await super().get(resource_meta, **kwargs)
        return dataclasses.replace(resource, phase=PHASES[self.job(resource_meta).state])


@breaks("test_a_lost_job_is_not_running")
class HopesForTheLost(ReferenceConnector):
    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        if resource_meta.job not in self.service.by_id:
            return Resource(Phase.RUNNING)
        return await super().get(resource_meta, **kwargs)


@breaks("test_get_changes_nothing")
class GetsByStarting(ReferenceConnector):
    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        self.service.submit(f"probe-{next(_counter)}")
        return await super().get(resource_meta, **kwargs)


@breaks("test_remarks_do_not_end_a_job")
class FailsOnRemarks(ReferenceConnector):
    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        resource = await super().get(resource_meta, **kwargs)
        remarks = self.job(resource_meta).remarks
        return Resource(Phase.FAILED, message=remarks[0]) if remarks else resource


@breaks("test_get_asks_no_more_than_declared")
class AsksTwice(ReferenceConnector):
    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        await self.connect()
        return await super().get(resource_meta, **kwargs)


@breaks("test_clocks_may_differ")
class GivesUpOnTheOld(ReferenceConnector):
    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        resource = await super().get(resource_meta, **kwargs)
        if time.time() - self.job(resource_meta).started > 3600:
            return Resource(Phase.FAILED, message="took longer than an hour")
        return resource


@breaks("test_links_can_be_followed")
class LinksNowhere(ReferenceConnector):
    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        resource = await super().get(resource_meta, **kwargs)
        for link in resource.log_links:
            link.uri = "/jobs/1"
        return resource


@breaks("test_delete_stops_the_job")
class DeletesNothing(ReferenceConnector):
    async def delete(self, resource_meta: JobMeta, **kwargs: Any) -> None:
        await self.connect()


class RefusesToDelete(ReferenceConnector):
    """Can't delete jobs of one state."""

    state = ""

    async def delete(self, resource_meta: JobMeta, **kwargs: Any) -> None:
        if self.job(resource_meta).state == self.state:
            raise ConflictError(f"the job is {self.state}")
        await super().delete(resource_meta)


@breaks("test_delete_can_be_repeated")
class DeletesOnce(RefusesToDelete):
    state = "CANCELLED"


@breaks("test_a_finished_job_can_be_deleted")
class DeletesTheUnfinished(RefusesToDelete):
    state = "DONE"


@breaks("test_a_lost_job_can_be_deleted")
class MissesTheLost(ReferenceConnector):
    async def delete(self, resource_meta: JobMeta, **kwargs: Any) -> None:
        try:
            await super().delete(resource_meta)
        except JobNotFoundError:
            raise ConflictError("there is no such job") from None


@breaks("test_a_late_create_revives_nothing")
class Revives(ReferenceConnector):
    async def create(self, idempotency_key: str, **kwargs: Any) -> Any:
        meta = await super().create(idempotency_key=idempotency_key, **kwargs)
        job = self.job(meta)
        if job.state == "CANCELLED":
            job.state = "RUNNING"
        return meta


@breaks("test_an_interrupted_run_leaves_no_job")
class MiscountsTheCancelled(ReferenceConnector):
    """Deletes when nobody asks, and takes those that were cancelled for asking still."""

    def __init__(self, service: Any = None) -> None:
        super().__init__(service)
        self.asking = 0

    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        self.asking += 1
        try:
            resource = await super().get(resource_meta, **kwargs)
        except Exception:
            self.asking -= 1
            raise
        self.asking -= 1
        return resource

    async def delete(self, resource_meta: JobMeta, **kwargs: Any) -> None:
        while self.asking:  # noqa: ASYNC110  (a mutant may be simple)
            await asyncio.sleep(0.01)
        await super().delete(resource_meta)


@breaks("test_pages_make_the_whole_log")
class DropsLines(ReferenceConnector):
    async def get_logs(self, resource_meta: JobMeta, token: str, lines: int, **kwargs: Any) -> AsyncIterator[Any]:
        dropped = bool(token and lines)
        async for item in super().get_logs(resource_meta, token, lines):
            if not dropped:
                yield item
            dropped = False


@breaks("test_a_token_outlives_new_lines")
class TokensOfOneLength(ReferenceConnector):
    async def get_logs(self, resource_meta: JobMeta, token: str, lines: int, **kwargs: Any) -> AsyncIterator[Any]:
        start, _, length = token.partition("0000")
        now = len(self.job(resource_meta).log)
        if length and length != str(now):
            raise InvalidRequestError("the log has changed", field="token")
        async for item in super().get_logs(resource_meta, start, lines):
            if isinstance(item, GetTaskLogsResponse):
                item.header.token += f"0000{now}"
            yield item


@breaks("test_a_job_without_lines_has_a_log")
class NeedsLines(ReferenceConnector):
    async def get_logs(self, resource_meta: JobMeta, token: str, lines: int, **kwargs: Any) -> AsyncIterator[Any]:
        job = self.job(resource_meta)
        if not (token or job.log) and job.state == "RUNNING":
            raise JobNotFoundError("the job has no log")
        async for item in super().get_logs(resource_meta, token, lines):
            yield item


@breaks("test_the_log_of_a_finished_job_ends")
class LogsForEver(ReferenceConnector):
    async def get_logs(self, resource_meta: JobMeta, token: str, lines: int, **kwargs: Any) -> AsyncIterator[Any]:
        async for item in super().get_logs(resource_meta, token, lines):
            yield item
        if self.job(resource_meta).state == "DONE":
            yield GetTaskLogsResponse(header={"token": token or "0"})


@breaks("test_the_log_of_a_deleted_job_stays")
class DropsLogsOfTheDeleted(ReferenceConnector):
    async def get_logs(self, resource_meta: JobMeta, token: str, lines: int, **kwargs: Any) -> AsyncIterator[Any]:
        if self.job(resource_meta).state == "CANCELLED":
            return
        async for item in super().get_logs(resource_meta, token, lines):
            yield item


@breaks("test_a_bad_token_is_refused")
class TakesAnyToken(ReferenceConnector):
    def start_of(self, token: str, job: MemoryJob) -> int:
        return int(token) if token.isdecimal() else 0


@breaks("test_do_answers")
class NeverSucceeds(ReferenceSync):
    async def do(self, **kwargs: Any) -> Resource:
        return dataclasses.replace(await super().do(**kwargs), phase=Phase.FAILED)


@breaks("test_do_can_be_repeated")
class CountsItsAnswers(ReferenceSync):
    async def do(self, **kwargs: Any) -> Resource:
        return dataclasses.replace(await super().do(**kwargs), outputs={"count": next(_counter)})


@breaks("test_bad_requests_name_the_field")
class RefusesWithoutAWord(ReferenceConnector):
    async def create(self, **kwargs: Any) -> Any:
        try:
            return await super().create(**kwargs)
        except InvalidRequestError:
            raise InvalidRequestError("bad request") from None


class RawWhenAway(ReferenceConnector):
    async def connect(self) -> None:
        if self.service.is_away:
            raise ConnectionRefusedError("nobody listens")
        await super().connect()


@breaks("test_get_of_a_service_that_is_away_can_be_retried")
class GetsRawErrors(ReferenceConnector):
    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        return await RawWhenAway(self.service).get(resource_meta, **kwargs)


@breaks("test_create_on_a_service_that_is_away_can_be_retried")
class CreatesWithRawErrors(ReferenceConnector):
    async def create(self, **kwargs: Any) -> Any:
        return await RawWhenAway(self.service).create(**kwargs)


@breaks("test_refusals_keep_their_meaning")
class HidesWhoMayNot(ReferenceConnector):
    errors = ERRORS | {403: JobNotFoundError}


@breaks("test_a_cancelled_call_ends")
class ShieldsItsCalls(ReferenceConnector):
    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        call = asyncio.ensure_future(super().get(resource_meta, **kwargs))
        return await asyncio.shield(call)


@breaks("test_a_deadline_is_kept")
class SwallowsCancellation(ReferenceConnector):
    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        try:
            return await super().get(resource_meta, **kwargs)
        except asyncio.CancelledError:
            await asyncio.sleep(1.5)
            raise


@breaks("test_metrics_have_one_form")
class GivesBareNumbers(ReferenceConnector):
    async def get_metrics(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        await self.connect()
        response = GetTaskMetricsResponse()
        response.results.add(metric="lines").data["value"] = len(self.job(resource_meta).log)
        return response


@breaks("test_secrets_are_not_logged")
class LogsItsSecret(ReferenceConnector):
    async def create(self, **kwargs: Any) -> Any:
        logging.getLogger(__name__).debug("connecting with %s", kwargs["kit_secret"])
        return await super().create(**kwargs)


@breaks("test_secrets_are_in_no_reply")
class ReturnsItsSecret(ReferenceConnector):
    """Encoded, and in an output, which the core does not mask."""

    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        encoded = base64.b64encode(kwargs["kit_secret"].encode()).decode()
        outputs = {"count": Literal(hash=encoded)}
        return dataclasses.replace(await super().get(resource_meta, **kwargs), outputs=outputs)


@breaks("test_verbs_answer_without_secrets")
class ShowsItsCredentials(ReferenceConnector):
    """As a header has them, in a link; the core masks that."""

    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        resource = await super().get(resource_meta, **kwargs)
        credentials = base64.b64encode(f"me:{kwargs['kit_secret']}".encode()).decode()
        link = TaskLog(name="console", uri=f"https://jobs.example/1?auth={credentials}")
        return dataclasses.replace(resource, log_links=[link])


@breaks("test_each_call_uses_its_own_secrets")
class UsesTheFirstSecret(ReferenceConnector):
    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        secret = _connections.setdefault("secret", kwargs.get("kit_secret", ""))
        return await super().get(resource_meta, kit_secret=secret)


@breaks("test_secrets_stay_out_of_repr")
class KeepsItsSecret(ReferenceConnector):
    async def create(self, **kwargs: Any) -> Any:
        self.header = f"Bearer {kwargs['kit_secret']}"
        return await super().create(**kwargs)


@breaks("test_no_verb_blocks_the_loop")
class BlocksInDelete(ReferenceConnector):
    async def delete(self, resource_meta: JobMeta, **kwargs: Any) -> None:
        time.sleep(0.15)  # noqa: ASYNC251
        await super().delete(resource_meta)


@breaks("test_gets_do_not_wait_for_each_other")
class OneGetAtATime(ReferenceConnector):
    def __init__(self, service: Any = None) -> None:
        super().__init__(service)
        self.lock = asyncio.Lock()

    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        async with self.lock:
            await asyncio.sleep(0.07)
            return await super().get(resource_meta, **kwargs)


@breaks("test_nothing_is_left_behind")
class LeavesATask(ReferenceConnector):
    async def delete(self, resource_meta: JobMeta, **kwargs: Any) -> None:
        await super().delete(resource_meta)
        _background.add(asyncio.ensure_future(asyncio.sleep(30)))


@breaks("test_calls_leave_nothing_open")
class OpensASocketForEachGet(ReferenceConnector):
    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        _sockets.append(socket.socket())
        return await super().get(resource_meta, **kwargs)


@breaks("test_it_works_on_a_second_loop")
class BoundToItsLoop(ReferenceConnector):
    loop: Any = None

    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        self.loop = self.loop or asyncio.get_running_loop()
        assert self.loop is asyncio.get_running_loop()
        return await super().get(resource_meta, **kwargs)


@breaks("test_get_many_keeps_the_order")
class AnswersInTheServicesOrder(ReferenceMany):
    async def get_many(self, resource_metas: Any, **kwargs: Any) -> Any:
        in_its_order = sorted(resource_metas, key=lambda meta: meta.job)
        return await super().get_many(in_its_order, **kwargs)


@breaks("test_get_many_answers_as_get_does")
class LeavesOutLinks(ReferenceMany):
    async def get_many(self, resource_metas: Any, **kwargs: Any) -> Any:
        answers = await super().get_many(resource_metas, **kwargs)
        for answer in answers:
            if isinstance(answer, Resource):
                answer.log_links = None
        return answers


@breaks("test_a_bad_job_spoils_no_other")
class ExpectsACompleteList(ReferenceMany):
    async def get_many(self, resource_metas: Any, **kwargs: Any) -> Any:
        if len(resource_metas) == 1:
            return await super().get_many(resource_metas, **kwargs)
        await self.connect()
        jobs = [self.service.by_id[meta.job] for meta in resource_metas]
        return [self.resource_of(meta, **kwargs) for meta, _ in zip(resource_metas, jobs, strict=True)]


@breaks("test_get_many_asks_no_more_than_declared")
class AsksForEachJob(ReferenceMany):
    async def get_many(self, resource_metas: Any, **kwargs: Any) -> Any:
        calls = (self.get(meta, **kwargs) for meta in resource_metas)
        return await asyncio.gather(*calls, return_exceptions=True)
