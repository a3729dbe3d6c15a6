"""`File`, `Dir` and `DataFrame`: references that can be opened, locally and on a real S3 server."""

from __future__ import annotations

import asyncio
import pathlib
import sys
from typing import Any

import pytest
from flyte_connectors.io import DataFrame, Dir, File, frames, storage

pytest.importorskip("obstore")


def test_a_file_is_named_after_its_path() -> None:
    """Unless it is given a name; a type parameter changes nothing."""
    assert File(path="s3://b/x/data.csv").name == "data.csv"
    assert File(path="s3://b/x", name="n").name == "n"
    assert File["csv"] is File
    assert File.from_existing_remote("s3://b/x", file_cache_key="k").hash == "k"


def test_a_local_file_that_is_not_there_is_an_error(tmp_path: pathlib.Path) -> None:
    """Named in the text."""
    with pytest.raises(FileNotFoundError, match=r"there is no file .*missing"):
        File.from_local_sync(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*missing"):
        Dir.from_local_sync(tmp_path / "missing")


def test_a_file_goes_to_s3_and_back(bucket: str, tmp_path: pathlib.Path) -> None:
    """Up, looked at, down, into a folder or under a name of its own."""
    local = tmp_path / "a.txt"
    local.write_text("grüße")
    file = File.from_local_sync(local, f"{bucket}/x/a.txt")
    assert file == File(path=f"{bucket}/x/a.txt", name="a.txt")
    assert file.exists_sync()
    assert pathlib.Path(file.download_sync()).read_text() == "grüße"
    assert file.download_sync(tmp_path / "b.txt") == str(tmp_path / "b.txt")
    (tmp_path / "into").mkdir()
    assert file.download_sync(tmp_path / "into") == str(tmp_path / "into" / "a.txt")
    with file.open_sync("r") as text:
        assert text.read() == "grüße"


def test_a_file_is_written_and_read_asynchronously(bucket: str, tmp_path: pathlib.Path) -> None:
    """Both on S3 and on the disk; a block that fails writes nothing."""

    async def check(path: str) -> None:
        file = File(path=path)
        async with file.open("wb") as writer:
            await writer.write(b"one ")
            await writer.write(b"two")
        async with file.open() as reader:
            assert await reader.read() == b"one two"
        assert await file.exists()
        copy = await (await File.from_local(await file.download())).download(tmp_path / "copy")
        assert storage.read_bytes(copy) == b"one two"

    async def fail() -> None:
        async with File(path=f"{bucket}/failed").open("w") as writer:
            await writer.write("half")
            raise KeyError

    asyncio.run(check(f"{bucket}/async"))
    asyncio.run(check(str(tmp_path / "async")))
    with pytest.raises(KeyError):
        asyncio.run(fail())
    assert not storage.exists(f"{bucket}/failed")


@pytest.mark.parametrize("remote", [True, False])
def test_a_folder_goes_there_and_back(
    remote: bool,
    bucket: str,
    tmp_path: pathlib.Path,
) -> None:
    """With everything below it."""
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "a").write_text("A")
    (source / "deep" / "b").write_text("B")
    target = f"{bucket}/folder" if remote else str(tmp_path / "target")

    folder = asyncio.run(Dir.from_local(source, target))
    assert [file.name for file in asyncio.run(folder.list_files())] == ["a", "b"]
    found = asyncio.run(folder.get_file("deep/b"))
    assert found is not None
    assert found.exists_sync()
    assert folder.get_file_sync("c") is None
    back = pathlib.Path(asyncio.run(folder.download(tmp_path / "back")))
    assert (back / "deep" / "b").read_text() == "B"
    assert asyncio.run(folder.exists())


def frame_of(library: str) -> Any:
    """Returns a small table as a frame of one library."""
    module = pytest.importorskip(library)
    return (module.table if library == "pyarrow" else module.DataFrame)({"a": [1, 2], "b": [3, 4]})


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("place", ["S3", "local"])
def test_a_table_written_by_one_library_is_read_by_each(
    library: str, place: str, bucket: str, tmp_path: pathlib.Path
) -> None:
    """As parquet, whole or the declared columns only."""
    uri = f"{bucket}/{library}.parquet" if place == "S3" else str(tmp_path / "t")
    table = asyncio.run(DataFrame.from_local(frame_of(library), uri))
    assert table == DataFrame(uri=uri, format="parquet")
    for reader in ("pandas", "polars", "pyarrow"):
        whole = table.open(type(frame_of(reader))).all_sync()
        assert whole.shape == (2, 2)
        one = DataFrame(uri=uri, format="parquet", columns={"b": int})
        assert asyncio.run(one.open(type(frame_of(reader))).all()).shape == (2, 1)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_csv_file_is_read(library: str, tmp_path: pathlib.Path) -> None:
    """Known by its ending."""
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n")
    frame_type = type(frame_of(library))
    assert DataFrame(uri=str(path)).open(frame_type).all_sync().shape == (1, 2)
    some = DataFrame(uri=str(path), columns={"b": int}).open(frame_type).all_sync()
    assert some.shape == (1, 1)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_folder_of_parts_is_one_table(library: str, bucket: str) -> None:
    """As Spark and the official SDK write them; marks such as ``_SUCCESS`` are no parts."""
    for part in ("00000", "00001"):
        frames.write_parquet(frame_of("pandas"), f"{bucket}/parts/{part}")
    storage.write_bytes(f"{bucket}/parts/_SUCCESS", b"")
    table = DataFrame(uri=f"{bucket}/parts", format="parquet")
    assert table.open(type(frame_of(library))).all_sync().shape == (4, 2)


def test_a_plugin_reads_its_own_protocol() -> None:
    """By the library that is asked for."""
    frame_type = type(frame_of("pandas"))
    asked = []

    def read(uri: str, columns: Any) -> Any:
        asked.append((uri, list(columns)))
        return frame_of("pandas")

    frames.register_reader("testdb", "pandas", read)
    table = DataFrame(uri="testdb://p.d.t", columns={"a": int})
    assert table.open(frame_type).all_sync().shape == (2, 2)
    assert asked == [("testdb://p.d.t", ["a"])]


def install_reader(site: pathlib.Path, protocol: str, target: str) -> None:
    """Makes ``site`` a folder of packages with one that reads a protocol."""
    (site / "table_reader.py").write_text(
        "def read(uri, columns):\n    return uri, columns\nREADERS = {'pandas': read}\n"
    )
    info = site / "table_reader-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: table-reader\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{frames.READERS_GROUP}]\n{protocol} = {target}\n")


def test_an_installed_plugin_is_loaded_by_the_protocol(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to import it, and it is not imported for another protocol."""
    install_reader(tmp_path, "installed", "table_reader:READERS")
    monkeypatch.syspath_prepend(tmp_path)
    frame_type = type(frame_of("pandas"))
    with pytest.raises(FileNotFoundError):
        DataFrame(uri=f"file://{tmp_path}/missing").open(frame_type).all_sync()
    assert "table_reader" not in sys.modules
    table = DataFrame(uri="installed://t", columns={"a": int})
    assert table.open(frame_type).all_sync() == ("installed://t", ["a"])


def test_a_plugin_that_can_not_be_loaded_is_named(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it lacks."""
    install_reader(tmp_path, "broken", "table_reader_that_is_not_there:READERS")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(frames.FrameError, match=r"broken:// .* No module named 'table_reader_that"):
        DataFrame(uri="broken://t").open(type(frame_of("pandas"))).all_sync()


def test_what_can_not_be_read_is_an_error_that_says_what_can(tmp_path: pathlib.Path) -> None:
    """Format, library, place."""
    frame_type = type(frame_of("pandas"))
    with pytest.raises(frames.FrameError, match="orc files can't be read; parquet and csv can"):
        DataFrame(uri="/x", format="orc").open(frame_type).all_sync()
    with pytest.raises(frames.FrameError, match="pandas, polars and pyarrow can"):
        DataFrame(uri="/x").open(dict).all_sync()
    with pytest.raises(frames.FrameError, match="pandas, polars and pyarrow can"):
        frames.write_parquet({}, "/x")
    with pytest.raises(FileNotFoundError, match="there is no table at"):
        DataFrame(uri=str(tmp_path)).open(frame_type).all_sync()
    with pytest.raises(ValueError, match="has no uri"):
        DataFrame().open(frame_type).all_sync()
