"""What importing the types room costs: nothing but protobuf."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("msgpack", "mashumaro", "pydantic", "obstore", "pandas", "numpy", "pyarrow", "polars")


def loaded_by(code: str) -> set[str]:
    """Returns which of the heavy packages a program loads."""
    program = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()} & set(HEAVY)


def test_importing_loads_no_library() -> None:
    """And neither do codecs of simple types, lists, maps and files."""
    assert loaded_by("import flyte_connectors.types, flyte_connectors.io") == set()
    code = (
        "from flyte_connectors.types import codec_for_type as c\n"
        "from flyte_connectors.io import File\n"
        "c(int).decode(c(int).encode(3)); c(list[str]).encode(['x']); c(dict[str, File]).encode({})"
    )
    assert loaded_by(code) == set()


def test_a_dataclass_loads_msgpack_and_mashumaro_but_not_pydantic() -> None:
    """Pydantic stays optional."""
    code = (
        "import dataclasses; from flyte_connectors.types import codec_for_type as c\n"
        "D = dataclasses.make_dataclass('D', [('x', int)]); c(D).encode(D(1)); c(tuple[int, D])"
    )
    assert loaded_by(code) == {"msgpack", "mashumaro"}
