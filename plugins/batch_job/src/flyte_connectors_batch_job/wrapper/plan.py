"""What a job has to do with files, and where they are in its folder.

    <folder>/inputs/<input>/<file name>     `File`, `Dir` and `DataFrame` inputs
    <folder>/outputs/<output>               where the command writes `File` and `Dir` outputs, unless
                                            its outputs.json names another path in the folder
    <prefix>/<output>/<file name>           where a `File` output is stored
    <prefix>/<output>/...                   where a `Dir` output is stored

A plan is what `JobRequest.files` says, in JSON:

    inputs      list of {"at": [name, key or index, ...], "kind": "file" | "dir" | "table", "uri": ...}:
                where in the inputs the path goes
    outputs     form of each output that has files: "file", "dir", ["optional", form], ["list", form] or
                ["map", form]
    prefix      URI under which outputs are stored
"""

from __future__ import annotations

import copy
import os
import re
from urllib.parse import quote

from flyte_connectors_batch_job.wrapper.uris import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Plan = Mapping[str, Any]

_INPUTS = "inputs"
_OUTPUTS = "outputs"
_NAME_BYTES = 200
_DEFAULTS = ("file", "dir")


def localized(inputs: Mapping[str, Any], plan: Plan, folder: str) -> dict[str, Any]:
    """The inputs, with paths in the folder in place of references."""
    found: dict[str, Any] = copy.deepcopy(dict(inputs))
    for reference in plan["inputs"]:
        place: Any = found
        *way, last = reference["at"]
        for step in way:
            place = place[step]
        place[last] = input_path(folder, reference)
    return found


def input_path(folder: str, reference: Mapping[str, Any]) -> str:
    """Where a referenced file or folder is, or will be."""
    at = [quoted(str(step)) for step in reference["at"]]
    return os.path.join(folder, _INPUTS, *at, quoted(name_of(reference["uri"]) or "data"))


def output_paths(plan: Plan, folder: str) -> dict[str, str]:
    """Where the command writes each output that is one file or one folder."""
    return {
        name: os.path.join(folder, _OUTPUTS, quoted(name))
        for name, form in plan["outputs"].items()
        if _plain(form) in _DEFAULTS
    }


def make_folders(plan: Plan, folder: str) -> None:
    """Make the folders in which the command finds its inputs and leaves its outputs."""
    for name in (_INPUTS, _OUTPUTS):
        os.mkdir(os.path.join(folder, name))
    for name, path in output_paths(plan, folder).items():
        if plan["outputs"][name] == "dir":
            os.mkdir(path)


def _plain(form: Any) -> Any:
    """What a form holds, whether optional or not."""
    return form[1] if isinstance(form, (list, tuple)) and form[0] == "optional" else form


def quoted(name: str) -> str:
    """A file name that means nothing to a shell, and is one part of a path; percent-encoded as in URIs."""
    text = re.sub(r"[^\w.-]", _encoded, name)
    if text[:1] in ("", ".", "-"):
        text = f"%{ord(text[0]):02X}{text[1:]}" if text else "%"
    raw = text.encode(errors="replace")
    if len(raw) <= _NAME_BYTES:
        return text
    import hashlib

    digest = hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:16]
    return f"{digest}-{raw[-100:].decode(errors='ignore')}"


def _encoded(match: re.Match[str]) -> str:
    return quote(match[0], safe="", errors="surrogateescape")
