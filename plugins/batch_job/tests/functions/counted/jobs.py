"""A function that leaves a line for each call."""

from __future__ import annotations

import os
from pathlib import Path

from flyte_connectors import File, TaskEnvironment

from flyte_connectors_batch_job import BatchJobConfig

env = TaskEnvironment("counted", plugin_config=BatchJobConfig(timeout_seconds=120))


@env.task
def counted(marks: str, rows: File) -> tuple[File, int]:
    """A file in, a file out, and the number of its characters."""
    with Path(marks).open("a") as file:
        file.write(f"{os.getpid()}\n")
    with rows.open_sync("r") as file:
        text = file.read()
    Path("copy.txt").write_text(text)
    return File("copy.txt"), len(text)
