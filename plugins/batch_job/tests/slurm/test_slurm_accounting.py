"""A cluster with accounting: accounts and QOS, jobs that were purged, efficiency."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from batch_jobs import wait_for
from flyte_connectors.connector import Phase
from flyte_connectors.errors import InvalidRequestError, RateLimitedError
from google.protobuf.json_format import MessageToDict
from slurm_jobs import SlurmJobs, shared_folder, use

from flyte_connectors_batch_job.backends.slurm.cluster import current

if TYPE_CHECKING:
    from slurm_cluster import SlurmCluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(params=["commands", "rest"])
def accounted(
    request: pytest.FixtureRequest,
    accounted_cluster: SlurmCluster,
    monkeypatch: pytest.MonkeyPatch,
) -> SlurmJobs:
    """The connector on the cluster with accounting."""
    folder = shared_folder(accounted_cluster)
    use(monkeypatch, accounted_cluster, folder)
    if request.param == "rest":
        monkeypatch.setenv("FLYTE_BATCH_JOB_SLURM_ADDRESS", accounted_cluster.rest_url)
        monkeypatch.setenv("SLURM_JWT", accounted_cluster.token())
    return SlurmJobs(accounted_cluster, folder)


@pytest.mark.parametrize("field", ["account", "qos"])
def test_an_unknown_account_or_qos_is_refused(accounted: SlurmJobs, field: str) -> None:
    """By name."""
    with pytest.raises(InvalidRequestError, match=rf"^custom\.{field}: Slurm refuses it"):
        accounted.start("true", key="broke", memory="50Mi", **{field: "nope"})


def test_efficiency_is_among_the_metrics(accounted: SlurmJobs) -> None:
    """Parts of what was asked for."""
    script = "python3 -c 'x = bytearray(60_000_000); import time; time.sleep(2.5)'"
    meta = accounted.start(script, key="used", memory="200Mi", account="physics", qos="normal")
    assert accounted.end(meta).phase == Phase.SUCCEEDED

    def readings() -> dict[str, float] | None:
        found = {
            result["metric"]: float(result["data"]["result"][0]["values"][0][1])
            for result in MessageToDict(accounted.connector.get_metrics(meta))["results"]
        }
        return found if "memory_efficiency" in found else None

    used = wait_for(readings)
    assert 60e6 < used["peak_memory_bytes"] < 150e6
    assert used["memory_efficiency"] == pytest.approx(used["peak_memory_bytes"] / (200 * 2**20))
    assert 0 < used["cpu_efficiency"] < 1
    assert used["wall_seconds"] >= 2


def test_a_job_that_was_cancelled_and_purged_is_not_lost(accounted: SlurmJobs) -> None:
    """Accounting knows who has cancelled it, and so it is not submitted again."""
    node = f"NodeName={accounted.cluster.node}"
    accounted.cluster.checked("scontrol", "update", node, "State=DRAIN", "Reason=test")
    try:
        meta = accounted.start("true", key="purged", memory="50Mi")
        accounted.cluster.checked("scancel", meta.handle)
        wait_for(lambda: not accounted.listed("purged"))
    finally:
        accounted.cluster.checked("scontrol", "update", node, "State=RESUME")
    resource = accounted.end(meta)
    assert resource.phase == Phase.FAILED
    assert resource.message.startswith("the job was cancelled in Slurm by user")
    assert accounted.listed("purged") == []


def test_a_job_that_never_reached_slurm_again_is_submitted_again(accounted: SlurmJobs) -> None:
    """Where not even accounting knows it: what a killed controller leaves."""
    meta = accounted.start("echo here", key="lost", memory="50Mi", outputs={"at": "STRING"})
    assert accounted.end(meta).outputs == {"at": "here"}
    job = accounted.key("lost")
    source, lost = accounted.folder / job, accounted.folder / f"{job}-b"
    source.rename(lost)
    for name in ("verdict.json", "0"):
        (lost / name).rename(accounted.folder / f"{job}-{name}")
    order = json.loads((lost / "order.json").read_text())
    order["name"] += "-b"
    order["script"] = order["script"].replace(job, f"{job}-b")
    (lost / "order.json").write_text(json.dumps(order))
    (lost / "command").write_text((lost / "command").read_text().replace(job, f"{job}-b"))
    meta.job_id += "-b"
    resource = accounted.end(meta)
    owner = current().folder(meta.job_id).owner()
    assert (resource.phase, resource.outputs) == (Phase.SUCCEEDED, {"at": "here"})
    assert owner is not None
    assert owner.number == 2


def test_a_limit_of_jobs_is_waited_for(accounted: SlurmJobs) -> None:
    """Others may end, so the create may be repeated."""
    limit = ("sacctmgr", "-i", "modify", "user", "root", "set")
    accounted.cluster.checked(*limit, "MaxSubmitJobs=0")
    try:
        with pytest.raises(RateLimitedError, match="Slurm accepts no more jobs now"):
            accounted.start("true", key="limited", memory="50Mi")
    finally:
        accounted.cluster.checked(*limit, "MaxSubmitJobs=-1")
    assert accounted.end(accounted.start("true", key="limited", memory="50Mi")).phase == Phase.SUCCEEDED
