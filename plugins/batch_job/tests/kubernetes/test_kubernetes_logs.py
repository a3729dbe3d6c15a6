"""Pages of a container's log, which the API gives from whole seconds on."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from flyte_connectors.errors import InvalidRequestError
from hypothesis import given
from hypothesis import strategies as st

from flyte_connectors_batch_job.backends.kubernetes import logs
from flyte_connectors_batch_job.backends.kubernetes.records import PodRecord

START = dt.datetime(2026, 1, 31, 9, 30, tzinfo=dt.timezone.utc)


class Served:
    """The API of logs, over lines with their milliseconds since `START`."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}

    def add(self, pod: str, millis: int, text: bytes, end: bytes = b"\n") -> None:
        time = START + dt.timedelta(milliseconds=millis)
        stamp = f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond:06d}000Z ".encode()
        self.data[pod] = self.data.get(pod, b"") + stamp + text + end

    def log(self, pod: str, query: dict[str, Any], write: Any) -> None:
        since = str(query.get("sinceTime", "")).rstrip("Z").encode()
        lines = self.data.get(pod, b"").splitlines(keepends=True)
        data = b"".join(line for line in lines if line[: len(since)] >= since)
        data = data[: query["limitBytes"]]
        for start in range(0, len(data), 7):
            write(data[start : start + 7])


def pod(name: str, *, ended: bool = True, index: int | None = None) -> PodRecord:
    return PodRecord(name, name, "a", index=index, phase="Succeeded" if ended else "Running")


def read(
    served: Any, pods: list[PodRecord], token: str = "", lines: int = 0, *, may_grow: bool = False
) -> tuple[list[bytes], str]:
    """The lines of one page, and the next token."""
    found, following = [], ""
    for part in logs.page(served, lambda _: None, pods, token, lines, may_grow=may_grow):
        if isinstance(part, str):
            following = part
        else:
            found += [text for _, _, text in part]
    return found, following


def read_all(served: Any, pods: list[PodRecord], lines: int) -> list[bytes]:
    found, token = read(served, pods, lines=lines)
    for _ in range(1000):
        if not token:
            return found
        more, token = read(served, pods, token, lines)
        found += more
    pytest.fail("the log did not end")


@given(
    st.lists(st.tuples(st.integers(0, 700), st.binary(max_size=40)), max_size=30),
    st.integers(1, 9),
)
def test_pages_make_the_whole_log(lines: list[tuple[int, bytes]], size: int) -> None:
    """Each line once, in order, however many there are in a second."""
    served, millis = Served(), 0
    wanted = []
    for pause, line in lines:
        millis += pause
        text = line.replace(b"\n", b"n").replace(b"\r", b"r")
        served.add("p", millis, text)
        wanted.append(text)
    for text in (b"\x0b", b"\x0c", b"\x1c"):  # splitlines() of bytes ends no line at these
        assert (b"a" + text).splitlines() == [b"a" + text]
    assert read_all(served, [pod("p")], size) == wanted


def test_a_token_outlives_new_lines() -> None:
    """A reader goes on where the last page ended, and a running job's log has a next page."""
    served, pods = Served(), [pod("p", ended=False)]
    served.add("p", 0, b"one")
    served.add("p", 10, b"two")
    page, token = read(served, pods, lines=1, may_grow=True)
    assert page == [b"one"]
    served.add("p", 20, b"three")
    served.add("p", 2000, b"four")
    served.add("p", 2001, b"not yet whole", end=b"")
    page, following = read(served, pods, token, may_grow=True)
    assert page == [b"two", b"three", b"four"]
    assert read(served, pods, token, may_grow=True) == (page, following)
    assert read(served, pods, following, may_grow=True)[0] == []
    assert read(served, [pod("p")], following) == ([b"not yet whole"], "")


def test_long_lines_are_given_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is cut, even where a line is longer than a page."""
    monkeypatch.setattr(logs, "PAGE_BYTES", 100_000)
    served = Served()
    long = bytes(range(32, 127)) * 3000
    served.add("p", 0, b"short")
    served.add("p", 1, long)
    served.add("p", 2, b"end")
    found = read_all(served, [pod("p")], 0)
    assert max(map(len, found)) <= logs.MOST_LINE_BYTES
    assert found[0] == b"short"
    assert b"".join(found[1:]).startswith(long)
    assert found[-1].endswith(b"end")


def test_the_pods_of_an_array_follow_each_other() -> None:
    """Each line says whose it is; the log stays at a pod that still runs."""
    served = Served()
    for name in "abc":
        served.add(name, 0, f"from {name}".encode())
    pods = [pod("a", index=0), pod("b", index=1), pod("c", index=2)]
    wanted = [b"[0] from a", b"[1] from b", b"[2] from c"]
    assert read_all(served, pods, 0) == wanted
    assert read_all(served, pods, 1) == wanted
    running = [pods[0], pod("b", ended=False, index=1), pods[2]]
    page, token = read(served, running, may_grow=True)
    assert page == wanted[:2]
    assert token.startswith("1.")


def test_times_are_those_of_the_lines() -> None:
    """In microseconds since 1970."""
    served = Served()
    served.add("p", 1500, b"x")
    (records,) = logs.page(served, lambda _: None, [pod("p")], "", 0, may_grow=False)
    assert records[0][0] == int(START.timestamp() * 1_000_000) + 1_500_000


@pytest.mark.parametrize("token", ["x", "1", "1.2", "1.2.x", "-1.0.0", "1.2.3.4", "9999999.0.0"])
def test_a_token_of_another_log_is_refused(token: str) -> None:
    """Before anybody is asked."""
    with pytest.raises(InvalidRequestError, match="is not a page of this log"):
        read(Served(), [pod("p")], token)


def test_a_job_without_pods_has_an_empty_log() -> None:
    """With a next page for as long as it may get some."""
    assert read(Served(), [], may_grow=True) == ([], "0.0.0")
    assert read(Served(), []) == ([], "")
