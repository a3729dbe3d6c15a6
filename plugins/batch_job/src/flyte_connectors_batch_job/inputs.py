"""A task's inputs as the JSON that a job reads, and the files among them."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.io import DataFrame, Dir, File

from flyte_connectors_batch_job.wrapper import uris

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PARQUET = ("", "parquet")


def to_json(inputs: Mapping[str, Any] | None) -> dict[str, Any]:
    """The inputs as JSON values: datetimes in ISO 8601, durations in seconds, files by their URI.

    Raises:
        InvalidRequestError: an input has no form in JSON; the error names it.
    """
    return {name: _checked(name, value) for name, value in (inputs or {}).items()}


def references(inputs: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The files, folders and tables among the inputs, as `wrapper.plan` lists them.

    Raises:
        InvalidRequestError: one can't be fetched by a job; the error names it.
    """
    return [
        {"at": at, "kind": _kind(at, value), "uri": _uri(at, value)}
        for name, given in (inputs or {}).items()
        for at, value in _references(given, [name])
    ]


def _references(value: object, at: list[str | int]) -> Iterator[tuple[list[str | int], Any]]:
    if isinstance(value, (File, Dir, DataFrame)):
        yield at, value
    elif isinstance(value, (list, tuple)):
        for place, item in enumerate(value):
            yield from _references(item, [*at, place])
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _references(item, [*at, key])


def _kind(at: list[str | int], value: File | Dir | DataFrame) -> str:
    if isinstance(value, DataFrame):
        if (value.format or "") not in _PARQUET:
            _refuse(at, f"jobs read tables as parquet, not as {value.format}")
        return "table"
    is_web = uris.scheme_of(value.path) in uris.WEB
    if isinstance(value, Dir) and is_web:
        _refuse(at, "web addresses have no list of files: give each one as a File")
    return "dir" if isinstance(value, Dir) else "file"


def _uri(at: list[str | int], value: File | Dir | DataFrame) -> str:
    uri = (value.uri if isinstance(value, DataFrame) else value.path) or ""
    if not uri or "\0" in uri:
        _refuse(at, f"{uri!r} is not the path of a file")
    if uris.scheme_of(uri) not in uris.SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in uris.SCHEMES)
        _refuse(at, f"{uris.shown(uri)} can't be read by a job, which reads paths and {known}")
    return uri if "://" in uri else str(Path(uri).absolute())


def _checked(name: str, value: object) -> Any:
    try:
        return json.loads(json.dumps(value, default=_plain, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        _refuse([name], f"can't be passed to a batch job, which reads JSON: {error}", error)


def _plain(value: object) -> Any:
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, (File, Dir)):
        return value.path
    if isinstance(value, DataFrame):
        return value.uri
    message = f"a {type(value).__name__} can't be written as JSON"
    raise TypeError(message)


def _refuse(at: list[str | int], message: str, cause: Exception | None = None) -> NoReturn:
    raise InvalidRequestError(message, field="inputs." + ".".join(map(str, at))) from cause
