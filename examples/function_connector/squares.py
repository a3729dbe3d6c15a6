"""A function for the connector beside it."""

from pathlib import Path

from flyte_connectors import File, TaskEnvironment
from process_jobs import ProcessConfig

env = TaskEnvironment("numbers", plugin_config=ProcessConfig())


@env.task
def squares(up_to: int) -> tuple[File, int]:
    """A file with the squares of some numbers, and their sum."""
    rows = [n * n for n in range(up_to + 1)]
    Path("squares.txt").write_text("\n".join(map(str, rows)))
    return File("squares.txt"), sum(rows)
