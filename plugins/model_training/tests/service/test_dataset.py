"""Data sets from everywhere, and what is wrong with the bad ones."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import TYPE_CHECKING

import boto3
import numpy as np
import pyarrow as pa
import pytest
from flyte_connectors_model_training.service import dataset
from flyte_connectors_model_training.service.dataset import DatasetError
from moto.server import ThreadedMotoServer
from pyarrow import parquet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CSV = b"x,y,label\n1,2,a\n3,4.5,b\n5,6,a\n"


class _Files(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/data.csv" else 404)
        self.end_headers()
        self.wfile.write(CSV)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[str]:
    """A web server with one data set."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    threading.Thread(target=server.serve_forever).start()
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


def fetched(uri: str) -> bytes:
    """Fetch into memory."""
    file = BytesIO()
    dataset.fetch(uri, file)
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
        ("file:///", "Is a directory"),
        ("file://elsewhere/data.csv", "names another host"),
        ("http://127.0.0.1:1/data.csv", "Connection refused"),
    ],
)
def test_an_unreachable_data_set_says_why(uri: str, reason: str) -> None:
    """The text names the URI and the reason."""
    with pytest.raises(DatasetError, match=reason) as caught:
        fetched(uri)
    assert uri in str(caught.value)


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
    monkeypatch.setattr(dataset, "MAX_DATASET_BYTES", 10)
    with pytest.raises(DatasetError, match="larger than 10 bytes"):
        fetched(f"{web}/data.csv")


def read(tmp_path: Path, content: bytes, label: str = "label") -> dataset.Dataset:
    """Read `content` as a data set."""
    (tmp_path / "dataset").write_bytes(content)
    return dataset.read(tmp_path / "dataset", label)


def test_csv_and_parquet_give_the_same_rows(tmp_path: Path) -> None:
    """The content decides on the format, not the name."""
    table = pa.table({"x": [1, 3, 5], "label": ["a", "b", "a"], "y": [2.0, 4.5, 6.0]})
    buffer = pa.BufferOutputStream()
    parquet.write_table(table, buffer)
    for content in (CSV, buffer.getvalue().to_pybytes()):
        rows = read(tmp_path, content)
        np.testing.assert_array_equal(rows.features, [[1, 2], [3, 4.5], [5, 6]])
        assert rows.labels.tolist() == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not readable as CSV: Empty CSV file"),
        (b"x,label\n", "empty: it has a header and no rows"),
        (b"x,label\n1\n2,a\n", "not readable as CSV: .*Expected 2 columns, got 1"),
        (b"PAR1 and nothing more", "not readable as Parquet"),
        (b"<html>Sign in</html>\n", "no column 'label'; it has '<html>Sign in</html>'"),
        (b"x,class\n1,a\n2,b\n", "no column 'label'; it has 'x', 'class'"),
        (b"label\na\nb\n", "no column besides 'label'"),
        (b"x,label\n1,a\n2,a\n", "one class only"),
        (b"x,label\n1,a\n,b\n", "column 'x' has 1 missing values"),
        (b"x,label\n1,1\n2,\n", "column 'label' has 1 missing values"),
        (b"x,label\nred,a\nblue,b\n", "column 'x' holds string: a feature must be a number"),
        (b"x,label\n1,0.5\n2,0.7\n", "column 'label' holds double: a label must be a class"),
        (b"x,label\n1,a\ninf,b\n", "column 'x' holds a value that is not finite"),
        (b"x,label\n\xff\xfe,a\n2,b\n", "column 'x' holds"),
    ],
)
def test_a_bad_data_set_says_what_is_wrong(tmp_path: Path, content: bytes, reason: str) -> None:
    """One line, naming the column where there is one."""
    with pytest.raises(DatasetError, match=reason) as caught:
        read(tmp_path, content)
    assert str(caught.value).isprintable()
