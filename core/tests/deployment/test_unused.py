"""What an image does without, and what it keeps."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import flyteidl2
import pytest
from flyte_connectors.deployment.unused import without_unused


def lock(**wanted_by: str) -> str:
    """As uv writes it."""
    return "".join(
        f"{name.replace('_', '-')}==1.0 \\\n    --hash=sha256:{name}\n    # via {parents}\n"
        for name, parents in wanted_by.items()
    )


def names(text: str) -> list[str]:
    """The packages of a lock."""
    return re.findall(r"^([-a-z0-9]+)==", text, re.MULTILINE)


def test_what_only_an_unused_package_needs_goes_with_it() -> None:
    """To the last dependency; what others need, too, stays."""
    text = lock(
        core="-r requirements.in",
        flyteidl2="core",
        protobuf="core, flyteidl2",
        protobuf_py="protovalidate",
        protobuf_py_ext="protobuf-py",
        protovalidate="flyteidl2",
        typing_extensions="core, protobuf-py",
    )
    assert names(without_unused(text)) == ["core", "flyteidl2", "protobuf", "typing-extensions"]


@pytest.mark.parametrize("parents", ["flyteidl2, mine", "-r requirements.in, flyteidl2"])
def test_what_somebody_else_asks_for_stays(parents: str) -> None:
    """Another package, or a person."""
    text = lock(mine="-r requirements.in", flyteidl2="mine", protovalidate=parents)
    assert "protovalidate" in names(without_unused(text))


def test_hashes_stay_and_annotations_go() -> None:
    """The rest is what pip checks."""
    assert without_unused(lock(a="-r b.in")) == "a==1.0 \\\n    --hash=sha256:a\n"


def test_no_module_of_flyteidl2_imports_protovalidate() -> None:
    """The reason for all this."""
    folder = Path(flyteidl2.__path__[0])
    assert not [file for file in folder.rglob("*.py") if "protovalidate" in file.read_text()]


def test_the_messages_need_only_what_flyteidl2_brings() -> None:
    """`buf.validate` is among its files."""
    services = [name for _, name, _ in pkgutil.iter_modules(flyteidl2.__path__)]
    assert "connector" in services
    validate = importlib.import_module("buf.validate.validate_pb2")
    assert Path(validate.__file__ or "").parents[2] == Path(flyteidl2.__path__[0]).parent
