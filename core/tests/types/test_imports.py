"""What importing the types room costs: nothing but protobuf."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {
    "flyte_connectors.io",
    "google.protobuf.json_format",
    "mashumaro",
    "msgpack",
    "numpy",
    "obstore",
    "pandas",
    "polars",
    "pyarrow",
    "pydantic",
}


def loaded_by(code: str) -> set[str]:
    """Returns which of the heavy packages a program loads."""
    program = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return HEAVY & set(done.stdout.split())


def test_importing_loads_no_library() -> None:
    """And neither do codecs of simple types, lists and maps."""
    assert loaded_by("import flyte_connectors.types") == set()
    assert loaded_by("import flyte_connectors.io") == {"flyte_connectors.io"}
    code = (
        "from flyte_connectors.types import codec_for_type as c\n"
        "c(int).decode(c(int).encode(3)); c(list[str]).encode(['x']); c(dict[str, bool]).encode({})"
    )
    assert loaded_by(code) == set()


def test_a_dataclass_loads_msgpack_and_mashumaro_but_not_pydantic() -> None:
    """Pydantic stays optional."""
    code = (
        "import dataclasses; from flyte_connectors.types import codec_for_type as c\n"
        "D = dataclasses.make_dataclass('D', [('x', int)]); c(D).encode(D(1)); c(list[D])"
    )
    assert {"msgpack", "mashumaro"} <= loaded_by(code)
    assert "pydantic" not in loaded_by(code)
