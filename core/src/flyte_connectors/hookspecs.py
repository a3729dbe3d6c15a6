"""The plugin contract: the verbs that a connector may implement, and the hooks besides them.

A connector is any object with `name`, `task_type_name` and functions named after these hooks. Write
it as a class (`flyte_connectors.AsyncConnector`, `flyte_connectors.SyncConnector`) or as a module
whose functions carry `@hookimpl`; both are checked against the specifications below when they are
registered, and then called directly, so a verb costs no more than a function call.

    async job       create -> get, get, ... -> (delete), with get_logs and get_metrics beside
    quick answer    do
    beside them     wrap_verb, register_commands, adapt, http_routes and others

Rules for every implementation (`warm_up` and `check_connection` may be methods of a connector class, too):
*   Declare only the arguments that you use. `**kwargs` receives the rest, and secrets by their name.
*   `async def` runs on the service's event loop and must not block it; a plain `def` runs in a
    bounded thread pool of the connector's own, so a blocking vendor SDK belongs there.
*   Keep no state between calls: any replica may answer any call, after any restart.
*   Raise `flyte_connectors.errors`: their class decides the status code. Never put a secret in a
    message, a log line or the resource meta.
*   Secrets are masked in whatever the core sends and logs. Add what you derive from them, such as an
    access token, with `flyte_connectors.secrets.mask`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from datetime import datetime, timedelta

    from _typeshed.wsgi import WSGIApplication
    from flyteidl2.connector.connector_pb2 import (
        GetTaskLogsResponse,
        GetTaskMetricsResponse,
        TaskExecutionMetadata,
    )
    from flyteidl2.core.tasks_pb2 import TaskTemplate

    from flyte_connectors.bound import Call, Verb
    from flyte_connectors.cli.plugin_commands import Commands
    from flyte_connectors.connector import Resource, ResourceMeta
    from flyte_connectors.service.server import ConnectorService


PROJECT = "flyte.connectors"
"""Name of the pluggy marker and of the entry-point group."""

HOOK_API = 1
"""Version of this contract. A plugin may state the one it was written for as `hook_api`."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
async def create(
    task_template: TaskTemplate,
    output_prefix: str,
    inputs: dict[str, Any],
    task_execution_metadata: TaskExecutionMetadata,
    idempotency_key: str,
) -> ResourceMeta:
    """Start the external job and return what identifies it.

    Called when: a task of the connector's type starts. A connector that takes `idempotency_key` is called
    again with the same key, on any replica, whenever the caller does not know the outcome (lost reply,
    transient error, crashed caller). One that does not is called once for each attempt of a task,
    and its caller waits for the reply. The attribute `repeatable_create` overrides that.
    Must: give the same job for the same `idempotency_key` (`[a-z0-9-]`, at most 63 characters;
    usable as a job name), if it takes it. The caller's deadline does not cancel it.
    Must not: put secrets in the meta (Flyte stores and logs it), or start anything when the request is
    invalid.
    Raise: `InvalidRequestError` for an invalid field, `AuthenticationError`, `PermissionDeniedError`,
    `RateLimitedError` and `ServiceUnavailableError` for what the external system says.

    Example:
        async def create(self, task_template, inputs, *, idempotency_key, **kwargs):
            endpoint = task_template.custom["endpoint"]
            await self.client.put(f"{endpoint}/{idempotency_key}", json=inputs)
            return JobMeta(job_id=idempotency_key, endpoint=endpoint)
    """
    raise NotImplementedError  # a specification, never called


@hookspec(firstresult=True)
async def get(resource_meta: ResourceMeta, output_prefix: str) -> Resource:
    """Report the state of the job.

    Called when: the caller polls, about every 30 seconds, on any replica.
    Must: have no side effects, map every state the service can answer, keep terminal phases stable,
    and give outputs by name when the phase is SUCCEEDED. Where the service knows how far the job is,
    `custom_info["progress"]` is that, from 0 to 1; `run` draws it as a bar.
    Must not: raise for a state it does not know (answer RUNNING) or answer UNDEFINED.
    Raise: `ServiceUnavailableError` or `RateLimitedError` for transient errors, `JobNotFoundError`
    when the job is lost.

    Example:
        async def get(self, resource_meta, **kwargs):
            job = await self.client.get(f"{resource_meta.endpoint}/{resource_meta.job_id}")
            return Resource(phase=PHASES.get(job["state"], Phase.RUNNING), outputs=job["outputs"])
    """
    raise NotImplementedError  # a specification, never called


@hookspec(firstresult=True)
async def delete(resource_meta: ResourceMeta) -> None:
    """Cancel the job, or clean up after it.

    Called when: the task is aborted, and also for jobs that have already failed.
    Must: succeed for a job that is finished, cancelled or gone, however often it is called.
    `JobNotFoundError` counts as success.
    Must not: return before the external system has accepted the cancellation.
    Raise: `ServiceUnavailableError` for transient errors; the caller then retries.

    Example:
        async def delete(self, resource_meta, **kwargs):
            await self.client.delete(f"{resource_meta.endpoint}/{resource_meta.job_id}")
    """
    raise NotImplementedError  # a specification, never called


@hookspec(firstresult=True)
def get_logs(
    resource_meta: ResourceMeta, token: str, lines: int
) -> AsyncIterator[GetTaskLogsResponse]:
    """Yield one page of log lines, and a token for the next page if there is one.

    Called when: a user reads the logs, while the job runs or later.
    Must: yield `GetTaskLogsResponse` bodies (or bare `LogLine`s), then a header with the token of
    the next page while more may come. Tokens stay valid as the log grows. `token` is empty for the
    first page; `lines` is the wanted page size, 0 for the connector's own choice.
    Must not: raise for a job without logs; yield nothing.
    Raise: `InvalidRequestError` for a token it never gave out.

    Example:
        async def get_logs(self, resource_meta, token="", **kwargs):
            page = await self.client.get(f"/{resource_meta.job_id}/logs?from={token or 0}")
            for text in page["lines"]:
                yield LogLine(message=text)
            if page["next"]:
                yield GetTaskLogsResponse(header={"token": page["next"]})
    """
    raise NotImplementedError  # a specification, never called


@hookspec(firstresult=True)
async def get_metrics(
    resource_meta: ResourceMeta,
    queries: list[str],
    start_time: datetime | None,
    end_time: datetime | None,
    step: timedelta | None,
) -> GetTaskMetricsResponse:
    """Return metrics of the job, such as CPU seconds or bytes billed.

    Called when: a user reads the job's metrics.
    Must: answer for running and finished jobs; an empty `queries` asks for all metrics. Each result's
    `data` has the form of a Prometheus range query's result, which
    `flyte_connectors.authoring.metrics_response` writes.
    Must not: change the job.
    Raise: `InvalidRequestError` for a query it does not know.

    Example:
        async def get_metrics(self, resource_meta, queries, **kwargs):
            usage = await self.client.get(f"/{resource_meta.job_id}/usage")
            return metrics_response({"cpu_seconds": usage["cpu"]}, queries)
    """
    raise NotImplementedError  # a specification, never called


@hookspec(firstresult=True)
async def do(
    task_template: TaskTemplate,
    output_prefix: str,
    inputs: dict[str, Any],
    task_execution_metadata: TaskExecutionMetadata,
    idempotency_key: str,
) -> Resource:
    """Answer at once, for work that takes seconds: no job, no polling.

    Called when: a task of the connector's type runs.
    Must: return a resource in a terminal phase, and be safe to repeat.
    Must not: take longer than the caller's deadline.
    Raise: as `create`.

    Example:
        async def do(self, task_template, inputs, **kwargs):
            return Resource(phase=Phase.SUCCEEDED, outputs={"rows": await self.count(inputs)})
    """
    raise NotImplementedError  # a specification, never called


@hookspec
def wrap_verb(verb: Verb, call: Call) -> Call:
    """Wrap every call of every connector, for tracing, auditing or limits.

    A plugin with this function (and no task type) is a wrapper. It is composed with each verb once; log
    streams are not wrapped.

    Called when: a verb of a registered connector is called for the first time.
    Must: return an async function that takes the arguments by name, awaits `call(arguments)`, and
    returns its result or lets its error through.
    Must not: change the arguments, or log their values.
    Raise: nothing at registration.

    Example:
        @hookimpl
        def wrap_verb(verb, call):
            async def audited(arguments):
                logger.info("%s of %s", verb.name, verb.connector.category)
                return await call(arguments)
            return audited
    """
    raise NotImplementedError  # a specification, never called


@hookspec
def register_commands(commands: Commands) -> None:
    """Add commands to the command line `flyte-connectors`.

    A command is a module with `configure(parser)`, which adds its options to an `argparse` parser, and
    `run(options)`, which returns the exit code. It is imported when the command is used.

    Called when: the command line lists its commands, or is given one that the core does not have. The
    plugin's module is imported for that, so keep it light: import the rest in the command's module.
    Must: be defined or named in the module that the entry point names; that is how plugins without
    commands are left alone.
    Must not: take the name of a command of the core or of another plugin.
    Raise: nothing.

    Example:
        @hookimpl
        def register_commands(commands):
            commands.add("greet", help="print a greeting", module="acme_connectors.cli.greet")
    """
    raise NotImplementedError  # a specification, never called


@hookspec
def adapt(plugin: Any) -> Any:
    """Adapt connectors of another framework.

    Called when: something is registered, or loaded as a plugin, that does not follow this contract.
    `plugin` is a connector object, or a module that was imported.
    Must: return a connector for an object, a list of connectors for a module, and None for whatever the
    plugin does not know. Be defined or named in the module that the entry point names, and keep that
    module light.
    Must not: import the other framework just to find out.
    Raise: `RegistrationError` for a connector that can't be adapted.

    Example:
        @hookimpl
        def adapt(plugin):
            return AcmeAdapter(plugin) if type(plugin).__module__ == "acme.jobs" else None
    """
    raise NotImplementedError  # a specification, never called


@hookspec
def http_routes(service: ConnectorService) -> Mapping[str, WSGIApplication]:
    """Add pages to the service's HTTP port, beside `/metrics` and the probes.

    A page is a WSGI application (PEP 3333), so any framework will do. It is called in a thread. The HTTP port
    asks for no token, so a page that is not for everyone has to. With `--tls-cert`, it answers over TLS, too.

    Called when: the service starts to listen; not with several workers, whose HTTP port is their
    supervisor's.
    Must: return the applications by path, such as `/console`; each answers that path and those below it.
    Must not: show secrets; take a path that is taken, or change `service` but by `service.wrap_requests`.
    Raise: nothing.

    Example:
        @hookimpl
        def http_routes(service):
            def types(environ, start_response):
                start_response("200 OK", [("Content-Type", "text/plain")])
                return [bound.category.name.encode() for bound in service.registry]
            return {"/types": types}
    """
    raise NotImplementedError  # a specification, never called


@hookspec
def grpc_services(service: ConnectorService) -> Mapping[str, Mapping[str, Any]]:
    """Add gRPC services to the service's port, beside those of Flyte 2, health and reflection.

    Called when: the service starts to listen, in each of its processes.
    Must: return the handlers by method, by the full name of the gRPC service. They win over the service's own of the
    same name. Descriptors in protobuf's default pool are what reflection shows.
    Must not: block the event loop; answer without `service.calls`, which a graceful shutdown waits for.
    Raise: nothing.

    Example:
        @hookimpl
        def grpc_services(service):
            async def ping(request, context):
                return b""
            return {"acme.Ping": {"Ping": grpc.unary_unary_rpc_method_handler(ping)}}
    """
    raise NotImplementedError  # a specification, never called


@hookspec
def warm_up() -> None:
    """Load what would delay the first call, such as a vendor's library.

    Called when: a service has begun to answer SERVING, in each of its processes, in a thread; plugins
    one after the other. Calls may come before and meanwhile. Not in a local run.
    Must: be safe to repeat.
    Must not: start a job, or need credentials.
    Raise: anything; the service logs it and continues, since a call fails with the same error and reports it.

    Example:
        @hookimpl
        def warm_up():
            import sqlite3  # what the verbs need
    """
    raise NotImplementedError  # a specification, never called


@hookspec
def check_connection() -> Iterable[str | Exception]:
    """Check whether the external system answers, with the credentials that the service itself has.

    Called when: an operator runs `flyte-connectors doctor`, in a thread.
    Must: return, within seconds, a line or an error for each system that the operator has configured.
    Must not: start a job, change anything, or show a credential.
    Raise: the error of a call, where there is one system to ask.

    Example:
        @hookimpl
        def check_connection(self):
            version = self.client.get(f"{AcmeSettings.read().url}/version").json()
            return [f"Acme {version['number']} at {AcmeSettings.read().url}"]
    """
    raise NotImplementedError  # a specification, never called


VERBS: tuple[str, ...] = ("create", "get", "delete", "get_logs", "get_metrics", "do")
"""Names of a connector's hooks, in the order of a job's life."""

PLUGIN_HOOKS: tuple[str, ...] = (
    *("wrap_verb", "register_commands", "adapt", "http_routes"),
    *("grpc_services", "warm_up", "check_connection"),
)
"""Names of the hooks besides the verbs; a plugin may have them with or without a connector."""
