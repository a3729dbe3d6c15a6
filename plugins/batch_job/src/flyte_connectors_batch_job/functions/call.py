"""The call of a function: what the service hands to the job, and what it reads of its answer.

Values travel as Flyte's literals, so that all types arrive as they were sent. Files, folders and tables are
copied like those of any job; their literals then have local paths.

    inputs.json    {"call": {...}}, see `Call`
    outputs.json   {"literals": ..., "files": {key: path}, "dirs": {key: path}}
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import OutputError
from flyteidl2.core.literals_pb2 import Literal
from flyteidl2.core.types_pb2 import BlobType, LiteralType
from flyteidl2.task.common_pb2 import Inputs, Outputs
from google.protobuf.message import DecodeError

from flyte_connectors_batch_job.wrapper import uris

if TYPE_CHECKING:
    from flyteidl2.core.tasks_pb2 import TaskTemplate

RUNNER = "flyte_connectors_batch_job.functions.runner"
PYTHON = "python3"
EXIT_RETRY = 75
"""Exit code of a function that may be tried again; EX_TEMPFAIL of sysexits.h."""

OUTPUTS = ("literals", "files", "dirs")
FORMS = {"files": ("map", "file"), "dirs": ("map", "dir")}
STORED = "stored:"
"""Begins what stands in a literal for a file that is in `files` or `dirs`, by its key."""


@dataclasses.dataclass
class Call:
    """What a job needs to call a function.

    Args:
        task: Name of the task.
        module: Module of the function.
        name: Its name there.
        code: Path or URI of the bundle; empty if the module is installed.
        digest: SHA-256 of the bundle.
        literals: The inputs, serialized as `Inputs` in base64.
        uris: What is copied of them.
        files: Where it was copied to, in the same order.
        mapped: Name of the input of which each job of an array has one value; empty for a single job.
        stores_files: Whether the wrapper stores files of outputs.
        context: Fields of the `TaskContext` but for the job's id.
    """

    task: str
    module: str
    name: str
    code: str
    digest: str
    literals: str
    uris: list[str]
    files: list[str]
    mapped: str
    stores_files: bool
    context: dict[str, Any]


def references(inputs: Inputs) -> list[dict[str, Any]]:
    """The files, folders and tables among the inputs, as `wrapper.plan` lists them; each URI once, as
    it was `given`.

    What the job can't have copied, such as a table of a database, is left to the function.
    """  # noqa: D205  (the summary takes two lines)
    found: dict[str, str] = {}
    for named in inputs.literals:
        for literal in _stored_in(named.value):
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


def has_files(template: TaskTemplate) -> bool:
    """Whether an output of a task is, or holds, a file, a folder or a table."""
    pending = [output.value.type for output in template.interface.outputs.variables]
    while pending:
        literal_type: LiteralType = pending.pop()
        kind = literal_type.WhichOneof("type")
        if kind in ("blob", "structured_dataset_type"):
            return True
        if kind in ("collection_type", "map_value_type"):
            pending.append(getattr(literal_type, kind))
        elif kind == "union_type":
            pending += literal_type.union_type.variants
    return False


def pack(message: Inputs | Outputs) -> str:
    """A message as text."""
    return base64.b64encode(message.SerializeToString()).decode()


def unpack_inputs(text: str) -> Inputs:
    """What `pack` wrote."""
    return Inputs.FromString(base64.b64decode(text))


def relocate(literal: Literal, place: Callable[[str], str]) -> None:
    """Give each file, folder and table in a literal the URI that `place` says."""
    for found in _stored_in(literal):
        if found.scalar.HasField("blob"):
            found.scalar.blob.uri = place(found.scalar.blob.uri)
        else:
            dataset = found.scalar.structured_dataset
            dataset.uri = place(dataset.uri)


def read_outputs(written: Mapping[str, Any]) -> dict[str, Literal]:
    """The outputs of a function that has returned, by name; those of an array as lists.

    Raises:
        OutputError: they are not what the runner writes.
    """
    if not isinstance(written.get("literals"), list):
        return _outputs(written)
    rows = [
        _outputs(dict(zip(written, parts, strict=True)))
        for parts in zip(*written.values(), strict=True)
    ]
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


def _stored_in(literal: Literal) -> Iterator[Literal]:
    pending = [literal]
    while pending:
        one = pending.pop()
        kind = one.WhichOneof("value")
        if kind == "collection":
            pending += one.collection.literals
        elif kind == "map":
            pending += one.map.literals.values()
        elif kind == "scalar":
            if one.scalar.HasField("union"):
                pending.append(one.scalar.union.value)
            elif one.scalar.HasField("blob") or one.scalar.HasField("structured_dataset"):
                yield one
