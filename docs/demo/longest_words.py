"""A Python function that runs as a batch job, once for each file; the demo runs it."""

from __future__ import annotations

from flyte_connectors import Dir, File, TaskEnvironment
from flyte_connectors_batch_job import BatchJobConfig

jobs = TaskEnvironment("jobs", plugin_config=BatchJobConfig(timeout_seconds=60))
here = TaskEnvironment("demo")


@jobs.task
def longest(page: File) -> str:
    """The longest word of a page."""
    with page.open_sync("r") as text:
        words = "".join(letter if letter.isalpha() else " " for letter in text.read()).split()
    print(f"{len(words)} words")
    return max(words, key=len, default="")


@here.task
def longest_word(folder: Dir) -> str:
    """The longest word of a folder's pages: a job for each page."""
    pages = [file for file in folder.list_files_sync() if file.path.endswith(".md")][:6]
    return max(longest.map(pages), key=len)
