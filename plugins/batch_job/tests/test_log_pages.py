"""What people see of a job's log."""

from __future__ import annotations

import time

import pytest
from batch_jobs import Jobs, wait_for, wait_until_alone
from flyte_connectors.errors import InvalidRequestError
from flyteidl2.logs.dataplane.payload_pb2 import LogLineOriginator

from flyte_connectors_batch_job.backends.local.log import MAX_LINE_BYTES
from flyte_connectors_batch_job.backends.local.pages import MESSAGE_LINES, PAGE_LINES

MEGABYTE = 1_000_000


def test_lines_have_time_and_origin(jobs: Jobs) -> None:
    """What stdout got is as it was, stderr is marked, and each line says when it was read."""
    before = time.time()
    meta = jobs.start("echo out; sleep 0.05; echo err >&2")
    jobs.end(meta)
    lines, token = jobs.logs(meta)
    assert [line.message for line in lines] == ["out", "[stderr] err"]
    assert all(line.originator == LogLineOriginator.USER for line in lines)
    first, second = (line.timestamp.ToMicroseconds() / 1e6 for line in lines)
    assert before < first < second < time.time()
    assert not token


def test_the_log_grows_while_the_job_runs_and_old_tokens_stay_valid(jobs: Jobs) -> None:
    """A token goes on where its page ended, however often and late it is used."""
    meta = jobs.start("echo 1; sleep 60")
    lines, token = wait_for(lambda: (page := jobs.logs(meta))[0] and page)
    assert [line.message for line in lines] == ["1"]
    assert jobs.logs(meta, token) == ([], token)
    jobs.connector.delete(meta)
    wait_until_alone(jobs.job(meta))
    later, end = jobs.logs(meta, token)
    assert [line.message for line in later] == ["cancelled: sending SIGTERM"]
    assert jobs.logs(meta, token) == (later, end) == (later, "")


@pytest.mark.parametrize("size", [1, 7, 100, 0, -1, 2**31 - 1])
def test_pages_of_any_size_concatenate_to_the_whole(jobs: Jobs, size: int) -> None:
    """No line is missing, none comes twice, and no page is longer than asked for."""
    meta = jobs.start("seq 1 150")
    jobs.end(meta)
    seen, token = [], ""
    while True:
        lines, token = jobs.logs(meta, token, size)
        assert len(lines) <= (size if size > 0 else PAGE_LINES)
        seen += [int(line.message) for line in lines]
        if not token:
            break
    assert seen == list(range(1, 151))


def test_a_long_log_comes_in_bounded_messages(jobs: Jobs) -> None:
    """A page of many lines is a stream of messages of at most 1000 lines and 1 MB."""
    meta = jobs.start(f"seq 1 {PAGE_LINES + 5}; yes '{'x' * 2000}' | head -3000")
    jobs.end(meta)
    first = list(jobs.connector.get_logs(meta))
    *messages, header = first
    assert sum(len(message.body.lines) for message in messages) == PAGE_LINES
    assert header.header.token
    token, total = header.header.token, PAGE_LINES
    for message in jobs.connector.get_logs(meta, token=token):
        assert len(message.body.lines) <= MESSAGE_LINES
        assert message.ByteSize() < MEGABYTE
        total += len(message.body.lines)
    assert total == PAGE_LINES + 5 + 3000


def test_long_lines_are_split_and_bad_utf8_is_replaced(jobs: Jobs) -> None:
    """No byte a job can print breaks its log."""
    meta = jobs.start(rf"head -c {MAX_LINE_BYTES + 10} /dev/zero | tr '\0' x; echo; printf '\377ok'")
    jobs.end(meta)
    texts = jobs.all_logs(meta)
    assert [len(text) for text in texts] == [MAX_LINE_BYTES, 10, 3]
    assert texts[-1] == "\N{REPLACEMENT CHARACTER}ok"


@pytest.mark.parametrize("token", ["1", "99999999", "-1", "x", "0x0", "٣", "1e3", " 0", "9" * 400, "page-2"])
def test_an_unknown_token_is_refused_by_name(jobs: Jobs, token: str) -> None:
    """Only what a page ended with is a token."""
    meta = jobs.start("echo some line")
    jobs.end(meta)
    with pytest.raises(InvalidRequestError, match="not a page of this log"):
        jobs.logs(meta, token)


def test_a_job_without_output_has_an_empty_log(jobs: Jobs) -> None:
    """No line, no token, no error."""
    meta = jobs.start("true")
    jobs.end(meta)
    assert jobs.logs(meta) == ([], "")
