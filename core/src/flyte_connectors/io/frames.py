"""Tables into memory: which function reads a URI as a frame of pandas, polars or pyarrow.

Files (parquet, csv; one file or a folder of parts) are read here, through `storage`. For anything
else a plugin brings its readers, as an entry point that is named after the protocol and loaded with
its first table:

    [project.entry-points."flyte_connectors.dataframe_readers"]
    bq = "flyte_connectors_bigquery.frames:READERS"     # {"pandas": read_pandas, ...}

and its writer, as one in the group ``flyte_connectors.dataframe_writers``.

``register_reader`` does the same for what is in no package. Frame libraries are imported when their
first frame is read; each is the user's own dependency.
"""

from __future__ import annotations

import io
import posixpath
from collections.abc import Callable, Sequence
from typing import Any

from flyte_connectors.errors import FrameError
from flyte_connectors.io import storage

Reader = Callable[[str, Sequence[str]], Any]

READERS_GROUP = "flyte_connectors.dataframe_readers"
"""Group of the entry points whose objects are readers by library, each as for `register_reader`."""

_READERS: dict[tuple[str, str], Reader] = {}


WRITERS_GROUP = "flyte_connectors.dataframe_writers"
"""Group of the entry points that write a frame to a URI of their protocol, and return the URI to read it by."""


def register_reader(protocol: str, library: str, reader: Reader) -> None:
    """Make the tables of a protocol readable with a frame library, in place of an earlier reader.

    Args:
        protocol: Scheme of the URIs, such as ``bq``.
        library: Name of the package that the frame class comes from, such as ``pandas``.
        reader: Takes the URI and the names of the columns wanted (none means all), returns the
            frame; may block.
    """
    _READERS[protocol, library] = reader


def read(uri: str, format: str, columns: Sequence[str], frame_type: type) -> Any:  # noqa: A002
    """Return a table as a frame. Blocks.

    Args:
        uri: Where the table is.
        format: ``parquet`` or ``csv``; if empty, by the URI's file extension, else parquet.
        columns: Names of the columns wanted; none means all.
        frame_type: Class of the frame, such as ``pandas.DataFrame``.

    Raises:
        FrameError: No reader for this protocol, library or format.
        FileNotFoundError: Nothing is there.
    """
    protocol = uri.partition("://")[0] if "://" in uri else ""
    library = frame_type.__module__.partition(".")[0]
    reader = _reader(protocol, library)
    if reader is not None:
        return reader(uri, columns)
    read_part, concatenate = _file_reader(library, _format(uri, format))
    frames = [read_part(io.BytesIO(part), list(columns) or None) for part in _parts(uri)]
    return frames[0] if len(frames) == 1 else concatenate(frames)


def _reader(protocol: str, library: str) -> Reader | None:
    if protocol and (protocol, library) not in _READERS:
        from importlib.metadata import entry_points

        for entry_point in entry_points(group=READERS_GROUP, name=protocol):
            try:
                readers = entry_point.load()
            except (ImportError, AttributeError) as error:
                raise FrameError(
                    f"{protocol}:// can't be read, because {entry_point.value} can't be loaded: {error}"
                ) from error
            for name, reader in readers.items():
                _READERS.setdefault((protocol, name), reader)
    return _READERS.get((protocol, library))


def write(frame: Any, uri: str) -> tuple[str, str]:
    """Write a frame; return the URI to read it by, and its format. Blocks."""
    from importlib.metadata import entry_points

    protocol = uri.partition("://")[0] if "://" in uri else ""
    for entry_point in entry_points(group=WRITERS_GROUP, name=protocol):
        return entry_point.load()(frame, uri), ""
    write_parquet(frame, uri)
    return uri, "parquet"


def write_parquet(frame: Any, uri: str) -> None:
    """Write a frame of pandas, polars or pyarrow as one parquet file. Blocks."""
    buffer = io.BytesIO()
    library = type(frame).__module__.partition(".")[0]
    if library == "pandas":
        frame.to_parquet(buffer)
    elif library == "polars":
        frame.write_parquet(buffer)
    elif library == "pyarrow":
        import pyarrow.parquet

        pyarrow.parquet.write_table(frame, buffer)
    else:
        raise FrameError(
            f"a {type(frame).__name__} of {library} can't be written as parquet; "
            "frames of pandas, polars and pyarrow can"
        )
    storage.write_bytes(uri, buffer.getvalue())


def _format(uri: str, declared: str) -> str:
    return declared or posixpath.splitext(uri)[1].lstrip(".") or "parquet"


def _parts(uri: str) -> list[bytes]:
    try:
        return [storage.read_bytes(uri)]
    except (FileNotFoundError, IsADirectoryError):
        names = [name for name in storage.list_files(uri) if posixpath.basename(name)[0] not in "._"]
        if not names:
            raise FileNotFoundError(f"there is no table at {uri}") from None
        return [storage.read_bytes(name) for name in names]


def _file_reader(library: str, stored_as: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    if library == "pandas":
        import pandas as pd

        readers: dict[str, Callable[..., Any]] = {
            "parquet": lambda file, columns: pd.read_parquet(file, columns=columns),
            "csv": lambda file, columns: pd.read_csv(file, usecols=columns),
        }
        concatenate: Callable[..., Any] = pd.concat
    elif library == "polars":
        import polars as pl

        readers = {
            "parquet": lambda file, columns: pl.read_parquet(file, columns=columns),
            "csv": lambda file, columns: pl.read_csv(file, columns=columns),
        }
        concatenate = pl.concat
    elif library == "pyarrow":
        import pyarrow as pa
        from pyarrow import csv, parquet

        options = csv.ConvertOptions
        readers = {
            "parquet": lambda file, columns: parquet.read_table(file, columns=columns),
            "csv": lambda file, columns: csv.read_csv(file, convert_options=options(include_columns=columns or [])),
        }
        concatenate = pa.concat_tables
    else:
        raise FrameError(f"files can't be read with {library}; pandas, polars and pyarrow can")
    if stored_as not in readers:
        raise FrameError(f"{stored_as} files can't be read; {' and '.join(readers)} can")
    return readers[stored_as], concatenate
