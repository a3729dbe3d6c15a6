"""A job to be counted."""

from flyte_connectors_batch_job import BatchJobConfig, BatchJobTask

hello = BatchJobTask("hello", plugin_config=BatchJobConfig(command=["echo", "hello"]))
