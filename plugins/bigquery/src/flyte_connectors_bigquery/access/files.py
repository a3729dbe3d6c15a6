"""Files that the connector reads on behalf of a request: only those in folders that its operator lists."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flyte_connectors.errors import InvalidRequestError, StorageError
from flyte_connectors.io import storage

from flyte_connectors_bigquery.settings import UPLOAD_FROM_VARIABLE, BigQuerySettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def check_readable(uri: str, field: str) -> None:
    """Make sure that the operator lets requests have the connector read `uri`.

    Raises:
        InvalidRequestError: he does not.
    """
    if not any(_is_below(uri, folder) for folder in BigQuerySettings.read().upload_from):
        message = (
            f"{uri[:200]!r}: BigQuery reads files of Cloud Storage, gs://..., and the connector sends "
            f"files only from folders that its operator lists in {UPLOAD_FROM_VARIABLE}"
        )
        raise InvalidRequestError(message, field=field)


def fetch(uris: Iterable[str], folder: Path, field: str) -> list[Path]:
    """Copy files, and the files of folders, into `folder`; return where they are.

    Raises:
        InvalidRequestError: one is not there.
    """
    paths: list[Path] = []
    try:
        for uri in uris:
            for part in _parts(uri):
                paths.append(folder / str(len(paths)))
                storage.download(part, paths[-1])
    except (FileNotFoundError, StorageError) as error:
        raise InvalidRequestError(str(error), field=field) from None
    return paths


def _parts(uri: str) -> Sequence[str]:
    if not storage.is_remote(uri):
        is_folder = storage.local_path(uri).is_dir()
        return storage.list_files(str(storage.local_path(uri))) if is_folder else [uri]
    return storage.list_files(uri) if uri.endswith("/") else [uri]


def _is_below(uri: str, folder: str) -> bool:
    if storage.is_remote(uri) != storage.is_remote(folder):
        return False
    if not storage.is_remote(uri):
        path = storage.local_path(uri).resolve()
        return path.is_relative_to(storage.local_path(folder).resolve())
    return uri.startswith(f"{folder.rstrip('/')}/") and ".." not in uri.split("/")
