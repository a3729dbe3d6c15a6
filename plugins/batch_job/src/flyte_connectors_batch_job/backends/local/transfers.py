"""The steps of a job that copy its files, each in a separate process.

That process alone knows the service's settings for storage, credentials included: the keeper gets them through a
pipe, keeps them in its memory, which other processes can't read, and hands them to no program.
"""

from __future__ import annotations

import os

from flyte_connectors_batch_job.backends.local import job as states
from flyte_connectors_batch_job.backends.local import kernel, storage_settings
from flyte_connectors_batch_job.wrapper import copying, forked, staging, uris
from flyte_connectors_batch_job.wrapper.faults import TransferError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from flyte_connectors_batch_job.backends.local.watch import Watch


class Transfers:
    """Copies the files of a job.

    Args:
        watch: Waits for the process that copies.
        plan: What to copy.
        path: Path of the job's own folder.
        folder: Descriptor of it.
        storage: Variables with the settings for storage.
    """

    def __init__(self, watch: Watch, plan: dict[str, Any], path: str, folder: int, storage: Mapping[str, str]) -> None:
        self._watch = watch
        self._plan = plan
        self._path = path
        self._folder = folder
        self._storage = storage

    def fetch(self) -> dict[str, Any] | None:
        """Copy inputs into the folder. Returns how the job has ended, if it has."""
        if not self._plan["inputs"]:
            return None
        plan, path = self._plan, self._path
        outcome = self._copied(lambda limit: staging.fetch(plan, path, limit))
        return None if outcome["state"] == states.SUCCEEDED else outcome

    def store(self, outcome: dict[str, Any]) -> dict[str, Any]:
        """Copy the outputs of a job that ended well to where they are kept. Returns how it has ended."""
        if outcome["state"] != states.SUCCEEDED or not self._plan["outputs"]:
            return outcome
        plan, path, folder, written = self._plan, self._path, self._folder, outcome["outputs"]
        return self._copied(lambda limit: staging.Outputs(plan, folder, path, limit).store(written))

    def _is_local(self) -> bool:
        addresses = [self._plan["prefix"], *(one["uri"] for one in self._plan["inputs"])]
        return all(uris.scheme_of(address) == "file" for address in addresses)

    def _copied(self, function: Callable[[int], Any]) -> dict[str, Any]:
        def call() -> Any:
            kernel.confine()  # an input can be a file in /proc
            os.environ.update(
                (name, value) for name, value in self._storage.items() if not name.startswith(storage_settings.SECRETS)
            )
            if not self._is_local():
                _find_packages()
            return function(copying.limit_bytes())

        pid, pipe = forked.start(call)
        parts: list[bytes] = []
        try:
            ended = self._watch.other(pid, pipe, parts.append)
            if ended:
                return ended
            while part := os.read(pipe, forked.READ_BYTES):
                parts.append(part)
            results = forked.result(b"".join(parts))
        except TransferError as error:
            state = states.LOST if error.may_retry else states.FAILED
            return {"state": state, "message": str(error)}
        finally:
            os.close(pipe)
        return {"state": states.SUCCEEDED, "outputs": results}


def _find_packages() -> None:
    """Make installed packages importable, which supervisors run without."""
    import site

    site.main()
