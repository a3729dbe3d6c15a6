"""Whether files of a job can be stored under its output prefix."""

from __future__ import annotations

from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_batch_job.wrapper import uris


def check_prefix(prefix: str) -> None:
    """Raise InvalidRequestError if no files can be stored below an output prefix."""
    scheme = uris.scheme_of(prefix)
    if not prefix:
        reason = "empty: the task's files can't be stored"
    elif scheme not in ("file", *uris.OBJECT_STORES):
        reason = f"{scheme}:// can't be written"
    elif scheme == "file" and not uris.local_path(prefix).startswith("/"):
        reason = f"{prefix!r} is not an absolute path"
    else:
        return
    raise InvalidRequestError(reason, field="output_prefix")
