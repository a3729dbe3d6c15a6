"""Outputs that a job writes itself: `<output_prefix>/outputs.pb`, on disk and on a real S3 server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from flyte_connectors import Phase, Resource
from flyte_connectors.errors import TaskFailedError
from flyte_connectors.io import storage
from flyte_connectors.types import codec_for_type
from flyteidl2.task.common_pb2 import Outputs

from tests.specification.echo import Echo, EchoTask, Meta
from tests.specification.running import running_on

PLACES = pytest.mark.parametrize("place", ["local", "service"])
OUTPUTS = {"number": int, "text": str}
VALUES = {"number": 7, "text": "seven"}


class Writing(Echo):
    """Its job writes its outputs under the prefix, if it has any; `get` returns none."""

    async def create(self, output_prefix: str, inputs: Mapping[str, Any], **kwargs: Any) -> Meta:
        self.prefixes = [output_prefix]
        if self.outputs is not None:
            message = Outputs()
            for name, value in self.outputs.items():
                literal = codec_for_type(type(value)).encode(value)
                message.literals.add(name=name, value=literal)
            uri = storage.join(output_prefix, "outputs.pb")
            await asyncio.to_thread(storage.write_bytes, uri, message.SerializeToString())
        return await super().create(inputs)

    async def get(self, resource_meta: Meta, output_prefix: str, **kwargs: Any) -> Resource:
        self.prefixes.append(output_prefix)
        return Resource(Phase.SUCCEEDED)


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    """An S3 server on a free port; its URL."""
    moto_server = pytest.importorskip("moto.server")
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["file", "S3"])
def prefix(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Where the runs of this test write; on S3 named by the environment, as a user would."""
    if request.param == "file":
        return (tmp_path / "state" / "runs").as_uri()
    pytest.importorskip("obstore")
    url = request.getfixturevalue("s3_server")
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
        "FLYTE_CONNECTORS_OUTPUT_PREFIX": f"s3://outputs/{tmp_path.name}",
    }.items():
        monkeypatch.setenv(name, value)
    import boto3

    boto3.client("s3", endpoint_url=url).create_bucket(Bucket="outputs")
    storage._store.cache_clear()  # a store keeps the environment of its first use
    return f"s3://outputs/{tmp_path.name}"


@PLACES
async def test_outputs_that_the_job_wrote_are_read(place: str, prefix: str) -> None:
    """By name and in the declared order; create and get are told the same prefix."""
    connector = Writing(dict(reversed(VALUES.items())))
    async with running_on(place, connector):
        result = await EchoTask(outputs=OUTPUTS).execute()
    assert result._asdict() == VALUES
    told = set(connector.prefixes)
    assert len(told) == 1
    assert told.pop().startswith(prefix)


@PLACES
async def test_outputs_that_nobody_wrote_are_missed(place: str, prefix: str) -> None:
    """With the place where they should be."""
    async with running_on(place, Writing()):
        with pytest.raises(TaskFailedError, match="task 'the_task' succeeded, but neither") as caught:
            await EchoTask(outputs=OUTPUTS).execute()
    assert prefix in str(caught.value)
    assert str(caught.value).endswith("/outputs.pb")


@PLACES
@pytest.mark.parametrize(
    ("written", "text"),
    [
        ({"number": 7}, "returned no output 'text'"),
        ({**VALUES, "more": 1}, "returned undeclared output 'more'"),
        ({**VALUES, "number": "x"}, "output 'number' of task 'the_task': expected int"),
    ],
    ids=["missing", "undeclared", "wrong type"],
)
async def test_what_the_job_wrote_has_to_fit(place: str, prefix: str, written: dict[str, Any], text: str) -> None:
    """As if the connector had returned it."""
    async with running_on(place, Writing(written)):
        with pytest.raises(TaskFailedError, match=text):
            await EchoTask(outputs=OUTPUTS).execute()


@PLACES
async def test_a_task_without_outputs_needs_no_file(place: str, prefix: str) -> None:
    """Its result is None."""
    async with running_on(place, Writing()):
        assert await EchoTask().execute() is None


@PLACES
async def test_an_output_too_large_for_a_reply_takes_the_same_way(place: str, prefix: str) -> None:
    """The core stores what the connector returned where the job would have."""
    text = "x" * 4 * 1024 * 1024
    async with running_on(place, Echo({"text": text})):
        assert await EchoTask(outputs={"text": str}).execute() == text
    assert [uri.rpartition("/")[2] for uri in storage.list_files(prefix)] == ["outputs.pb"]
