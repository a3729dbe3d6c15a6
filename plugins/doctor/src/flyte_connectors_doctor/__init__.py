"""`flyte-connectors doctor`: what is right and what is not, before Flyte finds out.

finding.py      a finding: what was checked, how it is, how to fix it
examination.py  runs the checks, on what is installed and set here
checks/         one file for each subject
cli/            the command
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flyte_connectors import hookimpl

if TYPE_CHECKING:
    from flyte_connectors.hookspecs import Commands

__all__ = ["register_commands"]


@hookimpl
def register_commands(commands: Commands) -> None:
    """Add `doctor`."""
    text = "check plugins, settings, certificates, secrets and connections"
    commands.add("doctor", help=text, module=f"{__name__}.cli.doctor")
