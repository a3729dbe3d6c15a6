"""The contenders: which interpreter, which command line starts the service, which environment."""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""For the contenders' processes: no import may compile again what an earlier one has compiled."""


class Name(str, enum.Enum):
    """Who is measured."""

    BARE = "bare"
    OURS = "ours"
    ASGI = "asgi"
    PEER = "peer"


@dataclass(frozen=True)
class Contender:
    """One of them, installed in the environment of `python`."""

    name: Name
    python: Path

    def serve_command(self, port: int, metrics_port: int) -> list[str]:
        """The command that serves the trivial connector on 127.0.0.1:`port`."""
        transport = ["--transport", "asgi"] if self.name is Name.ASGI else []
        if self.name is Name.BARE:
            return [str(self.python), str(HERE / "servers/bare.py"), str(port)]
        if self.name is Name.PEER:
            script = str(HERE / "servers/peer.py")
            return [str(self.python), script, str(port), str(metrics_port)]
        # fmt: off
        return [
            str(self.python.parent / "flyte-connectors"), "serve",
            "--host", "127.0.0.1",
            "--port", str(port),
            "--metrics-port", str(metrics_port),
            "--module", str(HERE / "servers/connector_ours.py"),
            *transport,
        ]
        # fmt: on
