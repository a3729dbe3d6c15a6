"""What the wrapper copies for a function, and what the service reads of its answer.

    inputs.json    {"call": {...}}, see `FunctionCall`
    outputs.json   {"literals": ..., "files": {key: path}, "dirs": {key: path}}

The files, folders and tables among the inputs are copied like those of any job; their literals then have local
paths.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flyte_connectors.errors import OutputError
from flyte_connectors_functions.literals import relocate, stored_in
from flyteidl2.core.literals_pb2 import Literal
from flyteidl2.core.types_pb2 import BlobType
from flyteidl2.task.common_pb2 import Inputs, Outputs
from google.protobuf.message import DecodeError

from flyte_connectors_batch_job.wrapper import uris

RUNNER = "flyte_connectors_batch_job.functions.runner"

OUTPUTS = ("literals", "files", "dirs")
FORMS = {"files": ("map", "file"), "dirs": ("map", "dir")}
STORED = "stored:"
"""Begins what stands in a literal for a file that is in `files` or `dirs`, by its key."""


def references(inputs: Inputs) -> list[dict[str, Any]]:
    """The files, folders and tables among the inputs, as `wrapper.plan` lists them; each URI once, as
    it was `given`.

    What the job can't have copied, such as a table of a database, is left to the function.
    """  # noqa: D205  (the summary takes two lines)
    found: dict[str, str] = {}
    for named in inputs.literals:
        for literal in stored_in(named.value):
            uri, kind = _uri_of(literal)
            if kind and uris.scheme_of(uri) in uris.SCHEMES:
                found.setdefault(uri, kind)
    return [
        {"at": ["call", "files", place], "kind": kind, "uri": absolute(uri), "given": uri}
        for place, (uri, kind) in enumerate(found.items())
    ]


def absolute(uri: str) -> str:
    """A path as an absolute one; a URI as it is."""
    return uri if "://" in uri else str(Path(uri).absolute())


def read_outputs(written: Mapping[str, Any]) -> dict[str, Literal]:
    """The outputs of a function that has returned, by name; those of an array as lists.

    Raises:
        OutputError: they are not what the runner writes.
    """
    if not isinstance(written.get("literals"), list):
        return _outputs(written)
    rows = [_outputs(dict(zip(written, parts, strict=True))) for parts in zip(*written.values(), strict=True)]
    collected = {}
    for name in rows[0]:
        collected[name] = Literal()
        collected[name].collection.literals.extend(row[name] for row in rows)
    return collected


def _outputs(written: Mapping[str, Any]) -> dict[str, Literal]:
    stored = {**written.get("files", {}), **written.get("dirs", {})}

    def place(uri: str) -> str:
        return str(stored[uri.removeprefix(STORED)]) if uri.startswith(STORED) else uri

    try:
        outputs = Outputs.FromString(base64.b64decode(written["literals"]))
        for named in outputs.literals:
            relocate(named.value, place)
    except (KeyError, TypeError, ValueError, DecodeError) as error:
        raise OutputError("the outputs of the function can't be read") from error
    return {named.name: named.value for named in outputs.literals}


def _uri_of(literal: Literal) -> tuple[str, str]:
    """The URI of a file, folder or table, and its kind for the wrapper; no kind if it can't copy it."""
    if literal.scalar.HasField("blob"):
        blob = literal.scalar.blob
        is_file = blob.metadata.type.dimensionality == BlobType.SINGLE
        is_web = uris.scheme_of(blob.uri) in uris.WEB
        return blob.uri, "file" if is_file else "" if is_web else "dir"
    dataset = literal.scalar.structured_dataset
    is_parquet = dataset.metadata.structured_dataset_type.format in ("", "parquet")
    return dataset.uri, "table" if is_parquet else "file"
