"""What `flyte-connectors serve` executes and imports until it answers, in a new process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PROCESSES = 2
"""Of which the least counts: the first one may have to compile what it imports."""


def counts() -> dict[str, float]:
    """The counts by name."""
    names = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-m", "benchmarks.guard.start"]
    found = [
        json.loads(subprocess.run(command, env=os.environ | names, check=True, capture_output=True).stdout)
        for _ in range(PROCESSES)
    ]
    return {f"start: {name}": min(each[name] for each in found) for name in found[0]}


class _UntilReady:
    """Standard output of a service; ends the process at the line that says where it listens."""

    def write(self, text: str) -> None:
        if text.startswith("listening on"):
            counting.stop()
            found = {BYTECODE: counting.count, "modules": len(sys.modules)}
            os.write(1, json.dumps(found).encode())
            os._exit(0)

    def flush(self) -> None:
        """Nothing is kept back."""


if __name__ == "__main__":
    from benchmarks.guard.counting import BYTECODE, Instructions

    connector = Path(__file__).parent.parent / "servers" / "connector_ours.py"
    sys.stdout = _UntilReady()  # type: ignore[assignment]
    counting = Instructions()
    counting.start()
    from flyte_connectors.cli import main

    main(["serve", "--port", "0", "--metrics-port", "0", "--module", str(connector)])
