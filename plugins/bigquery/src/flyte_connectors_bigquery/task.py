"""The tasks: a query that runs, and a query that is only estimated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from flyte_connectors import (
    AsyncConnectorExecutorMixin,
    DataFrame,
    NativeInterface,
    SyncConnectorExecutorMixin,
    TaskTemplate,
)
from flyteidl2.core.tasks_pb2 import Sql

from flyte_connectors_bigquery.values.types import from_python, from_sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors import SerializationContext

    from flyte_connectors_bigquery.config import BigQueryConfig


def credentials_custom(secret: str | None) -> dict[str, Any]:
    """What `custom` says about the secret of that name: for the connector, and for who reads results."""
    if secret is None:
        return {}
    return {"secrets": {"google_application_credentials": secret}, "readerSecret": secret}


class SqlTask(TaskTemplate):
    """What the tasks with a statement share: the statement, its inputs as named parameters, the configuration."""

    _TASK_TYPE: ClassVar[str]

    def __init__(  # noqa: PLR0913
        self,
        name: str,
        query_template: str,
        plugin_config: BigQueryConfig,
        *,
        inputs: Mapping[str, type] | None,
        outputs: Mapping[str, type],
        google_application_credentials: str | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            name=name,
            interface=NativeInterface(
                {key: (python_type, None) for key, python_type in (inputs or {}).items()},
                dict(outputs),
            ),
            task_type=self._TASK_TYPE,
            image=None,
            **kwargs,
        )
        self.query_template = query_template
        self.plugin_config = plugin_config
        self.google_application_credentials = google_application_credentials
        self._parameter_types = {
            key: from_sql(plugin_config.parameter_types[key])
            if key in plugin_config.parameter_types
            else from_python(python_type)
            for key, python_type in (inputs or {}).items()
            if not (isinstance(python_type, type) and issubclass(python_type, DataFrame))
        }

    def custom_config(self, sctx: SerializationContext) -> dict[str, Any]:
        """The configuration, the parameters' types and the name of the secret."""
        custom = self.plugin_config.to_custom(sctx.domain)
        typed = [
            {"name": name, "parameterType": parameter_type} for name, parameter_type in self._parameter_types.items()
        ]
        fixed = [
            parameter
            for parameter in custom.get("queryParameters", ())
            if parameter.get("name") not in self._parameter_types
        ]
        if typed or fixed:
            custom["queryParameters"] = fixed + typed
        return {**custom, **credentials_custom(self.google_application_credentials)}

    def sql(self, sctx: SerializationContext) -> Sql:  # noqa: ARG002
        """The statement, just as it was written."""
        return Sql(statement=self.query_template, dialect=Sql.Dialect.ANSI)


class BigQueryTask(AsyncConnectorExecutorMixin, SqlTask):
    """A query that runs as a BigQuery job.

        top = BigQueryTask(
            name="top",
            query_template="SELECT name FROM shop.items WHERE day >= @since LIMIT @n",
            plugin_config=BigQueryConfig(ProjectID="my-project"),
            inputs={"since": datetime.date, "n": int},
            output_dataframe_type=DataFrame,
        )

    Args:
        name: Name of the task.
        query_template: A statement or script; inputs are its named parameters, `@name`.
        plugin_config: Where and how it runs.
        inputs: Python type of each input; a `DataFrame` is a table of that name in the statement.
        output_dataframe_type: `DataFrame` to have the result table as the output `results`.
        outputs: Further outputs, taken by name from the columns of a result with one row; and
            `rows_affected` for DML, `session_id` for a query in a session, `statements` for a script,
            `referenced_tables` for what it reads.
        google_application_credentials: Name of the secret with the JSON key of a service account;
            None for the credentials of the connector service.
        **kwargs: As for every task.

    Raises:
        ParameterTypeError: BigQuery has no type for an input.
        ValueError: `plugin_config.QueryJobConfig` asks for a dry run.
    """

    _TASK_TYPE = "bigquery_query_job_task"

    def __init__(  # noqa: PLR0913, PLR0917  (the official task's arguments)
        self,
        name: str,
        query_template: str,
        plugin_config: BigQueryConfig,
        inputs: Mapping[str, type] | None = None,
        output_dataframe_type: type[DataFrame] | None = None,
        google_application_credentials: str | None = None,
        *,
        outputs: Mapping[str, type] | None = None,
        **kwargs: Any,
    ) -> None:
        if plugin_config.QueryJobConfig is not None and plugin_config.QueryJobConfig.dry_run:
            message = f"task {name}: QueryJobConfig.dry_run runs nothing: use BigQueryDryRunTask"
            raise ValueError(message)
        table = {} if output_dataframe_type is None else {"results": output_dataframe_type}
        super().__init__(
            name,
            query_template,
            plugin_config,
            inputs=inputs,
            outputs={**table, **(outputs or {})},
            google_application_credentials=google_application_credentials,
            **kwargs,
        )


class BigQueryCheckTask(BigQueryTask):
    """A query that fails the task, for good, unless its result is as expected.

        fresh = BigQueryCheckTask(
            name="fresh",
            query_template="SELECT COUNT(*) > 0 AS has_rows, MAX(day) >= @day AS is_fresh FROM shop.items",
            plugin_config=BigQueryConfig(ProjectID="my-project"),
            inputs={"day": datetime.date},
        )

    Args:
        name: Name of the task.
        query_template: As for `BigQueryTask`.
        plugin_config: As for `BigQueryTask`.
        expect: `true` if all values of the first row have to be true: NULL, 0, FALSE and empty values
            are not, and neither is a result without a row. `no_rows` if the query looks for wrong rows:
            the message has their number and the first.
        expected_schema: Instead: columns that the result has to have, each with its type as in SQL.
        **kwargs: As for `BigQueryTask`.

    Raises:
        ParameterTypeError: BigQuery has no type for an input, or none as `expected_schema` says.
        ValueError: `expect` is something else.
    """

    def __init__(
        self,
        name: str,
        query_template: str,
        plugin_config: BigQueryConfig,
        *args: Any,
        expect: Literal["true", "no_rows"] = "true",
        expected_schema: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, query_template, plugin_config, *args, **kwargs)
        if expect not in {"true", "no_rows"}:
            message = f"task {name}: expect is 'true' or 'no_rows', not {expect!r}"
            raise ValueError(message)
        for written in (expected_schema or {}).values():
            from_sql(written)
        self._check: Any = True if expect == "true" else expect
        if expected_schema:
            self._check = {"schema": dict(expected_schema)}

    def custom_config(self, sctx: SerializationContext) -> dict[str, Any]:
        """That of a query, as a check."""
        return {**super().custom_config(sctx), "check": self._check}


class BigQueryDryRunTask(SyncConnectorExecutorMixin, SqlTask):
    """What a query would read and give, without running it; see `dry_run` for the outputs.

    Args:
        name: Name of the task.
        query_template: A statement; inputs are its named parameters, `@name`.
        plugin_config: Where it would run; `price_per_tebibyte` adds the output `estimated_price`.
        inputs: Python type of each input.
        google_application_credentials: Name of the secret with the JSON key of a service account;
            None for the credentials of the connector service.
        **kwargs: As for every task.

    Raises:
        ParameterTypeError: BigQuery has no type for an input.
    """

    _TASK_TYPE = "bigquery_dry_run_task"

    def __init__(
        self,
        name: str,
        query_template: str,
        plugin_config: BigQueryConfig,
        inputs: Mapping[str, type] | None = None,
        *,
        google_application_credentials: str | None = None,
        **kwargs: Any,
    ) -> None:
        outputs: dict[str, Any] = {
            "bytes_processed": int,
            "schema": dict,
            "referenced_tables": list[str],
        }
        if plugin_config.price_per_tebibyte is not None:
            outputs["estimated_price"] = float
        super().__init__(
            name,
            query_template,
            plugin_config,
            inputs=inputs,
            outputs=outputs,
            google_application_credentials=google_application_credentials,
            **kwargs,
        )
