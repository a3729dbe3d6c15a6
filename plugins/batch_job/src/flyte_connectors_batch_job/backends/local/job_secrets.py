"""The secrets of a job: variables of its command by name, in no file, and masked in its log.

The job's files have their names. The values are those of the service: in its variables `FLYTE_SECRET_<NAME>`, which
keepers hand on as they do the settings for storage (at most 30 KiB of them), or mounted as files, which are read when the command starts.
"""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX = "FLYTE_SECRET_"
DIRECTORY_VARIABLE = "FLYTE_CONNECTORS_SECRETS_DIR"
LISTED = "BATCH_JOB_SECRETS"
"""Variable of the command with the names of its variables that hold secrets."""

_DIRECTORY = "/etc/flyte/secrets"


class MissingSecretError(Exception):
    """A secret is not mounted; the text says where it would be."""


def values(names: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """The variables of a command with secrets.

    Args:
        names: The name of the secret for each variable.
        settings: The service's, see `storage_settings`.

    Raises:
        MissingSecretError: one is not mounted.
    """
    if not names:
        return {}
    found = {variable: _value(name, settings) for variable, name in names.items()}
    return {**found, LISTED: " ".join(names)}


def _value(name: str, settings: Mapping[str, str]) -> str:
    variable = PREFIX + re.sub(r"\W", "_", name).upper()
    value = settings.get(variable)
    if value is not None:
        return value
    path = os.path.join(settings.get(DIRECTORY_VARIABLE, _DIRECTORY), name)
    try:
        if "/" in name or "\0" in name or name.startswith("."):
            raise FileNotFoundError(name)
        with open(path, encoding="utf-8") as file:
            return file.read().rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        message = f"secret '{name}' is not mounted for jobs: set {variable}, or add the file {path}"
        raise MissingSecretError(message) from error


def listed(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of an environment that hold secrets."""
    names = environment.get(LISTED, "").split()
    return {name: environment[name] for name in names if name in environment}


def mask_of(variables: Mapping[str, str]) -> Callable[[bytes], bytes] | None:
    """What masks the secrets in a line; None if there are none."""
    secrets = frozenset(value for name, value in variables.items() if name != LISTED)
    if not secrets:
        return None
    import importlib.util

    if importlib.util.find_spec("flyte_connectors") is None:  # the wrapper brings what it needs
        import site

        site.main()  # supervisors run without installed packages
    from flyte_connectors._masking import masker

    found = masker(secrets)

    def mask(line: bytes) -> bytes:
        return found.mask(line.decode(errors="surrogateescape")).encode(errors="surrogateescape")

    return mask
