"""Log streams: whole, in order, in few messages, and patient."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from tests.fakes.job_service import JobService, until
from tests.service.client import Client

MIB = 1 << 20


async def test_lines_that_are_ready_travel_together(client: Client, jobs: JobService) -> None:
    """A connector yields one line at a time; the wire carries few messages, in order."""
    job = await client.create()
    log = [f"line {number}" for number in range(50_000)]
    jobs.update(jobs.jobs[0], log=log)
    messages = [message async for message in job.log_messages(lines=len(log))]
    assert [line.message for message in messages for line in message.body.lines] == log
    assert len(messages) < len(log) / 100


async def test_pages_follow_each_other_by_their_tokens(client: Client) -> None:
    """Nothing is missing or doubled, the wanted size is kept, and old tokens stay valid."""
    log = [str(number) for number in range(250)]
    job = await client.create(custom={"log": log})
    lines, tokens = [], [""]
    while True:
        page, token = await job.page(token=tokens[-1], lines=100)
        assert len(page) <= 100
        lines += page
        if not token:
            break
        tokens.append(token)
    assert lines == log
    again, _ = await job.page(token=tokens[1], lines=100)
    assert again == log[100:200]


async def test_a_log_that_grows_is_read_on_from_its_last_token(client: Client, jobs: JobService) -> None:
    """The page at the end of a running job's log has a token, for what comes later."""
    job = await client.create(custom={"log": ["one"], "phase": "RUNNING"})
    page, token = await job.page()
    assert (page, bool(token)) == (["one"], True)
    assert (await job.page(token=token))[0] == []
    jobs.update(jobs.jobs[0], log=["one", "two"])
    assert (await job.page(token=token))[0] == ["two"]


async def test_a_line_is_sent_while_the_next_is_not_there_yet(client: Client, jobs: JobService) -> None:
    """Joining lines never holds one back."""
    job = await client.create(custom={"log": ["early"], "hold_at_end": ["get_logs"]})
    stream = job.log_messages()
    first = await asyncio.wait_for(stream.read(), 10)
    assert [line.message for line in first.body.lines] == ["early"]
    jobs.release()
    second = await stream.read()
    assert [line.message for line in second.body.lines] == ["after the quiet"]
    assert await stream.read() is grpc.aio.EOF


async def test_pings_while_a_stream_is_quiet_do_not_end_it(client: Client, jobs: JobService) -> None:
    """A stock gRPC server ends such a connection after three seconds, for too many pings."""
    job = await client.create(custom={"hold_at_end": ["get_logs"], "log": ["one"]})
    address = client.address
    options = [
        ("grpc.keepalive_time_ms", 1000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_sent_ping_interval_without_data_ms", 100),
    ]
    async with Client(address, options) as pinging:
        mine = type(job)(pinging, job.meta, job.category)
        stream = mine.log_messages()
        await stream.read()
        await asyncio.sleep(4)  # the pings are the C core's own: nothing tells when they went out
        jobs.release()
        second = await stream.read()
        assert [line.message for line in second.body.lines] == ["after the quiet"]


async def test_lines_too_long_for_a_message_are_cut(client: Client) -> None:
    """And marked; Flyte's client takes 4 MiB at most."""
    async with Client(client.address, [("grpc.max_receive_message_length", 4 * MIB)]) as usual:
        log = ["x" * (3 * MIB), "y" * MIB, "z" * MIB, "w" * MIB]
        job = await client.create(custom={"log": log})
        mine = type(job)(usual, job.meta, job.category)
        lines, _ = await mine.page()
    assert lines[0].endswith("[truncated]")
    assert [line[0] for line in lines] == ["x", "y", "z", "w"]
    assert [len(line) <= len(whole) for line, whole in zip(lines, log, strict=True)] == [True] * 4


@pytest.mark.parametrize("task_type", ["fake_log_object", "fake_plain"])
async def test_any_iterator_will_do(client: Client, task_type: str) -> None:
    """An async iterator that is not a generator, and a plain generator, which runs in a thread."""
    log = [str(number) for number in range(3000)]
    job = await client.create(task_type, custom={"log": log})
    assert (await job.page())[0] == log


async def test_lines_before_an_error_arrive(client: Client) -> None:
    """What a stream had to say is not lost with it."""
    job = await client.create("fake_log_breaks")
    stream = job.log_messages()
    first = await stream.read()
    assert [line.message for line in first.body.lines] == ["one", "two"]
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stream.read()
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_reader_who_leaves_ends_the_stream(client: Client, jobs: JobService) -> None:
    """Its connector is not left waiting for ever, and the service goes on."""
    job = await client.create(custom={"log": ["one"], "hold_at_end": ["get_logs"]})
    stream = job.log_messages()
    await stream.read()
    assert not jobs.calls("left_logs")
    stream.cancel()
    await until(lambda: jobs.calls("left_logs"), "the end of the stream")
    assert (await job.get()).phase
