"""The tasks that load files into tables, write tables to files, and copy tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from flyte_connectors import AsyncConnectorExecutorMixin, NativeInterface, TaskTemplate

from flyte_connectors_bigquery.task import credentials_custom

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors import SerializationContext

    from flyte_connectors_bigquery.transfers.config import (
        BigQueryCopyConfig,
        BigQueryExtractConfig,
        BigQueryLoadConfig,
    )


class _TransferTask(AsyncConnectorExecutorMixin, TaskTemplate):
    """What all three share."""

    _TASK_TYPE: ClassVar[str]

    def __init__(
        self,
        name: str,
        plugin_config: Any,
        inputs: Mapping[str, type] | None = None,
        outputs: Mapping[str, type] | None = None,
        *,
        google_application_credentials: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            name=name,
            interface=NativeInterface(
                {key: (python_type, None) for key, python_type in (inputs or {}).items()},
                dict(outputs or {}),
            ),
            task_type=self._TASK_TYPE,
            image=None,
            **kwargs,
        )
        self.plugin_config = plugin_config
        self.google_application_credentials = google_application_credentials

    def custom_config(self, sctx: SerializationContext) -> dict[str, Any]:
        """The configuration and the name of the secret."""
        custom: dict[str, Any] = self.plugin_config.to_custom(sctx.domain)
        return {**custom, **credentials_custom(self.google_application_credentials)}


class BigQueryLoadTask(_TransferTask):
    """Files or rows into a table.

        load = BigQueryLoadTask(
            name="load",
            plugin_config=BigQueryLoadConfig(ProjectID="my-project", destination="shop.items"),
            inputs={"files": list[File]},
            outputs={"results": DataFrame, "rows": int},
        )

    Args:
        name: Name of the task.
        plugin_config: Where to, and how the files are read.
        inputs: Files beside those of the configuration: `str`, `File`, `Dir`, `DataFrame` or lists; or
            rows: lists of `dict` or of a dataclass.
        outputs: Any of `results` (the table as a DataFrame), `rows`, `bytes`, `files`, `bad_records`.
        google_application_credentials: Name of the secret with credentials, as for `BigQueryTask`.
        **kwargs: As for every task.
    """

    _TASK_TYPE = "bigquery_load_task"
    plugin_config: BigQueryLoadConfig


class BigQueryExtractTask(_TransferTask):
    """A table into files of Cloud Storage.

    Args:
        name: Name of the task.
        plugin_config: Which files, and how they are written.
        inputs: The table, unless the configuration names it: a `DataFrame` of BigQuery, or `str`.
        outputs: Any of `uris` (list of str), `files` (int), `bytes` (int).
        google_application_credentials: Name of the secret with credentials, as for `BigQueryTask`.
        **kwargs: As for every task.
    """

    _TASK_TYPE = "bigquery_extract_task"
    plugin_config: BigQueryExtractConfig


class BigQueryCopyTask(_TransferTask):
    """Tables into a table.

    Args:
        name: Name of the task.
        plugin_config: Where to.
        inputs: Tables beside those of the configuration: `DataFrame`s of BigQuery, `str`, or lists.
        outputs: Any of `results` (the table as a DataFrame), `rows`, `bytes`.
        google_application_credentials: Name of the secret with credentials, as for `BigQueryTask`.
        **kwargs: As for every task.
    """

    _TASK_TYPE = "bigquery_copy_task"
    plugin_config: BigQueryCopyConfig
