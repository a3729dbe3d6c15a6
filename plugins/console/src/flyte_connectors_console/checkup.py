"""The findings of `flyte-connectors doctor`, for a page.

The command runs in a separate process: its checks import what they ask, and may hang. It is there if a plugin brings
it, and this one knows no other plugin.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import pathlib
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from flyte_connectors._registry.plugin_hooks import call_hook, installed_hooks
from flyte_connectors.cli.plugin_commands import AddedCommands
from flyte_connectors.errors import SettingsError
from flyte_connectors.service.settings import FIELDS, read_settings, variable_of
from flyte_connectors.settings import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flyte_connectors._registry.installed import Selection
    from flyte_connectors.service.settings import ServiceSettings

logger = logging.getLogger(__name__)

COMMAND = "doctor"
FRESH_SECONDS = 2.0  # for which nobody can have it run again

_LONGEST_SECONDS = 90.0
_WRITES = "FLYTE_CONNECTORS_OUTPUT_PREFIX"  # a page changes nothing: that folder is not tried


class Checkup:
    """Runs the command, once at a time, and keeps its last answer.

    Args:
        environment: That of the command.
        arguments: Further ones of the command.
    """

    def __init__(self, environment: Mapping[str, str], arguments: Sequence[str] = ()) -> None:
        self._environment = {name: value for name, value in environment.items() if name != _WRITES}
        self._command = [sys.executable, "-m", "flyte_connectors", COMMAND, "--json", *arguments]
        self._lock = threading.Lock()
        self._is_running = False
        self._ended: float | None = None
        self._findings: list[dict[str, str]] = []
        self._error = ""

    def start(self) -> None:
        """Begin, unless it runs or has just ended."""
        with self._lock:
            just_ended = self._ended is not None and time.time() - self._ended < FRESH_SECONDS
            if self._is_running or just_ended:
                return
            self._is_running = True
        threading.Thread(target=self._run, name="checkup", daemon=True).start()

    def view(self) -> Mapping[str, Any]:
        """What the template shows; the first time, the command begins."""
        if self._ended is None:
            self.start()
        with self._lock:
            return {
                "is_running": self._is_running,
                "ended": self._ended,
                "findings": self._findings,
                "error": self._error,
                "now": time.time(),
            }

    def _run(self) -> None:
        findings, error = [], ""
        try:
            findings = self._ask()
        except subprocess.TimeoutExpired:
            error = f"the checks have not ended within {_LONGEST_SECONDS:g} s"
        except (OSError, ValueError, KeyError, TypeError):
            logger.exception("%s failed for the console", COMMAND)
            error = "the checks have failed; see the log"
        with self._lock:
            self._is_running, self._ended = False, time.time()
            self._findings, self._error = findings, error

    def _ask(self) -> list[dict[str, str]]:
        done = subprocess.run(  # noqa: S603  (this program itself)
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
        try:
            found = json.loads(done.stdout)["findings"]
        except ValueError as error:
            raise ValueError(done.stderr[-2000:]) from error
        order = ("fault", "warning", "ok")
        rows = [{key: str(value) for key, value in row.items()} for row in found]
        return sorted(rows, key=lambda row: order.index(row["status"]))


def is_installed(selection: Selection) -> bool:
    """Whether a plugin brings the command."""
    commands = AddedCommands(())
    for register_commands in installed_hooks("register_commands", selection):
        call_hook(register_commands, commands=commands)
    return COMMAND in commands.added


def checkup_of_service(settings: ServiceSettings) -> Checkup:
    """The command with the settings of this process's service: its variables, its file, and what its flags say."""
    environment = _first_environment()
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--config")
    config = parser.parse_known_args(sys.argv[1:])[0].config
    try:
        known = read_settings({}, environment, config)[0]
    except SettingsError:  # the command says which one
        known = settings
    for name in FIELDS:
        value = getattr(settings, name)
        if value != getattr(known, name) and value is not None:
            environment[variable_of(name)] = as_text(list(value) if isinstance(value, tuple) else value)
    return Checkup(environment, ["--config", config] if config else [])


def _first_environment() -> dict[str, str]:
    """The variables as the operator set them; a service adds those of its file to its own."""
    try:
        pairs = pathlib.Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return dict(os.environ)
    return dict(os.fsdecode(pair).split("=", 1) for pair in pairs if b"=" in pair)
