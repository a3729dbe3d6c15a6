"""The dashboards: a list of trainings, and a page of each; they load nothing from elsewhere."""

from __future__ import annotations

from importlib import resources
from pathlib import PurePath

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOLDER = resources.files("flyte_connectors_training_service").joinpath("static")
_NAMES = frozenset(file.name for file in _FOLDER.iterdir())


def page(name: str) -> Response:
    """A page by the name of its file."""
    body = _FOLDER.joinpath(name).read_bytes()
    return Response(body, media_type="text/html", headers=_HEADERS)


def _all_trainings(_: Request) -> Response:
    return page("trainings.html")


def _static(request: Request) -> Response:
    name = request.path_params["name"]
    kind = _KINDS.get(PurePath(name).suffix)
    if kind is None or name not in _NAMES:
        raise HTTPException(404, f"no file {name!r}")
    headers = {**_HEADERS, "Cache-Control": "max-age=300"}
    return Response(_FOLDER.joinpath(name).read_bytes(), media_type=kind, headers=headers)


ROUTES = [Route("/dashboard", _all_trainings), Route("/static/{name}", _static)]
"""Those besides the page of a job."""
