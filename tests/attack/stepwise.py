"""Kills its process at the n-th step of a create; a module for `serve --module`.

A step is whatever Python audits: each file opened, renamed or linked, each process started
(https://docs.python.org/3/library/audit_events.html). `$ATTACK_DEADLY_STEP` says which, counted from the
moment when the file `$ATTACK_ARMED` is there; `$ATTACK_ARMED.steps` is left by who survived.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from flyte_connectors import ConnectorRegistry

from tests.attack.honest_connector import Honest

DEADLY, ARMED = int(os.environ["ATTACK_DEADLY_STEP"]), os.environ["ATTACK_ARMED"]
WATCHED = ("open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "subprocess.Popen")


class Killer:
    """Counts steps."""

    def __init__(self) -> None:
        self.steps = 0
        self.process = os.getpid()

    def audit(self, event: str, _: object) -> None:
        """The audit hook."""
        if event not in WATCHED or os.getpid() != self.process or not os.path.lexists(ARMED):
            return
        self.steps += 1
        if self.steps == DEADLY:
            Path(f"{ARMED}.killed").symlink_to(event)
            os.kill(self.process, signal.SIGKILL)


ConnectorRegistry.register(Honest(), override=True)  # a module that serves nothing is refused
sys.addaudithook(Killer().audit)
