"""The routes of the console, as a WSGI application.

/                               the place: plugins, health, faults, settings
/jobs                           the jobs that are known
/checks                         what `flyte-connectors doctor` says, if that is installed; POST has it run again
/jobs/<type>/<sealed meta>      one job; below it /events, /log, /log.txt and /cancel
/static/<file>                  style, scripts
/sign-in                        takes a token
"""

from __future__ import annotations

import mimetypes
import pathlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jinja2
from flyte_connectors.errors import ConnectorError
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from flyte_connectors_console import texts
from flyte_connectors_console.access import HEADERS
from flyte_connectors_console.job_address import JobAddress
from flyte_connectors_console.job_pages import JobPages
from flyte_connectors_console.jobs_table import jobs_table
from flyte_connectors_console.watching import Watches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from flyte_connectors_console.access import Access
    from flyte_connectors_console.place import Place

_FOLDER = pathlib.Path(__file__).parent
_STATIC = {path.name: path for path in (_FOLDER / "static").iterdir() if path.suffix in (".css", ".js", ".svg")}
_MOST_FORM_BYTES = 10_000
_JOB = "/jobs/<task_type>/<sealed>"
_ROUTES = Map(
    [
        Rule("/", endpoint="overview", methods=["GET"]),
        Rule("/jobs", endpoint="jobs", methods=["GET"]),
        Rule(_JOB, endpoint="job", methods=["GET"]),
        Rule(f"{_JOB}/events", endpoint="events", methods=["GET"]),
        Rule(f"{_JOB}/log", endpoint="log", methods=["GET"]),
        Rule(f"{_JOB}/log.txt", endpoint="download", methods=["GET"]),
        Rule(f"{_JOB}/cancel", endpoint="cancel", methods=["POST"]),
        Rule("/static/<name>", endpoint="static", methods=["GET"]),
        Rule("/checks", endpoint="checks", methods=["GET", "POST"]),
        Rule("/sign-in", endpoint="sign_in", methods=["POST"]),
    ],
    strict_slashes=False,
)


class Console:
    """The pages about a place.

    Args:
        place: What they are about.
        access: Who may read them.
    """

    def __init__(self, place: Place, access: Access) -> None:
        self._place = place
        self._access = access
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        self._templates.filters |= {"age": texts.age, "moment": texts.moment}
        self._job_pages = JobPages(place, Watches(place), self._page)

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        request = Request(environ)
        request.max_content_length = _MOST_FORM_BYTES
        try:
            response = self._answer(request)
        except HTTPException as error:
            response = self._error(request, error.code or 500, error.description or error.name)
        except ConnectorError as error:
            response = self._error(request, 503, error.message)
        response.headers.extend(HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
        return response(environ, start)

    def _answer(self, request: Request) -> Response:
        refused = self._access.refuses(request)
        if refused is not None:
            return self._error(request, *refused)
        endpoint, values = _ROUTES.bind_to_environ(request.environ).match()
        if endpoint == "static":
            return _static(values["name"])
        if endpoint == "sign_in":
            return self._sign_in(request, request.form.get("token", ""), request.form.get("next", ""))
        if self._access.tokens is not None and "token" in request.args:
            others = {name: value for name, value in request.args.items() if name != "token"}
            following = f"{request.path}?{urlencode(others)}".rstrip("?")
            return self._sign_in(request, request.args["token"], following)
        if not self._access.knows(request):
            following = request.full_path.rstrip("?")
            return self._page(request, "sign_in.html", 401, next=following, failed=False)
        return self._show(request, endpoint, values)

    def _show(self, request: Request, endpoint: str, values: Mapping[str, Any]) -> Response:
        if endpoint == "overview":
            return self._page(request, "overview.html", place=self._place.overview())
        if endpoint == "jobs":
            return self._page(request, "jobs.html", **jobs_table(self._place, request.args))
        if endpoint == "checks":
            return self._checks(request)
        address = _address(values, request)
        handler: Callable[[Request, JobAddress], Response] = getattr(self._job_pages, endpoint)
        return handler(request, address)

    def _checks(self, request: Request) -> Response:
        checkup = self._place.checkup
        if checkup is None:
            raise NotFound("flyte-connectors doctor is not installed here")
        if request.method == "POST":
            checkup.start()
            return redirect(f"{request.script_root}/checks", 303, Response=Response)
        return self._page(request, "checks.html", **checkup.view())

    def _sign_in(self, request: Request, token: str, following: str) -> Response:
        tokens = self._access.tokens
        if tokens is None or not tokens.holds(token):
            return self._page(request, "sign_in.html", 403, next=following, failed=tokens is not None)
        is_own = following.startswith("/") and not following.startswith("//") and "\\" not in following
        root = request.script_root
        response = redirect(root + following if is_own else f"{root}/", 303, Response=Response)
        self._access.remember(token, request, response)
        return response

    def _error(self, request: Request, status: int, text: str) -> Response:
        if request.accept_mimetypes.best == "text/html" or request.accept_mimetypes.accept_html:
            return self._page(request, "error.html", status, text=text)
        return Response(f"{text}\n", status, mimetype="text/plain")

    def _page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        text = self._templates.get_template(template).render(
            **values,
            root=request.script_root,
            title=self._place.title,
            section=template.partition(".")[0],
            may_cancel=self._place.may_cancel,
            has_checks=self._place.checkup is not None,
        )
        return Response(text, status, mimetype="text/html")


def _address(values: Mapping[str, Any], request: Request) -> JobAddress:
    version = request.args.get("version", "")
    try:
        return JobAddress.parse(values["task_type"], values["sealed"], version)
    except ValueError as error:
        raise NotFound(str(error)) from None


def _static(name: str) -> Response:
    path = _STATIC.get(name)
    if path is None:
        raise NotFound(f"no file called {name[:100]}")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    response = Response(path.read_bytes(), mimetype=kind)
    response.headers["Cache-Control"] = "max-age=300"
    return response
