"""What a sensor waits for, and how long: its part of the task's `custom`, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flyte_connectors.errors import InvalidRequestError

POLL_SECONDS = 60.0
TIMEOUT_SECONDS = 86_400.0
TABLE = ("projectId", "datasetId", "tableId")
"""The parts of a table's name."""


@dataclass(frozen=True)
class Wait:
    """What a sensor waits for.

    Attributes:
        table: REST `TableReference`, maybe without a project; None if the task's query decides.
        min_rows: Rows that the table needs to have.
        poll_seconds: Time between two queries; a table is looked at whenever Flyte asks.
        timeout_seconds: After this time the task fails.
    """

    table: Mapping[str, str] | None = None
    min_rows: int = 0
    poll_seconds: float = POLL_SECONDS
    timeout_seconds: float = TIMEOUT_SECONDS

    @classmethod
    def read(cls, custom: Mapping[str, Any]) -> Wait:
        """The member `wait` of a task's `custom`.

        Raises:
            InvalidRequestError: it is missing or wrong.
        """
        given = custom.get("wait")
        if not isinstance(given, Mapping):
            raise InvalidRequestError("missing: use BigQuerySensor", field="custom.wait")
        table = given.get("table")
        if table is not None and (
            not isinstance(table, Mapping)
            or {"projectId", *table} != set(TABLE)
            or not all(isinstance(part, str) and part for part in table.values())
        ):
            message = f"expected a REST TableReference, got {table!r}"
            raise InvalidRequestError(message, field="custom.wait.table")
        return cls(
            table=table,
            min_rows=int(_number(given, "minRows", 0.0, least=0.0)),
            poll_seconds=_number(given, "pollSeconds", POLL_SECONDS, least=1.0),
            timeout_seconds=_number(given, "timeoutSeconds", TIMEOUT_SECONDS, least=0.0),
        )

    def to_custom(self) -> dict[str, Any]:
        """The content of `wait`."""
        return {
            **({"table": dict(self.table)} if self.table else {}),
            "minRows": self.min_rows,
            "pollSeconds": self.poll_seconds,
            "timeoutSeconds": self.timeout_seconds,
        }


def _number(given: Mapping[str, Any], key: str, default: float, *, least: float) -> float:
    value = given.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        value = math.nan
    if not least <= value < math.inf:
        message = f"expected a number from {least:g}, got {given[key]!r}"
        raise InvalidRequestError(message, field=f"custom.wait.{key}")
    return float(value)
