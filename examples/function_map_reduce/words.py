"""Count the words of many files: a job for each file, and one for their results."""

from collections import Counter

from flyte_connectors import Dir, File, TaskEnvironment
from flyte_connectors_batch_job import BatchJobConfig

jobs = TaskEnvironment("jobs", plugin_config=BatchJobConfig(timeout_seconds=60))
here = TaskEnvironment("here")


@jobs.task
def count(file: File) -> dict[str, int]:
    """The words of one file."""
    with file.open_sync("r") as text:
        return dict(Counter(text.read().split()))


@jobs.task
def merge(counts: list[dict[str, int]]) -> dict[str, int]:
    """The words of all files."""
    return dict(sum(map(Counter, counts), Counter()))


@here.task
def words(folder: Dir) -> dict[str, int]:
    """The words of a folder's files."""
    return merge(count.map(folder.list_files_sync()))
