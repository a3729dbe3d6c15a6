"""What no emulator can promise, asked of Google's own service; see `bed.google_cloud` for the credentials.

The tests of results in the folder above run on Google's service as well: `nox -s live`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from flyte_connectors.connector import Phase
from flyte_connectors.errors import ConflictError, InvalidRequestError
from flyte_connectors_bigquery import BigQueryDryRunTask

if TYPE_CHECKING:
    from bed.calls import Calls

pytestmark = pytest.mark.live


async def test_racing_replicas_share_a_job(live: Calls) -> None:
    """Eight creates of one attempt are one job, without a proxy that lets one pass at a time."""
    task = live.query("SELECT 1 AS n")
    jobs = await asyncio.gather(*(live.create(task, run="raced-live") for _ in range(8)))
    assert len({job.meta for job in jobs}) == 1
    assert (await jobs[0].end(120)).phase == Phase.SUCCEEDED
    with pytest.raises(ConflictError):
        await live.create(live.query("SELECT 2 AS n"), run="raced-live")


async def test_a_region_that_is_not_named(live: Calls) -> None:
    """A job in a region that BigQuery chose is found again by its meta and by a replay."""
    task = live.query("SELECT 1 AS n", Location=None)
    first = await live.create(task, run="regional-live")
    assert (await live.create(task, run="regional-live")).meta == first.meta
    assert (await first.end(120)).phase == Phase.SUCCEEDED


async def test_an_unknown_region_is_refused(live: Calls) -> None:
    """The emulator takes any."""
    with pytest.raises(InvalidRequestError, match="mars"):
        await live.create(live.query("SELECT 1", Location="mars"))


async def test_bytes_are_counted_and_limited(live: Calls) -> None:
    """A table has a size, which the emulator gives as 0; the limits are held against it."""
    sql = "SELECT species FROM iris"
    task = BigQueryDryRunTask(name="estimate", query_template=sql, plugin_config=live.config)
    size = (await live.run(task))["bytes_processed"]
    assert size > 0
    with pytest.raises(InvalidRequestError, match=f"would read {size} bytes"):
        await live.create(live.query(sql, max_bytes=size - 1))
    job = await live.create(live.query(sql, maximum_bytes_billed=1, use_query_cache=False))
    resource = await job.end(120)
    assert resource.phase == Phase.FAILED
    assert "bytesBilledLimitExceeded" in resource.message
