"""Functions that run as jobs of the example's connector."""

from __future__ import annotations

from pathlib import Path

from flyte_connectors import Dir, File, TaskEnvironment, report, task_context
from flyte_connectors.errors import ServiceUnavailableError
from process_jobs import ProcessConfig

env = TaskEnvironment("work", plugin_config=ProcessConfig())


@env.task
def joined(files: list[File], folder: Dir | None = None) -> tuple[File, Dir]:
    """Files in, a file and a folder out."""
    opened = [*files, *(folder.list_files_sync() if folder else [])]
    texts = []
    for file in opened:
        with file.open_sync("r") as source:
            texts.append(source.read())
    Path("joined.txt").write_text("+".join(texts))
    Path("each/deep").mkdir(parents=True)
    for number, text in enumerate(texts):
        Path(f"each/deep/{number}.txt").write_text(text)
    return File("joined.txt"), Dir("each")


@env.task
def fails(n: int) -> int:
    """Divides by zero."""
    return 1 // n


@env.task(retries=1)
def second_time() -> tuple[int, str]:
    """Fails once in a way that may pass."""
    attempt = task_context().attempt
    if attempt == 0:
        raise ServiceUnavailableError("restarting")
    return attempt, task_context().job_id


@env.task
def reports() -> str:
    """Says how far it is, and where."""
    report.progress(0.5, "half")
    report.metric("loss", 0.25)
    return task_context().output_prefix


@env.task
def returns_text() -> int:
    """Returns what it does not declare."""
    return "seven"  # type: ignore[return-value]
