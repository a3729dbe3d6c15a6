"""A console for Flyte connectors: pages about the service, its jobs, their logs and curves.

    browser -> access -> application -> job_pages, templates     pages
                              |
                              +-> streams -> watching -> place -> the connectors

access.py            who may read the pages: token, cookie, host name, headers
application.py       the routes, as a WSGI application
job_pages.py         the page of a job; jobs_table.py, overview.py and resource_view.py: what the others show
checkup.py           the findings of `flyte-connectors doctor`
streams.py           server-sent events of a job's page
fan_out.py           one thread that writes them to all pages
watching.py          open jobs: each is read once, however many pages show it
log_tail.py          the end of a log, and where its other lines are
curves.py            the replies of `get_metrics` as curves
job_address.py       a job in a URL
asked.py             the jobs that a replica was called for
place.py             what the pages are about: the interface of the next two
service_place.py     a connector service, for `serve --console`
laptop_place.py      the runs recorded on this machine, for `flyte-connectors console`
settings.py          what the operator sets
cli/                 the command `console`

Imported by every list of commands, so only the hooks are here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flyte_connectors import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed.wsgi import WSGIApplication
    from flyte_connectors.hookspecs import Commands
    from flyte_connectors.service.server import ConnectorService

__all__ = ["http_routes", "register_commands"]


@hookimpl
def register_commands(commands: Commands) -> None:
    """Add `console`."""
    commands.add(
        "console",
        help="show the runs of this machine, their logs and curves in a browser",
        module=f"{__name__}.cli.console",
    )


@hookimpl
def http_routes(service: ConnectorService) -> Mapping[str, WSGIApplication]:
    """The pages, if `--console` asks for them."""
    from flyte_connectors_console.settings import ConsoleSettings

    settings = ConsoleSettings.read()
    if not settings.enabled:
        return {}
    from flyte_connectors_console.service_place import pages_of

    return {"/console": pages_of(service, settings)}
