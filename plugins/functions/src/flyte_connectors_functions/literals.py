"""Values as they travel to a job and back: Flyte's literals, so that all types arrive as they were sent."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from flyteidl2.core.literals_pb2 import Literal
from flyteidl2.core.types_pb2 import LiteralType
from flyteidl2.task.common_pb2 import Inputs, Outputs

if TYPE_CHECKING:
    from flyteidl2.core.tasks_pb2 import TaskTemplate


def pack(message: Inputs | Outputs) -> str:
    """A message as text."""
    return base64.b64encode(message.SerializeToString()).decode()


def unpack_inputs(text: str) -> Inputs:
    """What `pack` wrote."""
    return Inputs.FromString(base64.b64decode(text))


def relocate(literal: Literal, place: Callable[[str], str]) -> None:
    """Give each file, folder and table in a literal the URI that `place` says."""
    for found in stored_in(literal):
        if found.scalar.HasField("blob"):
            found.scalar.blob.uri = place(found.scalar.blob.uri)
        else:
            dataset = found.scalar.structured_dataset
            dataset.uri = place(dataset.uri)


def stored_in(literal: Literal) -> Iterator[Literal]:
    """The files, folders and tables in a literal, at any depth of lists, dictionaries and unions."""
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
