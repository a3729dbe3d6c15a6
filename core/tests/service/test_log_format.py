"""Log lines: programs can parse them, they name their job, and they contain no secrets."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import re
import sys
import threading
import urllib.parse
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flyte_connectors._calls.context import CallContext, current
from flyte_connectors.secrets import protected
from flyte_connectors.service.log_format import configure_logging
from flyte_connectors.service.settings import ServiceSettings
from hypothesis import given
from hypothesis import strategies as st

CANARY = 'c4n4ry/+of "logs"=42'
FORMS = [
    CANARY,
    urllib.parse.quote(CANARY, safe=""),
    json.dumps(CANARY)[1:-1],
    base64.b64encode(CANARY.encode()).decode(),
]
CALL = CallContext("create", "batch_job", "run1-a0-0-8f0c")

log = logging.getLogger("a_connector")


class Lines:
    """A log that is configured as a service's; what has been written to it."""

    def __init__(self, log_format: str, level: str = "debug") -> None:
        self._stream = io.StringIO()
        standard_error, sys.stderr = sys.stderr, self._stream
        try:
            configure_logging(ServiceSettings(log_format=log_format, log_level=level))
        finally:
            sys.stderr = standard_error

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """The root logger as it was; the context of this test alone."""
    root, httpx = logging.getLogger(), logging.getLogger("httpx")
    handlers, levels, token = root.handlers[:], (root.level, httpx.level), current.set(None)
    hooks = threading.excepthook, sys.unraisablehook
    yield
    root.handlers[:] = handlers
    logging.captureWarnings(False)
    threading.excepthook, sys.unraisablehook = hooks
    root.setLevel(levels[0])
    httpx.setLevel(levels[1])
    current.reset(token)


def fail() -> None:
    """Raise as a vendor's client does, the request quoted."""
    try:
        {}[CANARY]
    except KeyError as error:
        raise ValueError(f"request with {FORMS[1]} failed") from error


def with_message() -> None:
    log.warning("refused %s", CANARY)


def with_mapping() -> None:
    log.warning("refused %(key)s", {"key": CANARY})


def with_exception() -> None:
    try:
        fail()
    except ValueError:
        log.exception("odd")


def with_all_forms() -> None:
    log.error(" ".join(FORMS))


def with_bad_arguments() -> None:
    log.error("%d apples", CANARY)


def with_extra() -> None:
    log.error("odd", extra={"request": {"headers": [CANARY]}, "url": FORMS[1]})


def with_an_object() -> None:
    log.error("odd", extra={"error": ValueError(CANARY)})


def in_a_thread() -> None:
    asyncio.run(asyncio.to_thread(with_exception))


def in_a_task() -> None:
    async def task() -> None:
        with_exception()

    async def main() -> None:
        await asyncio.create_task(task())

    asyncio.run(main())


def in_a_thread_of_its_own() -> None:
    """As a vendor's client starts them: without the call's context."""
    thread = threading.Thread(target=with_exception)
    thread.start()
    thread.join()


def by_a_thread_that_ends_with_an_error() -> None:
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()


def by_an_error_that_nobody_sees() -> None:
    class Broken:
        def __del__(self) -> None:
            raise ValueError(CANARY)

    Broken()


def by_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"deprecated: {CANARY}", stacklevel=1)


def with_a_note() -> None:
    error = ValueError("odd")
    error.__dict__.setdefault("__notes__", []).append(f"while it used {CANARY}")
    group = error if sys.version_info < (3, 11) else ExceptionGroup("all", [error])  # noqa: F821
    log.error(CANARY if group is error else "odd", exc_info=group)


WRITERS = [
    in_a_thread_of_its_own,
    by_a_thread_that_ends_with_an_error,
    by_an_error_that_nobody_sees,
    by_a_warning,
    with_a_note,
    with_message,
    with_mapping,
    with_exception,
    with_all_forms,
    with_bad_arguments,
    with_extra,
    with_an_object,
    in_a_thread,
    in_a_task,
]


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("write", WRITERS)
def test_no_line_of_a_call_holds_a_secret(write: Callable[[], None], log_format: str) -> None:
    """In no form, wherever in the record it stands; what stands in its place shows that it was there."""
    lines = Lines(log_format)
    current.set(CALL)
    with protected({"key": CANARY}):
        write()
    assert lines.text
    assert not [form for form in FORMS if form in lines.text]
    assert "***" in lines.text or (write in {with_extra, with_an_object} and log_format == "console")


@pytest.mark.parametrize("write", WRITERS[5:9] + WRITERS[10:])
def test_a_json_line_names_its_call(write: Callable[[], None]) -> None:
    """Task type, verb and job; in threads and tasks that the call starts, too."""
    lines = Lines("json")
    current.set(CALL)
    write()
    (line,) = [line for line in lines.objects if line["logger"] == "a_connector"]
    assert (line["task_type"], line["verb"], line["job"]) == ("batch_job", "create", CALL.key)
    assert line["level"] in {"warning", "error"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}", line["time"])


def test_a_console_line_names_its_call() -> None:
    """At its end."""
    lines = Lines("console")
    current.set(CALL)
    log.warning("slow")
    line = lines.text
    assert line.endswith("WARNING a_connector: slow [batch_job run1-a0-0-8f0c]\n")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_line_outside_of_a_call_names_none(log_format: str) -> None:
    """Such as those of the start."""
    lines = Lines(log_format)
    log.info("begun")
    assert "job" not in lines.text
    assert "[" not in lines.text


def test_a_thread_of_nobody_has_no_call() -> None:
    """A client library's own thread is not one of the call's."""
    lines = Lines("json")
    current.set(CALL)
    thread = threading.Thread(target=log.info, args=("from the background",))
    thread.start()
    thread.join()
    if not getattr(sys.flags, "thread_inherit_context", False):
        assert "job" not in lines.objects[0]


def test_a_traceback_is_in_the_line_of_its_error() -> None:
    """One object, however many lines the traceback has."""
    lines = Lines("json")
    with_exception()
    (line,) = lines.objects
    assert line["message"] == "odd"
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].count("Traceback") == 2


def test_unimportant_lines_are_left_out() -> None:
    """Below the level that the settings name."""
    lines = Lines("json", level="warning")
    log.info("chatter")
    log.warning("important")
    assert [line["message"] for line in lines.objects] == ["important"]


VALUES = st.recursive(
    st.none() | st.integers() | st.floats() | st.text() | st.binary() | st.builds(object),
    lambda values: st.lists(values) | st.dictionaries(st.text() | st.tuples(st.text()), values),
    max_leaves=5,
)
FIELDS = st.dictionaries(st.from_regex(r"x_[a-z]{1,8}", fullmatch=True), VALUES, max_size=4)


@given(message=st.text(), extra=FIELDS)
def test_any_record_is_one_object_on_one_line(message: str, extra: dict[str, Any]) -> None:
    """Line breaks, control characters and objects that JSON does not know included."""
    lines = Lines("json")
    log.info("%s", message, extra=extra)
    assert lines.text.count("\n") == 1
    line = json.loads(lines.text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert line["message"] == message
    assert extra.keys() <= line.keys()


def test_a_circle_is_written_as_text() -> None:
    """And holds no secret either."""
    lines = Lines("json")
    circle: dict[str, Any] = {"key": CANARY}
    circle["self"] = circle
    with protected({"key": CANARY}):
        log.info("odd", extra={"circle": circle})
    (line,) = lines.objects
    assert line["circle"].startswith("{'key': '***'")


def test_a_call_beats_what_a_record_adds() -> None:
    """A connector can't write lines in another's name."""
    lines = Lines("json")
    current.set(CALL)
    log.info("odd", extra={"job": "another", "level": "debug", "task_type": "other"})
    (line,) = lines.objects
    assert (line["job"], line["level"], line["task_type"]) == (CALL.key, "info", "batch_job")


@pytest.mark.parametrize(("level", "logged"), [("info", False), ("debug", True)])
def test_a_line_for_each_request_is_for_debugging(level: str, logged: bool) -> None:
    """Httpx logs them as information: one for every poll of every job."""
    lines = Lines("console", level)
    logging.getLogger("httpx").info("HTTP Request: GET ...")
    assert ("HTTP Request" in lines.text) is logged
