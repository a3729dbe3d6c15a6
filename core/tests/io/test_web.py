"""Files at web addresses: read, asked for, and never written. From a real server on loopback."""

from __future__ import annotations

import asyncio
import http.server
import pathlib
import threading
from collections.abc import Iterator

import pytest
from flyte_connectors.errors import StorageError
from flyte_connectors.io import Dir, File

CONTENT = "grüße\n".encode()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as the path says: /STATUS_OF_HEAD/STATUS_OF_GET."""

    def do_HEAD(self) -> None:
        self._answer(int(self.path.split("/")[1]), b"")

    def do_GET(self) -> None:
        status = self.path.split("/")[2].partition("?")[0]
        if status == "short":
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT) + 5))
            self.end_headers()
            self.wfile.write(CONTENT)
        else:
            self._answer(int(status), CONTENT if status in ("200", "206") else b"")

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if status == 302:
            self.send_header("Location", "/200/200")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of the server."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("200/500", True),
        ("404/200", False),
        ("410/200", False),
        ("302/500", True),
        ("405/206", True),  # a server without HEAD
        ("501/200", True),
        ("403/206", True),  # an address that is signed for GET alone
        ("403/404", False),
        ("405/416", True),  # an empty file has no first byte
    ],
)
@pytest.mark.parametrize("kind", [File, Dir])
def test_it_is_asked_whether_a_file_exists(server: str, path: str, there: bool, kind: type[File | Dir]) -> None:
    """By HEAD, and where that is refused by a GET of one byte."""
    file = kind(path=f"{server}/{path}")
    assert file.exists_sync() is there
    assert asyncio.run(file.exists()) is there


@pytest.mark.parametrize("path", ["403/403", "500/503"])
def test_a_server_that_does_not_tell_is_an_error(server: str, path: str) -> None:
    """With its answer, and without what may be secret in the address."""
    uri = f"{server}/{path}?signature=s3cret"
    status = path.partition("/")[2]
    with pytest.raises(StorageError, match=f"/{path}: the server answered {status}") as caught:
        File(path=uri).exists_sync()
    assert "s3cret" not in str(caught.value)


def test_a_server_that_is_not_there_is_an_error(server: str) -> None:
    """It does not mean that the file is not."""
    with pytest.raises(StorageError, match=r"can't be read: .*[Cc]onnection refused"):
        File(path="http://127.0.0.1:1/x").exists_sync()
    with pytest.raises(StorageError, match="can't be read: "):
        File(path="http://127.0.0.1:port/x").exists_sync()


def test_a_file_is_read_whole_or_not_at_all(server: str, tmp_path: pathlib.Path) -> None:
    """A server that breaks off is an error, in both ways of reading."""
    file = File(path=f"{server}/200/200")
    assert pathlib.Path(file.download_sync(tmp_path / "copy")).read_bytes() == CONTENT
    with file.open_sync("r") as text:
        assert text.read() == "grüße\n"
    short = File(path=f"{server}/200/short")
    with pytest.raises(StorageError, match="broke off, 5 bytes before its end"):
        short.download_sync(tmp_path / "short")
    with pytest.raises(StorageError, match="can't be read"), short.open_sync():
        pass


def test_nothing_is_written(server: str, tmp_path: pathlib.Path) -> None:
    """That is said before anything is done."""
    file = File(path=f"{server}/200/200?x=1")
    with pytest.raises(StorageError, match="/200/200: web addresses can be read, not written"):
        file.open_sync("w").__enter__()
    (tmp_path / "local").touch()
    with pytest.raises(StorageError, match="not written"):
        File.from_local_sync(tmp_path / "local", file.path)


def test_a_folder_has_no_list(server: str) -> None:
    """There is no standard for one; a file in it is found by its name."""
    folder = Dir(path=f"{server}/200")
    with pytest.raises(StorageError, match="have no list of files: name each one as a File"):
        folder.list_files_sync()
    with pytest.raises(StorageError, match="have no list of files"):
        folder.download_sync()
    assert folder.get_file_sync("200") == File(path=f"{server}/200/200")


@pytest.mark.parametrize("mode", ["a", "ab", "x", "xb", "r+", "rb+", "w+", "", "q", "rw"])
@pytest.mark.parametrize("path", ["http://127.0.0.1:1/x", "s3://no-such-bucket/x"])
def test_other_modes_are_refused_for_remote_files(mode: str, path: str) -> None:
    """Before anything is asked or written."""
    with pytest.raises(ValueError, match=f"{path} can't be opened with mode "):
        File(path=path).open_sync(mode).__enter__()

    async def open_it() -> None:
        async with File(path=path).open(mode):
            pass

    with pytest.raises(ValueError, match=r"is read .* or written as a whole"):
        asyncio.run(open_it())


def test_local_files_take_every_mode_and_encoding(tmp_path: pathlib.Path) -> None:
    """Text is UTF-8 unless another encoding is wanted, as it is for remote files."""
    file = File(path=str(tmp_path / "file"))
    for mode in ("x", "a", "r+"):
        with file.open_sync(mode) as text:
            text.write("ü")
    assert (tmp_path / "file").read_bytes() == "üü".encode()
    with file.open_sync("w", encoding="latin-1") as text:
        text.write("ü")
    assert (tmp_path / "file").read_bytes() == b"\xfc"
