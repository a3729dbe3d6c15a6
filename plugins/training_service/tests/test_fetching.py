"""Data sets from everywhere, within limits."""

from __future__ import annotations

import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import gcp_storage_emulator.server
import pyarrow as pa
import pytest
from flyte_connectors_training_service import fetching, object_stores, parts
from flyte_connectors_training_service.sources import DatasetError, Sources
from moto.server import ThreadedMotoServer
from pyarrow import parquet

if TYPE_CHECKING:
    from collections.abc import Iterator

CSV = b"x,y,label\n1,2,a\n3,4.5,b\n5,6,a\n"


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator allows this machine's own web servers."""
    monkeypatch.setenv("FLYTE_CONNECTORS_ALLOWED_ENDPOINTS", "127.0.0.1")


class _Files(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        _Files.asked.append(self.headers.get("Authorization", ""))
        path, _, target = self.path.partition("?to=")
        self.send_response(302 if target else 200 if path == "/data.csv" else 404)
        if target:
            self.send_header("Location", target)
        self.end_headers()
        self.wfile.write(CSV)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[str]:
    """A web server with one data set, which redirects to what follows `?to=`."""
    _Files.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 server with one data set in a bucket."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="bucket")
    client.put_object(Bucket="bucket", Key="folder/my data.csv", Body=CSV)
    client.close()
    yield "s3://bucket"
    server.stop()


@pytest.fixture
def gcs(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server of Google Cloud Storage's API with a bucket."""
    server = gcp_storage_emulator.server.create_server("127.0.0.1", 0, in_memory=True, default_bucket="bucket")
    server.start()
    port = server._api._httpd.server_address[1]
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    yield "gs://bucket"
    server.stop()


def put(uri: str, content: bytes) -> None:
    """Write an object, with its type, as every tool of Google does."""
    store = object_stores.store(uri)
    options = {"Content-Type": "application/octet-stream"}
    with store.open_output_stream(object_stores.key(uri), metadata=options) as file:
        file.write(content)


def fetched(uri: str, *roots: Path, **options: bool) -> bytes:
    """Fetch into memory."""
    file = BytesIO()
    fetching.fetch(uri, file, Sources(roots or None, **options))
    return file.getvalue()


def test_a_file_is_fetched(tmp_path: Path) -> None:
    """`file://` with an escaped name."""
    (tmp_path / "my data.csv").write_bytes(CSV)
    assert fetched((tmp_path / "my data.csv").as_uri()) == CSV


def test_a_web_file_is_fetched(web: str) -> None:
    """`http://`, from a real server."""
    assert fetched(f"{web}/data.csv") == CSV


def test_an_s3_object_is_fetched(s3: str) -> None:
    """`s3://`, from a real S3 server."""
    assert fetched(f"{s3}/folder/my%20data.csv") == CSV


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("file:///no/such/file.csv", "No such file or directory"),
        ("file:///sys", "the folder has 0 files"),
        ("file://elsewhere/data.csv", "names another host"),
        ("http://127.0.0.1:1/data.csv", "Connection refused"),
        ("http:///data.csv", "not a URL"),
    ],
)
def test_an_unreachable_data_set_says_why(uri: str, reason: str) -> None:
    """The text names the URI and the reason."""
    with pytest.raises(DatasetError, match=reason) as caught:
        fetched(uri)
    assert uri in str(caught.value) or "folder" in reason


def test_a_missing_web_file_says_so(web: str) -> None:
    """An HTTP status is shown as one."""
    with pytest.raises(DatasetError, match="cannot be read: HTTP 404"):
        fetched(f"{web}/other.csv")


def test_a_missing_s3_object_says_so(s3: str) -> None:
    """A missing key is a DatasetError of one line."""
    with pytest.raises(DatasetError, match=r"other\.csv' cannot be read") as caught:
        fetched(f"{s3}/other.csv")
    assert str(caught.value).isprintable()


def test_a_data_set_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch, web: str) -> None:
    """More bytes than the limit are not stored."""
    monkeypatch.setattr(parts, "MAX_DATASET_BYTES", 10)
    with pytest.raises(DatasetError, match="larger than 10 bytes"):
        fetched(f"{web}/data.csv")


def test_files_are_below_the_data_roots(tmp_path: Path) -> None:
    """However the path is written, and through links as well."""
    allowed, other = tmp_path / "allowed", tmp_path / "other"
    allowed.mkdir()
    other.mkdir()
    for folder in (allowed, other):
        (folder / "data.csv").write_bytes(CSV)
    (allowed / "link.csv").symlink_to(other / "data.csv")
    assert fetched((allowed / "data.csv").as_uri(), allowed) == CSV
    for uri in (
        (other / "data.csv").as_uri(),
        (allowed / "link.csv").as_uri(),
        f"{allowed.as_uri()}/../other/data.csv",
        f"{allowed.as_uri()}/%2e%2e/other/data.csv",
        "file:///etc/shadow",
    ):
        with pytest.raises(DatasetError, match="not below a --data-root"):
            fetched(uri, allowed)


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """Not a device without an end, nor a pipe that nobody writes to."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for uri in (fifo.as_uri(), "file:///dev/zero"):
        with pytest.raises(DatasetError, match="not a regular file"):
            fetched(uri)


def test_a_file_that_is_too_large_is_not_begun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its size is known before."""
    monkeypatch.setattr(parts, "MAX_DATASET_BYTES", 10)
    path = tmp_path / "data.csv"
    path.write_bytes(CSV)
    file = BytesIO()
    with pytest.raises(DatasetError, match="larger than 10 bytes"):
        fetching.fetch(path.as_uri(), file, Sources(None))
    assert file.getvalue() == b""


def test_a_redirect_is_followed(web: str) -> None:
    """Data sets often are elsewhere; whoever asks for one gives its own credentials to the first."""
    address = web.replace("http://", "http://user:pw@")
    assert fetched(f"{address}/?to={web}/data.csv") == CSV
    assert _Files.asked[0].startswith("Basic ")
    assert _Files.asked[1] == ""


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://[fd00:ec2::254]/latest",
        "http://localhost:1/",
        "http://2130706433/",
        "file:///etc/passwd",
        "//169.254.169.254/",
    ],
)
def test_a_redirect_to_an_internal_address_is_refused(monkeypatch: pytest.MonkeyPatch, web: str, target: str) -> None:
    """Also by a service on loopback, whose clients may name this machine."""
    monkeypatch.delenv("FLYTE_CONNECTORS_ALLOWED_ENDPOINTS")
    with pytest.raises(DatasetError, match=r"own machine or network|not a URL"):
        fetched(f"{web}/?to={target}", serves_loopback_only=True)
    with pytest.raises(DatasetError, match=r"own machine or network|not a URL"):
        fetched(f"{web}/?to={web}/data.csv", serves_loopback_only=True)


def test_this_machine_is_reached_for_its_own_users_only(monkeypatch: pytest.MonkeyPatch, web: str) -> None:
    """A service that others reach does not lend them its place in the network."""
    monkeypatch.delenv("FLYTE_CONNECTORS_ALLOWED_ENDPOINTS")
    assert fetched(f"{web}/data.csv", serves_loopback_only=True) == CSV
    with pytest.raises(DatasetError, match="own machine or network"):
        fetched(f"{web}/data.csv")
    monkeypatch.setenv("FLYTE_CONNECTORS_ALLOWED_ENDPOINTS", "data.example.org")
    with pytest.raises(DatasetError, match="is not allowed"):
        fetched(f"{web}/data.csv", serves_loopback_only=True)


def test_an_object_of_google_is_fetched(gcs: str) -> None:
    """`gs://`, from a server of its API; a missing one says so."""
    put(f"{gcs}/folder/data.csv", CSV)
    assert fetched(f"{gcs}/folder/data.csv") == CSV
    with pytest.raises(DatasetError, match=r"other\.csv. cannot be read: "):
        fetched(f"{gcs}/other.csv")


@pytest.mark.parametrize("kind", ["file", "s3", "gs"])
def test_the_files_of_a_folder_become_one(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """In the order of their names, CSV and Parquet alike; what a writer left beside them is no data."""
    if kind == "file":
        folder = (tmp_path / "parts").as_uri()
        (tmp_path / "parts").mkdir()
    else:
        folder = f"{request.getfixturevalue({'s3': 's3', 'gs': 'gcs'}[kind])}/parts"
    buffer = pa.BufferOutputStream()
    parquet.write_table(pa.table({"label": ["c"], "x": [7.0], "y": [8.0]}), buffer)
    for name, content in {
        "part-0.csv": b"x,y,label\n1.5,2.5,a\n",
        "part-1.parquet": buffer.getvalue().to_pybytes(),
        "_SUCCESS": b"",
    }.items():
        if kind == "file":
            (tmp_path / "parts" / name).write_bytes(content)
        else:
            put(f"{folder}/{name}", content)
    rows = parquet.read_table(BytesIO(fetched(folder))).to_pylist()
    assert rows == [{"x": 1.5, "y": 2.5, "label": "a"}, {"x": 7.0, "y": 8.0, "label": "c"}]


def test_files_of_a_folder_with_other_columns_are_refused(tmp_path: Path) -> None:
    """By their number; no column is named."""
    (tmp_path / "a.csv").write_bytes(b"x,label\n1,a\n")
    (tmp_path / "b.csv").write_bytes(b"canary,label\n1,a\n")
    with pytest.raises(DatasetError, match="file 2 of the folder has other columns") as caught:
        fetched(tmp_path.as_uri())
    assert "canary" not in str(caught.value)


def test_links_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    """They may lead out of the folders that are allowed."""
    (tmp_path / "secret.csv").write_bytes(CSV)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "data.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(DatasetError, match="the folder has 0 files"):
        fetched((tmp_path / "folder").as_uri(), tmp_path / "folder")


def test_the_parts_of_a_folder_are_limited_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many small files are a large data set, too."""
    monkeypatch.setattr(parts, "MAX_DATASET_BYTES", 3 * len(CSV))
    for number in range(4):
        (tmp_path / f"{number}.csv").write_bytes(CSV)
    with pytest.raises(DatasetError, match="it is larger than"):
        fetched(tmp_path.as_uri())
