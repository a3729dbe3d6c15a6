"""What a task wants of its query's result: the member `check` of its `custom`.

true              all values of the first row have to be true
"no_rows"         there must be no row: the query looks for what is wrong
{"schema": {...}} the result has to have these columns, by name, of these types as in SQL
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_bigquery.values.types import ParameterTypeError, from_sql

NO_ROWS = "no_rows"

Check = Any
"""A check as `custom` and the meta have it; false for none."""


def read_check(custom: Mapping[str, Any]) -> Check:
    """The check of a task.

    Raises:
        InvalidRequestError: it is not one.
    """
    check = custom.get("check") or False
    if check is True or check is False or check == NO_ROWS:
        return check
    schema = check.get("schema") if isinstance(check, Mapping) else None
    if not isinstance(schema, Mapping) or not schema or len(check) != 1:
        message = f"expected true, {NO_ROWS!r} or a schema, got {check!r}"
        raise InvalidRequestError(message, field="custom.check")
    for column, written in schema.items():
        try:
            from_sql(str(written))
        except ParameterTypeError as error:
            field = f"custom.check.schema.{column}"
            raise InvalidRequestError(str(error), field=field) from None
    return {"schema": dict(schema)}
