"""The settings of a job in a task's `custom`, and the level of the REST `JobConfiguration` of each.

In `custom` they lie side by side, as the official task writes them; to BigQuery some are the job's
(`labels`) and the others those of its kind (`query.priority`).
https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#jobconfiguration
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from flyte_connectors.errors import InvalidRequestError

Kind = Literal["query", "load", "extract", "copy"]

OF_JOB = frozenset({"jobTimeoutMs", "labels", "maxSlots", "reservation"})
"""Members of `JobConfiguration` that a task may set."""

OF_KIND: Mapping[Kind, frozenset[str]] = {
    "query": frozenset(
        [
            "allowLargeResults",
            "clustering",
            "connectionProperties",
            "continuous",
            "createDisposition",
            "createSession",
            "defaultDataset",
            "destinationEncryptionConfiguration",
            "destinationTable",
            "flattenResults",
            "maximumBillingTier",
            "maximumBytesBilled",
            "parameterMode",
            "preserveNulls",
            "priority",
            "query",
            "queryParameters",
            "rangePartitioning",
            "schemaUpdateOptions",
            "scriptOptions",
            "secureContext",
            "systemVariables",
            "tableDefinitions",
            "timePartitioning",
            "useLegacySql",
            "useQueryCache",
            "userDefinedFunctionResources",
            "writeDisposition",
            "writeIncrementalResults",
        ]
    ),
    "load": frozenset(
        [
            "allowJaggedRows",
            "allowQuotedNewlines",
            "autodetect",
            "clustering",
            "columnNameCharacterMap",
            "connectionProperties",
            "copyFilesOnly",
            "createDisposition",
            "createSession",
            "dateFormat",
            "datetimeFormat",
            "decimalTargetTypes",
            "destinationEncryptionConfiguration",
            "destinationTable",
            "destinationTableProperties",
            "encoding",
            "fieldDelimiter",
            "fileSetSpecType",
            "hivePartitioningOptions",
            "ignoreUnknownValues",
            "jsonExtension",
            "maxBadRecords",
            "nullMarker",
            "nullMarkers",
            "parquetOptions",
            "preserveAsciiControlCharacters",
            "projectionFields",
            "quote",
            "rangePartitioning",
            "referenceFileSchemaUri",
            "schema",
            "schemaInline",
            "schemaInlineFormat",
            "schemaUpdateOptions",
            "skipLeadingRows",
            "sourceColumnMatch",
            "sourceFormat",
            "sourceUris",
            "timeFormat",
            "timePartitioning",
            "timeZone",
            "timestampFormat",
            "timestampTargetPrecision",
            "useAvroLogicalTypes",
            "writeDisposition",
        ]
    ),
    "extract": frozenset(
        [
            "compression",
            "destinationFormat",
            "destinationUri",
            "destinationUris",
            "fieldDelimiter",
            "modelExtractOptions",
            "nativeGeographyExportEnabled",
            "printHeader",
            "secureContext",
            "sourceModel",
            "sourceTable",
            "useAvroLogicalTypes",
        ]
    ),
    "copy": frozenset(
        [
            "createDisposition",
            "destinationEncryptionConfiguration",
            "destinationExpirationTime",
            "destinationTable",
            "operationType",
            "sourceTable",
            "sourceTables",
            "writeDisposition",
        ]
    ),
}
"""Members of `JobConfigurationQuery` and its siblings."""

OF_TASK = frozenset(
    {"ProjectID", "Location", "Domain", "impersonateServiceAccount", "readerSecret"}
    | {"check", "maxBytes", "pricePerTebibyte", "wait", "secrets", "configs"}
)
"""What is not a setting of a job."""

_LABEL_KEY = re.compile(r"[^\W\d_][\w-]{0,62}")
_LABEL_VALUE = re.compile(r"[\w-]{0,63}")


def job_configuration(kind: Kind, custom: Mapping[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
    """The settings in `custom` as a REST `JobConfiguration`, each at its level.

    Args:
        kind: Of the job.
        custom: Content of the task's `custom`.
        dry_run: Whether it is for an estimate, so that `dryRun` changes nothing.

    Raises:
        InvalidRequestError: a setting is unknown or wrong; the error names it.
    """
    settings = {
        name: value for name, value in custom.items() if name not in OF_TASK and value is not None and name != "dryRun"
    }
    if custom.get("dryRun") and not dry_run:
        message = "a dry run starts no job: use BigQueryDryRunTask for an estimate"
        raise InvalidRequestError(message, field="custom.dryRun")
    job_type = settings.pop("jobType", kind.upper())
    if job_type != kind.upper():
        message = f"{job_type!r}: this task type runs {kind} jobs"
        raise InvalidRequestError(message, field="custom.jobType")
    job: dict[str, Any] = {kind: {}}
    for name, value in settings.items():
        if name in OF_JOB:
            job[name] = value
        elif name in OF_KIND[kind]:
            job[kind][name] = value
        else:
            raise _unknown(name, kind)
    _check_job(job)
    return job


def number(custom: Mapping[str, Any], key: str, kind: type[Any]) -> Any:
    """The number `key` of `custom`, from 0; None if it is not set.

    Raises:
        InvalidRequestError: it is not a number, or negative.
    """
    value = custom.get(key)
    if value is None:
        return None
    try:
        read = -1 if isinstance(value, bool) else kind(value)
    except (TypeError, ValueError):
        read = -1
    if not read >= 0:  # NaN is not, either
        message = f"expected a number from 0, got {value!r}"
        raise InvalidRequestError(message, field=f"custom.{key}")
    return read


def text(custom: Mapping[str, Any], key: str) -> str | None:
    """The text `key` of `custom`; None if it is not set or empty.

    Raises:
        InvalidRequestError: it is not text.
    """
    value = custom.get(key)
    if value is not None and not isinstance(value, str):
        raise InvalidRequestError(f"expected text, got {value!r}", field=f"custom.{key}")
    return value or None


def _unknown(name: str, kind: Kind) -> InvalidRequestError:
    others = [other for other, names in OF_KIND.items() if name in names]
    if others:
        message = f"a setting of {' and '.join(others)} jobs, not of {kind} jobs"
    else:
        message = (
            f"unknown setting: neither JobConfiguration nor its member {kind!r} has it; see "
            "https://cloud.google.com/bigquery/docs/reference/rest/v2/Job"
        )
    return InvalidRequestError(message, field=f"custom.{name[:100]}")


def _check_job(job: dict[str, Any]) -> None:
    """Check what belongs to every job; 64-bit numbers are text in REST, others are not."""
    for name, kind in (("jobTimeoutMs", str), ("maxSlots", int)):
        if name in job:
            job[name] = kind(number(job, name, int))
    text(job, "reservation")
    job["labels"] = _labels(job.get("labels", {}))


def _labels(labels: Any) -> dict[str, str]:
    """The author's labels, if BigQuery can take them.

    https://cloud.google.com/bigquery/docs/labels-intro#requirements
    """
    if not isinstance(labels, Mapping):
        message = f"expected labels by key, got {labels!r}"
        raise InvalidRequestError(message, field="custom.labels")
    for key, value in labels.items():
        if key != key.lower() or not _LABEL_KEY.fullmatch(key):
            message = "a label's key has up to 63 lower-case letters, digits, - or _, a letter first"
            raise InvalidRequestError(message, field=f"custom.labels.{key}")
        if not isinstance(value, str) or value != value.lower() or not _LABEL_VALUE.fullmatch(value):
            message = f"{value!r}: a label's value has up to 63 lower-case letters, digits, - or _"
            raise InvalidRequestError(message, field=f"custom.labels.{key}")
    return dict(labels)
