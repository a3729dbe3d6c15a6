"""A shell script as a job: it packs the large files of a folder, and says how many there are."""

from flyte_connectors import Dir, File
from flyte_connectors_batch_job import BatchJobConfig, BatchJobTask

pack = BatchJobTask(
    name="pack",
    plugin_config=BatchJobConfig(
        script="""
            set -eu
            large="$PWD/large"  # a job has a folder of its own
            cd "$BATCH_JOB_INPUT_FOLDER"
            find . -type f -size "+${BATCH_JOB_INPUT_LARGER_THAN}c" > "$large"
            tar -czf "$BATCH_JOB_OUTPUT_ARCHIVE" -T "$large"
            printf '{"files": %d}' "$(wc -l < "$large")" > "$BATCH_JOB_OUTPUTS"
        """,
        cpu=1,
        memory="200Mi",
        timeout_seconds=60,
    ),
    inputs={"folder": Dir, "larger_than": int},
    outputs={"archive": File, "files": int},
)
