"""Object stores, as Arrow reaches them: credentials and addresses come from the environment."""

from __future__ import annotations

import os
from datetime import timedelta
from urllib.parse import unquote, urlsplit

from pyarrow import fs

SCHEMES = ("gs", "s3")
_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 60.0


def store(uri: str) -> fs.FileSystem:
    """Answer the store of an `s3://` or `gs://` URI.

    S3 is Amazon's, or the one at `AWS_ENDPOINT_URL`; GCS is Google's, or the one at `STORAGE_EMULATOR_HOST`.
    """
    if urlsplit(uri).scheme == "s3":
        return fs.S3FileSystem(
            endpoint_override=os.environ.get("AWS_ENDPOINT_URL"),
            region=os.environ.get("AWS_REGION", "us-east-1"),
            connect_timeout=_CONNECT_SECONDS,
            request_timeout=_SILENCE_SECONDS,
        )
    return _google_store()


def key(uri: str) -> str:
    """Answer bucket and key of a URI, as Arrow writes them."""
    parts = urlsplit(uri)
    return f"{parts.netloc}{unquote(parts.path)}"


def _google_store() -> fs.FileSystem:
    limit = timedelta(seconds=_SILENCE_SECONDS)
    emulator = os.environ.get("STORAGE_EMULATOR_HOST")
    if not emulator:
        return fs.GcsFileSystem(retry_time_limit=limit)
    parts = urlsplit(emulator if "://" in emulator else f"http://{emulator}")
    return fs.GcsFileSystem(
        anonymous=True,
        endpoint_override=parts.netloc,
        scheme=parts.scheme,
        retry_time_limit=limit,
    )
