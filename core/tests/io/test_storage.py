"""Bytes at a URI: local files and a real S3 server behave alike."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from flyte_connectors.io import storage

if TYPE_CHECKING:
    import pathlib

pytest.importorskip("obstore")


@pytest.fixture(params=["a path", "a file URI", "S3"])
def prefix(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> str:
    """An empty folder in each kind of place."""
    if request.param == "S3":
        bucket = request.getfixturevalue("bucket")
        return storage.join(bucket, f"run-{tmp_path.name}")
    return str(tmp_path) if request.param == "a path" else tmp_path.as_uri()


def test_what_is_written_is_read(prefix: str) -> None:
    """Over what was there before, into folders that did not exist."""
    uri = storage.join(prefix, "a/b/outputs.pb")
    assert not storage.exists(uri)
    storage.write_bytes(uri, b"old")
    storage.write_bytes(uri, b"\x00new")
    assert storage.read_bytes(uri) == b"\x00new"
    assert storage.exists(uri)
    assert storage.exists(storage.join(prefix, "a"))


def test_a_file_that_is_not_there_is_a_file_not_found_error(prefix: str) -> None:
    """Everywhere the standard library's."""
    with pytest.raises(FileNotFoundError):
        storage.read_bytes(storage.join(prefix, "nothing"))
    with pytest.raises(FileNotFoundError):
        storage.download(storage.join(prefix, "nothing"), "/tmp/never")
    assert not storage.exists(storage.join(prefix, "nothing"))


def test_all_files_below_a_folder_are_listed(prefix: str) -> None:
    """Sorted, at any depth, and not those of a folder whose name begins the same."""
    for name in ("a/2", "a/b/3", "a/1", "ab/4"):
        storage.write_bytes(storage.join(prefix, name), b"")
    listed = storage.list_files(storage.join(prefix, "a"))
    assert [uri.rpartition("/a/")[2] for uri in listed] == ["1", "2", "b/3"]
    assert storage.read_bytes(listed[0]) == b""


def test_files_are_copied_piece_by_piece(prefix: str, tmp_path: pathlib.Path) -> None:
    """Twenty megabytes there and back."""
    source, target = tmp_path / "source", tmp_path / "x" / "target"
    source.write_bytes(bytes(range(256)) * 80_000)
    uri = storage.join(prefix, "large")
    storage.upload(source, uri)
    storage.download(uri, target)
    assert target.read_bytes() == source.read_bytes()


def test_the_name_of_an_object_may_have_any_character(bucket: str) -> None:
    """A question mark or a hash begins no query and no fragment there."""
    for number, name in enumerate(("a?b", "a#b", "a%20b", "a b")):
        storage.write_bytes(storage.join(f"{bucket}/names", name), b"%d" % number)
    listed = storage.list_files(f"{bucket}/names")
    assert sorted(storage.read_bytes(uri) for uri in listed) == [b"0", b"1", b"2", b"3"]


def test_a_store_that_refuses_gives_one_line(bucket: str) -> None:
    """With the URI and the reason, without obstore's debug pages."""
    with pytest.raises(FileNotFoundError) as missing:
        storage.write_bytes("s3://no-such-bucket/x", b"")
    assert str(missing.value) == "s3://no-such-bucket/x not found: no such object or bucket"
    with pytest.raises(storage.StorageError) as refused:
        storage.write_bytes(f"{bucket}/a//b", b"")
    assert str(refused.value).startswith("s3://data/a//b: ")
    assert "\n" not in str(refused.value)


def test_an_unknown_scheme_gives_one_line() -> None:
    """Naming the URI."""
    with pytest.raises(storage.StorageError, match=r"^weird://x/y: "):
        storage.read_bytes("weird://x/y")


def test_without_the_extra_the_text_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Local files work all the same."""
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(storage.StorageError, match=r"flyte-connectors\[storage\]"):
        storage.read_bytes("s3://b/x")


@pytest.mark.parametrize(
    ("prefix", "name", "joined"),
    [("s3://b/p/", "/x", "s3://b/p/x"), ("/a", "b", "/a/b"), ("", "x", "x")],
)
def test_join_puts_one_slash(prefix: str, name: str, joined: str) -> None:
    """Whatever the two ends bring."""
    assert storage.join(prefix, name) == joined
