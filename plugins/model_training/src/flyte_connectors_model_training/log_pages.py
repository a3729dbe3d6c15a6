"""Pages of a log, in the forms in which training services answer them.

A service with offsets answers the position of the next line; our token is that number. Another one answers a
token of the next page, or the whole log at once: there, our token is the page's and how many of its lines
are known, such as `12@NEXT`, because a page that is the last one grows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flyte_connectors.authoring import read_log_token
from flyte_connectors.errors import InvalidRequestError, ServiceUnavailableError

from flyte_connectors_model_training.paths import at
from flyte_connectors_model_training.platforms import LogPage

if TYPE_CHECKING:
    from flyte_connectors_model_training.training_api import TrainingApi

_TOKEN = re.compile(r"([0-9]{1,18})@([\x21-\x7e]{0,2000})")


@dataclass(frozen=True)
class Request:
    """The parameters of a page, and how many of its lines are known."""

    query: dict[str, str]
    token: str
    known: int


def page_request(api: TrainingApi, token: str, limit: int) -> Request:
    """Answer how to ask for a page; raises InvalidRequestError if the token is not one of ours."""
    if has_offsets(api):
        offset = read_log_token(token)
        return Request(_filled(api, offset=str(offset), limit=str(limit)), "", 0)
    known, page = 0, ""
    if token:
        found = _TOKEN.fullmatch(token)
        if found is None:
            message = f"{token[:40]!r} is not a page of this log: start again with an empty token"
            raise InvalidRequestError(message, field="token")
        known, page = int(found[1]), found[2]
    query = _filled(api, token=page, limit=str(limit))
    return Request({name: value for name, value in query.items() if value}, page, known)


def has_offsets(api: TrainingApi) -> bool:
    """Whether the service counts positions."""
    return any("{offset}" in value for value in api.logs_query.values())


def _filled(api: TrainingApi, **values: str) -> dict[str, str]:
    def fill(text: str) -> str:
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    return {name: fill(text) for name, text in api.logs_query.items()}


def read_page(  # noqa: PLR0913, what a page depends on
    api: TrainingApi, body: Any, request: Request, limit: int, where: str, *, has_ended: bool
) -> LogPage:
    """Read a page that a service answered.

    Args:
        api: How it answers.
        body: The reply.
        request: What was asked.
        limit: The greatest number of lines.
        where: The reply's address, for errors.
        has_ended: Whether the job had ended before the page was asked for.

    Raises:
        ServiceUnavailableError: The reply is not a page.
    """
    lines = _lines(api, body, where)
    following = at(body, api.logs_next)
    if has_offsets(api):
        if not isinstance(following, int) or isinstance(following, bool):
            message = f"{where} answered no {api.logs_lines} and {api.logs_next}: see TrainingApi.logs_path"
            raise ServiceUnavailableError(message)
        return LogPage(lines, None if _is_complete(api, body, has_ended) else str(following))
    new = lines[request.known :]
    if len(new) > limit:
        return LogPage(new[:limit], f"{request.known + limit}@{request.token}")
    if following not in (None, "", request.token):
        return LogPage(new, f"0@{following}")
    if _is_complete(api, body, has_ended):
        return LogPage(new, None)
    return LogPage(new, f"{len(lines)}@{request.token}")


def _is_complete(api: TrainingApi, body: Any, has_ended: bool) -> bool:
    return bool(at(body, api.logs_complete)) if api.logs_complete else has_ended


def _lines(api: TrainingApi, body: Any, where: str) -> list[str]:
    found = at(body, api.logs_lines) if api.logs_lines else body
    if isinstance(found, str):
        return found.splitlines()
    if not isinstance(found, list):
        message = f"{where} answered no {api.logs_lines} and {api.logs_next}: see TrainingApi.logs_path"
        raise ServiceUnavailableError(message)
    texts = [at(line, api.logs_text) if api.logs_text else line for line in found]
    return [str(text) for text in texts]
