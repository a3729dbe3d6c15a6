"""The plugin contract: the verbs that a connector may implement, and the hooks besides them.

A connector is any object with `name`, `task_type_name` and functions named after these hooks. Write
it as a class (`flyte_connectors.AsyncConnector`, `flyte_connectors.SyncConnector`) or as a module
whose functions carry `@hookimpl`; both are checked against the specifications below when they are
registered, and then called directly, so a verb costs no more than a function call.

    async job       create -> get, get, ... -> (delete), with get_logs and get_metrics beside
                    get_many in place of get, for many jobs at once
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

from flyte_connectors.hookspecs.markers import HOOK_API, PROJECT, hookimpl, hookspec
from flyte_connectors.hookspecs.plugin_hooks import (
    PLUGIN_HOOKS,
    Commands,
    adapt,
    check_connection,
    find_secrets,
    grpc_services,
    http_routes,
    importable_names,
    register_commands,
    warm_up,
    wrap_verb,
)
from flyte_connectors.hookspecs.verbs import VERBS, create, delete, do, get, get_logs, get_many, get_metrics

# fmt: off
__all__ = [
    "HOOK_API", "PLUGIN_HOOKS", "PROJECT", "VERBS", "Commands", "adapt", "check_connection", "create",
    "delete", "do", "find_secrets", "get", "get_logs", "get_many", "get_metrics", "grpc_services", "hookimpl",
    "hookspec", "http_routes", "importable_names", "register_commands", "warm_up", "wrap_verb",
]
# fmt: on
