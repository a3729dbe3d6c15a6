"""Which cluster, and how it is reached: what the operator sets."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import shlex
from pathlib import Path
from typing import NamedTuple

from flyte_connectors.errors import AuthenticationError, SettingsError
from flyte_connectors.settings import setting

_PREFIX = "FLYTE_BATCH_JOB_SLURM_"
ADDRESS_VARIABLE = f"{_PREFIX}ADDRESS"
FOLDER_VARIABLE = f"{_PREFIX}FOLDER"
TOKEN_VARIABLE = f"{_PREFIX}TOKEN_FILE"
SECRET_VARIABLE = f"{_PREFIX}SECRET_COMMAND"

COMMANDS = "commands"
_SCHEMES = ("http://", "https://", "unix:/", "ssh://")
_LEAST_SECONDS = 0.05


def _address(text: str) -> str:
    if text != COMMANDS and not text.startswith(_SCHEMES):
        message = f"'{text}' is not an address of Slurm: use {COMMANDS}, or a URL with one of"
        raise SettingsError(f"{message} {', '.join(_SCHEMES)}")
    return text


def _folder(text: str) -> str:
    if not Path(text).is_absolute():
        raise SettingsError(f"'{text}' must be an absolute path that the nodes see, too")
    return text.rstrip("/")


def _command(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise SettingsError(f"'{text}' is not a command: {error}") from None
    if text and not words:
        raise SettingsError(f"'{text}' is not a command")
    return text


@dataclasses.dataclass(frozen=True)
class SlurmSettings:
    """What the operator sets for jobs on Slurm."""

    address: str = setting(
        COMMANDS,
        "how Slurm is reached: `commands` on this machine, `ssh://[user@]host[:port]`, or slurmrestd at "
        "`http[s]://host:port` or `unix:/path`",
        _address,
    )
    folder: str = setting("", "folder of the jobs: an absolute path on a file system that the nodes share", _folder)
    token_file: str = setting("", "file with the token for slurmrestd; else `SLURM_JWT` is sent")
    user: str = setting("", "Slurm user of the token", default_text="the user that the token names")
    ssh_key: str = setting("", "file with the private key for SSH", default_text="the user's keys and agent")
    ssh_known_hosts: str = setting("", "file with the keys of SSH hosts", default_text="`~/.ssh/known_hosts`")
    poll_seconds: float = setting(2.0, "shortest time between two questions about all jobs", minimum=_LEAST_SECONDS)
    secret_command: str = setting(
        "",
        "program on the nodes that prints a secret, such as `vault kv get -field=value flyte/{}`, with the secret's name "
        "in place of `{}`, else at its end; without it jobs have no secrets",
        _command,
    )
    requeue: bool = setting(default=True, help="whether Slurm may start a job again, as after the failure of a node")


def token(settings: SlurmSettings) -> str:
    """The token for slurmrestd, read anew each time; empty if there is none.

    Raises:
        AuthenticationError: its file can't be read.
    """
    if not settings.token_file:
        return os.environ.get("SLURM_JWT", "").strip()
    try:
        text = Path(settings.token_file).read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "is not ASCII"
        message = f"the token file {settings.token_file} ({TOKEN_VARIABLE}) can't be read: {reason}"
        raise AuthenticationError(message) from error
    return text.removeprefix("SLURM_JWT=")


class Claims(NamedTuple):
    """What a token says of itself, not verified."""

    user: str = ""
    expires: float = float("inf")


def claims(token: str) -> Claims:
    """What a JSON web token says (RFC 7519); empty if it is not one."""
    try:
        payload = token.split(".")[1]
        data = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return Claims(str(data.get("sun") or ""), float(data.get("exp") or "inf"))
    except (ValueError, IndexError, AttributeError, TypeError):
        return Claims()
