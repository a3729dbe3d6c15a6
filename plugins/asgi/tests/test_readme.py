"""The applications that the README shows, in h2corn's own program."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import grpc
import pytest
from flyteidl2.connector import connector_pb2 as pb
from test_mounted import LIST

README = pathlib.Path(__file__).parents[1] / "README.md"
FILES = dict(re.findall(r"```python\n# (\w+)\.py\n(.*?)```", README.read_text(), re.DOTALL))
COMMAND = re.search(r"^\$ h2corn (.*) my_connectors:application$", README.read_text(), re.MULTILINE)


@pytest.fixture
def port(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[int]:
    """The port of an application of the README."""
    (tmp_path / f"{request.param}.py").write_text(FILES[request.param])
    assert COMMAND
    words = [*COMMAND[1].split(), "--bind", "127.0.0.1:0", f"{request.param}:application"]
    with subprocess.Popen(
        [sys.executable, "-m", "h2corn", *words],
        cwd=tmp_path,
        env={"FLYTE_CONNECTORS_METRICS_PORT": "0", "FLYTE_CONNECTORS_ALLOW": ""},
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stderr
        for line in server.stderr:
            if found := re.search(r"Listening on http://127.0.0.1:(\d+)", line):
                break
        else:
            pytest.fail("it does not listen")
        yield int(found[1])
        server.terminate()
        server.stderr.read()
    assert server.returncode == 0


@pytest.mark.parametrize("port", ["my_connectors", "my_service"], indirect=True)
def test_they_answer_flyte(port: int) -> None:
    """As `serve` does."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = channel.unary_unary(LIST)(b"", timeout=30, wait_for_ready=True)
        assert pb.ListConnectorsResponse.FromString(answer) is not None


@pytest.mark.parametrize("port", ["my_service"], indirect=True)
def test_an_application_beside_them_answers_the_rest(port: int) -> None:
    """On the same port, over HTTP/1.1, too."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
        assert answer.read() == b"hello"
