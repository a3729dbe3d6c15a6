"""What the operator sets: the back ends and their own settings, slots, spool, interpreter, and the size of files."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path

from flyte_connectors.errors import ServiceUnavailableError, SettingsError
from flyte_connectors.settings import PluginSettings, setting, table

from flyte_connectors_batch_job import backends, quantities
from flyte_connectors_batch_job.backends.kubernetes.settings import KubernetesSettings
from flyte_connectors_batch_job.backends.local.slots import mebibytes
from flyte_connectors_batch_job.backends.slurm.settings import SlurmSettings
from flyte_connectors_batch_job.wrapper import copying

PREFIX = "FLYTE_BATCH_JOB_"
SPOOL_VARIABLE = f"{PREFIX}SPOOL"
RETIRED_VARIABLE = f"{PREFIX}RETIRED_SPOOLS"
SHARED_VARIABLE = f"{SPOOL_VARIABLE}_SHARED"  # named by the rule that `deploy` goes by


def _path(text: str) -> str:
    path = Path(text)
    with contextlib.suppress(RuntimeError):  # users in containers often have no home directory
        path = path.expanduser()
    if not path.is_absolute():
        message = f"the spool '{path}' is not an absolute path: set {SPOOL_VARIABLE} to one"
        raise SettingsError(message)
    return str(path)


def _memory(text: str) -> str:
    mebibytes(text)
    return text


def _bytes(text: str) -> str:
    quantities.whole(text)
    return text


@dataclasses.dataclass(frozen=True)
class BatchJobSettings(PluginSettings, prefix=PREFIX):
    """What the operator of batch jobs sets."""

    backend: tuple[str, ...] = setting(
        (backends.LOCAL,),
        "back ends that tasks may use; the first runs those that choose none",
        choices=backends.NAMES,
    )
    slots: int | None = setting(
        None,
        "slots that local jobs have together: one for each core that a job asks for, at least one",
        minimum=1,
        default_text="the machine's cores",
    )
    memory: str | None = setting(
        None,
        "memory that local jobs may ask for together, such as `8Gi`",
        _memory,
        default_text="the machine's memory",
    )
    spool: str | None = setting(
        None,
        "folder of local jobs: an absolute path on a file system with locks and hard links; its mode is 0700",
        _path,
        default_text="`$XDG_STATE_HOME/flyte-connectors/batch-job`, else below `~/.local/state`",
    )
    spool_shared: bool = setting(
        default=False,
        help="whether all replicas have the same spool; `flyte-connectors deploy` sets it with `shared_volume`",
    )
    file_limit: str = setting(
        copying.DEFAULT_LIMIT,
        "most bytes of each input and output that has files, such as `20Gi`",
        _bytes,
    )
    python: str | None = setting(
        None,
        "interpreter that runs functions whose tasks name none, with `flyte-connectors[batch-job]` and what they import",
        default_text="the service's own for local jobs, else `python3`",
    )
    retired_spools: tuple[str, ...] = setting(
        (), "ids of deleted spools, as the error has them: their jobs count as lost"
    )
    kubernetes: KubernetesSettings = table(KubernetesSettings)  # noqa: RUF009  (a field)
    slurm: SlurmSettings = table(SlurmSettings)  # noqa: RUF009  (a field, like the others)


def allowed_backends() -> tuple[str, ...]:
    """Names of the back ends that tasks may use; the first runs those that choose none.

    Raises:
        ServiceUnavailableError: a setting is invalid.
    """
    return BatchJobSettings.read().backend or (backends.LOCAL,)


def spool_directory() -> str:
    """The spool that the operator has set, or else a folder in the user's state directory.

    Source of the default: XDG Base Directory Specification 0.8, `$XDG_STATE_HOME`.

    Raises:
        ServiceUnavailableError: a setting is invalid, or unset and the user has no home directory.
    """
    directory = BatchJobSettings.read().spool
    if directory is not None:
        return directory
    state = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state")
    try:
        return _path(str(state / "flyte-connectors" / "batch-job"))
    except SettingsError as error:
        raise ServiceUnavailableError(error.message) from None


def is_spool_shared() -> bool:
    """Whether the operator says that all replicas have the same spool.

    Raises:
        ServiceUnavailableError: a setting is invalid.
    """
    return BatchJobSettings.read().spool_shared


def function_python() -> str | None:
    """The interpreter of functions whose tasks name none.

    Raises:
        ServiceUnavailableError: a setting is invalid.
    """
    return BatchJobSettings.read().python


def file_limit() -> int:
    """Most bytes of each input and output that has files.

    Raises:
        ServiceUnavailableError: a setting is invalid.
    """
    return quantities.whole(BatchJobSettings.read().file_limit)


def retired_spools() -> frozenset[str]:
    """Ids of the deleted spools; their jobs count as lost.

    Raises:
        ServiceUnavailableError: a setting is invalid.
    """
    return frozenset(BatchJobSettings.read().retired_spools)
