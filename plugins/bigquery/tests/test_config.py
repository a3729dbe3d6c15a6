"""The configuration in `custom`, held against the vendor's own objects and the official task's."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from flyte_connectors_bigquery import BigQueryConfig, RangePartitioning, TimePartitioning
from google.cloud import bigquery
from google.protobuf.struct_pb2 import Struct

DAY = datetime.timedelta(days=1)
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "destination": (
        {"destination": "p2.shop.top"},
        {"destination": bigquery.TableReference.from_string("p2.shop.top")},
    ),
    "own project": (
        {"destination": "shop.top"},
        {"destination": bigquery.TableReference.from_string("p1.shop.top")},
    ),
    "old project": (
        {"destination": "example.com:p.shop.top"},
        {"destination": bigquery.TableReference.from_string("example.com:p.shop.top")},
    ),
    "dispositions": (
        {"create_disposition": "CREATE_NEVER", "write_disposition": "WRITE_APPEND"},
        {"create_disposition": "CREATE_NEVER", "write_disposition": "WRITE_APPEND"},
    ),
    "time partitioning": (
        {"time_partitioning": TimePartitioning("day", "MONTH", 30 * DAY)},
        {"time_partitioning": bigquery.TimePartitioning(field="day", type_="MONTH", expiration_ms=30 * 86_400_000)},
    ),
    "range partitioning": (
        {"range_partitioning": RangePartitioning("n", 0, 100, 10)},
        {
            "range_partitioning": bigquery.RangePartitioning(
                range_=bigquery.PartitionRange(start=0, end=100, interval=10), field="n"
            )
        },
    ),
    "clustering": ({"clustering_fields": ["a", "b"]}, {"clustering_fields": ["a", "b"]}),
    "priority": ({"priority": "BATCH"}, {"priority": "BATCH"}),
    "billing": ({"maximum_bytes_billed": 2**60}, {"maximum_bytes_billed": 2**60}),
    "nothing billed": ({"maximum_bytes_billed": 0}, {"maximum_bytes_billed": 0}),
    "dataset": (
        {"default_dataset": "p2.shop"},
        {"default_dataset": bigquery.DatasetReference.from_string("p2.shop")},
    ),
    "no cache": ({"use_query_cache": False}, {"use_query_cache": False}),
    "cache": ({"use_query_cache": True}, {"use_query_cache": True}),
}


@pytest.mark.parametrize("case", CASES)
def test_each_setting_is_what_the_vendor_would_send(case: str) -> None:
    """Our typed fields and the vendor's `QueryJobConfig` give the same REST resource."""
    ours, vendors = CASES[case]
    custom = BigQueryConfig(ProjectID="p1", **ours).to_custom()
    assert custom.pop("ProjectID") == "p1"
    assert custom == _query(bigquery.QueryJobConfig(**vendors))


def test_settings_of_the_job_travel_beside_those_of_the_query() -> None:
    """Labels and the time limit belong to the job; the official task loses them."""
    vendors = bigquery.QueryJobConfig(labels={"team": "x"}, job_timeout_ms=60_000)
    ours = BigQueryConfig(ProjectID="p1", labels={"team": "x"}, job_timeout=datetime.timedelta(minutes=1))
    expected = {"ProjectID": "p1", "labels": {"team": "x"}, "jobTimeoutMs": "60000"}
    assert ours.to_custom() == expected
    theirs = BigQueryConfig(ProjectID="p1", QueryJobConfig=vendors).to_custom()
    assert {key: theirs[key] for key in expected} == expected


def test_our_fields_win_over_the_vendors_object() -> None:
    """What is set twice is as our field says."""
    vendors = bigquery.QueryJobConfig(priority="BATCH", use_query_cache=True)
    config = BigQueryConfig(ProjectID="p1", QueryJobConfig=vendors, priority="INTERACTIVE")
    custom = config.to_custom("development")
    assert (custom["priority"], custom["useQueryCache"]) == ("INTERACTIVE", True)
    assert custom["Domain"] == "development"


def test_custom_fits_the_message_that_carries_it() -> None:
    """Large numbers survive `google.protobuf.Struct`, which knows doubles only."""
    message = Struct()
    message.update(BigQueryConfig(ProjectID="p1", max_bytes=2**60 + 1).to_custom())
    assert message["maxBytes"] == str(2**60 + 1)


def _query(config: bigquery.QueryJobConfig) -> dict[str, Any]:
    resource: dict[str, Any] = config.to_api_repr()["query"]
    return resource
