"""Object stores, by obstore."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, BinaryIO

from flyte_connectors_batch_job.wrapper.copying import PIECE_BYTES, counted, note_type
from flyte_connectors_batch_job.wrapper.faults import TransferError
from flyte_connectors_batch_job.wrapper.uris import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flyte_connectors_batch_job.wrapper.copying import Allowance

_AT_ONCE = 4  # pieces
_REASON_CHARACTERS = 300


def write(file: BinaryIO, uri: str, content_type: str) -> None:
    """Store an open file under a key."""
    bucket, key = bucket_and_key(uri)
    with _translated(uri) as obstore:
        obstore.put(
            _opened(bucket),
            key,
            file,
            attributes={"Content-Type": content_type},
            chunk_size=PIECE_BYTES,
            max_concurrency=_AT_ONCE,
        )


def bucket_and_key(uri: str) -> tuple[str, str]:
    """The URI of the bucket, and the key in it."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    return f"{scheme}://{bucket}", key


def read(bucket: str, key: str, target: BinaryIO, allowance: Allowance) -> None:
    """Copy an object, several pieces at once, all of the same version of it."""
    with _translated(f"{bucket}/{key}") as obstore:
        opened = _opened(bucket)
        head = obstore.get(opened, key, options={"head": True})
        size, version = head.meta["size"], head.meta["e_tag"]
        note_type(target, head.attributes.get("Content-Type", ""))
        allowance.take(size)
        os.ftruncate(target.fileno(), size)

        def copy(start: int) -> None:
            wanted: dict[str, Any] = {"range": (start, min(start + PIECE_BYTES, size))}
            if version:
                wanted["if_match"] = version
            piece = memoryview(obstore.get(opened, key, options=wanted).bytes())
            while piece:
                written = os.pwrite(target.fileno(), piece, start)
                piece, start = piece[written:], start + written

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            pieces = [pool.submit(copy, start) for start in range(0, size, PIECE_BYTES)]
            try:
                for piece in pieces:
                    piece.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def keys(bucket: str, folder: str, allowance: Allowance) -> list[str]:
    """Keys below a folder, relative to it, without the empty objects that stand for folders."""
    start = len(folder) + 1 if folder else 0
    sizes: dict[str, int] = {}
    with _translated(f"{bucket}/{folder}") as obstore:
        for batch in obstore.list(_opened(bucket), f"{folder}/" if folder else None):
            sizes.update((item["path"][start:], item["size"]) for item in batch)
            counted(len(sizes) - 1)
    if not sizes:
        raise FileNotFoundError
    allowance.check(sum(sizes.values()))
    parents = {key[: match.start()] for key in sizes for match in re.finditer("/", key)} | {""}
    return sorted(key for key, size in sizes.items() if size or key not in parents)


@functools.lru_cache(maxsize=16)
def _opened(bucket: str) -> Any:
    from obstore.store import from_url

    return from_url(bucket)


@contextlib.contextmanager
def _translated(uri: str) -> Iterator[Any]:
    """The module obstore; its errors, which hold pages of debug text, become ours."""
    name = shown(uri)
    try:
        import obstore
    except ImportError:
        where = "on the machine that runs the job"
        message = f"{name} needs obstore {where}: pip install 'flyte-connectors[storage]'"
        raise TransferError(message) from None
    errors = obstore.exceptions
    try:
        yield obstore
    except (FileNotFoundError, errors.NotFoundError):
        raise FileNotFoundError(f"{name} not found: no such object or bucket") from None
    except (PermissionError, errors.PermissionDeniedError, errors.UnauthenticatedError):
        raise TransferError(f"{name}: access denied") from None
    except errors.PreconditionError:
        raise TransferError(f"{name} was replaced while it was read", may_retry=True) from None
    except (ValueError, errors.BaseError) as error:
        reason = re.sub(r"\?\S*", "", str(error).partition("\n")[0].partition(": <")[0])[:_REASON_CHARACTERS]
        refused = isinstance(error, ValueError) or re.search(r"status code: 4(?!08|29)", reason)
        raise TransferError(f"{name}: {reason}", may_retry=not refused) from None
