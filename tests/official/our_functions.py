"""Functions written for `flyte_connectors`."""

from __future__ import annotations

from pathlib import Path

from flyte_connectors import File, TaskEnvironment
from flyte_connectors_batch_job import BatchJobConfig

here = TaskEnvironment("here")
jobs = TaskEnvironment("jobs", plugin_config=BatchJobConfig(timeout_seconds=60))


@here.task
def repeated(file: File, times: int = 2) -> tuple[File, int]:
    """A file beside the one that came, with its text several times."""
    with file.open_sync("r") as opened:
        text = opened.read()
    target = Path(file.path).with_suffix(".repeated")
    target.write_text(text * times)
    return File(str(target)), len(text)


@jobs.task
async def doubled(n: int) -> int:
    """A function that runs as a batch job."""
    return 2 * n
