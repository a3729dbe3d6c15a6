"""The hooks besides the verbs; a plugin may have them with or without a connector."""

# The functions here are specifications, without bodies:
# mypy: disable-error-code="empty-body"
# pyright: reportReturnType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from flyte_connectors.hookspecs.markers import hookspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from _typeshed.wsgi import WSGIApplication

    from flyte_connectors import ConnectorService
    from flyte_connectors.bound import Call, Verb

PLUGIN_HOOKS: tuple[str, ...] = (
    *("wrap_verb", "register_commands", "adapt", "http_routes"),
    *("grpc_services", "warm_up", "check_connection", "find_secrets", "importable_names"),
)
"""Names of the hooks besides the verbs."""


class Commands(Protocol):
    """What `register_commands` is given."""

    def add(self, name: str, *, help: str, module: str) -> None:  # noqa: A002  (as argparse calls it)
        """Add a command.

        Args:
            name: What is typed after `flyte-connectors`.
            help: One line for the list of commands.
            module: Dotted name of its module, with `configure(parser)` and `run(options)`.
        """


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


@hookspec
async def find_secrets(project: str, domain: str, names: Sequence[str]) -> Mapping[str, str] | None:
    """Find the secrets of a project and domain, for `--secrets-by project`.

    Called when: a call of a job needs secrets that the request does not bring, each time anew, in place of a look into
    the mounted folders. It has half of the call's time.
    Must: be `async def`; return the values by name, or None where the operator has not set this plugin up, in which
    case the next plugin is asked, and the folders are looked into.
    Must not: keep values, or return what belongs to another project or domain.
    Raise: `AuthenticationError` for a secret that is not there, with what adds it; `ServiceUnavailableError` while the
    store does not answer.

    Example:
        @hookimpl
        async def find_secrets(project, domain, names):
            return {name: await store.read(f"{project}/{domain}/{name}") for name in names}
    """


@hookspec
def importable_names() -> Mapping[str, Mapping[str, str]]:
    """Make names of another package importable where that package is not installed.

    Called when: `install_as_flyte()` is, or a module that a user names imports `flyte` or `flytekit` in vain.
    Must: return, for each module, its names and where they are, as `module:name`. The package comes first, and
    each module before those below it. Be defined or named in the module that the entry point names.
    Must not: import what it names.
    Raise: nothing.

    Example:
        @hookimpl
        def importable_names():
            return {"acme": {"Job": "acme_connectors.names:Job"}}
    """
