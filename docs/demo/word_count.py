"""Two batch jobs that count the words of text files; the demo runs them."""

from __future__ import annotations

from flyte_connectors_batch_job import BatchJobConfig, BatchJobTask

_COUNT = """#!/usr/bin/env python3
import json, os, pathlib, time

folder = pathlib.Path(os.environ["BATCH_JOB_INPUT_FOLDER"])
pause = float(os.environ["BATCH_JOB_INPUT_PAUSE"])
total = 0
patterns = ("*.md", "docs/*.md", "plugins/*/README.md")
files = sorted(file for pattern in patterns for file in folder.glob(pattern))
for file in files:
    words = len(file.read_text().split())
    total += words
    print(f"{file.relative_to(folder)}: {words} words", flush=True)
    time.sleep(pause)
with open(os.environ["BATCH_JOB_OUTPUTS"], "w") as outputs:
    json.dump({"words": total, "files": len(files)}, outputs)
"""

count_words = BatchJobTask(
    name="count_words",
    plugin_config=BatchJobConfig(script=_COUNT, timeout_seconds=120),
    inputs={"folder": str, "pause": (float, 0.3)},
    outputs={"words": int, "files": int},
)
