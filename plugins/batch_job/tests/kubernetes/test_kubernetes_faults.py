"""Many jobs, several replicas, and an API server that is killed: nothing is lost, doubled or held up."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from batch_jobs import show
from flyte_connectors.connector import TERMINAL_PHASES, Phase, Resource
from flyte_connectors.errors import ConnectorError
from kube_cluster import wait_for
from outages import outage

if TYPE_CHECKING:
    from kube_cluster import Cluster
    from kube_jobs import KubernetesJobs

    from flyte_connectors_batch_job import BatchJobMetadata

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NUMBER = 'echo "{\\"n\\": $BATCH_JOB_INPUT_N}" > "$BATCH_JOB_OUTPUTS"; echo "$BATCH_JOB_INPUT_N"'
RUN_SECONDS = 400.0
REPLICA = """
import sys, threading
from batch_jobs import template
from flyte_connectors_batch_job import BatchJobConnector
made, barrier = [], threading.Barrier(4)
def create():
    barrier.wait()
    made.append(BatchJobConnector().create(template(script="sleep 1"), "", {}, idempotency_key="raced"))
sys.stdin.readline()
threads = [threading.Thread(target=create) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
for meta in made: print(meta.handle)
"""


def ends(jobs: KubernetesJobs, metas: list[BatchJobMetadata]) -> list[Resource]:
    """The ends of jobs, polled as Flyte does; errors are what a poll repeats."""
    ended: dict[str, Resource] = {}

    def all_ended() -> bool:
        for meta in metas:
            if meta.job_id in ended:
                continue
            with contextlib.suppress(ConnectorError):
                resource = jobs.connector.get(meta)
                if resource.phase in TERMINAL_PHASES:
                    ended[meta.job_id] = resource
        return len(ended) == len(metas)

    wait_for(all_ended, "the end of all jobs", RUN_SECONDS)
    return [ended[meta.job_id] for meta in metas]


def requests(cluster: Cluster, verb: str) -> Counter[str]:
    """How many requests the API server has served, by resource."""
    text = cluster.admin.get("/metrics").text
    found: Counter[str] = Counter()
    for line in text.splitlines():
        if line.startswith("apiserver_request_total{"):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            if labels["verb"] == verb and labels.get("subresource", "") == "":
                found[labels["resource"]] += int(float(line.rpartition(" ")[2]))
    return found


def test_two_hundred_jobs_end_with_their_own_outputs(cluster: Cluster, jobs: KubernetesJobs) -> None:
    """And their polls cost the API server next to nothing."""
    begun = time.monotonic()
    metas = [jobs.start(NUMBER, key=f"n-{n}", inputs={"n": n}, outputs={"n": "INTEGER"}) for n in range(200)]
    created = time.monotonic() - begun
    jobs.connector.get(metas[0])
    before = {verb: requests(cluster, verb) for verb in ("LIST", "GET", "WATCH")}
    found = ends(jobs, metas)
    assert [resource.outputs for resource in found] == [{"n": n} for n in range(200)]
    after = {verb: requests(cluster, verb) for verb in before}
    cost = sum(after[verb]["jobs"] - before[verb]["jobs"] for verb in before)
    show(
        f"200 jobs: created in {created:.1f} s, ended after {time.monotonic() - begun:.1f} s; {cost} questions about jobs"
    )
    # The controllers ask, too, and a job whose pod's last news is late is read itself.
    assert cost < 250
    assert len(jobs.cluster.jobs(jobs.namespace)) == 200


def test_an_array_of_two_hundred_ends_with_all_outputs(jobs: KubernetesJobs) -> None:
    """In the order of the indexes, whatever order they ended in."""
    script = 'echo "{\\"n\\": $BATCH_JOB_INDEX}" > "$BATCH_JOB_OUTPUTS"; echo "$BATCH_JOB_INDEX"'
    begun = time.monotonic()
    meta = jobs.start(script, outputs={"n": "INTEGER"}, array=200)
    (result,) = ends(jobs, [meta])
    show(f"array of 200: {time.monotonic() - begun:.1f} s")
    assert result.outputs == {"n": list(range(200))}
    assert jobs.log(meta) == [f"[{n}] {n}" for n in range(200)]


def test_eight_racing_creates_on_two_replicas_make_one_job(jobs: KubernetesJobs) -> None:
    """The API server refuses a name twice."""
    path = os.pathsep.join((str(Path(__file__).parents[1]), *sys.path))
    replicas = [
        subprocess.Popen(
            [sys.executable, "-c", REPLICA],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        for _ in range(2)
    ]
    answers = []
    for replica in replicas:
        assert replica.stdin
        replica.stdin.write("go\n")
        replica.stdin.flush()
    for replica in replicas:
        output, _ = replica.communicate(timeout=60)
        assert replica.returncode == 0
        answers += output.split()
    assert len(answers) == 8
    assert len(set(answers)) == 1
    assert len(jobs.cluster.jobs(jobs.namespace)) == 1


def test_an_api_server_that_is_killed_loses_and_doubles_nothing(
    cluster: Cluster, jobs: KubernetesJobs, tmp_path: Path
) -> None:
    """Jobs run on, and creates that it interrupts are repeated with their keys.

    A job controller whose creation of a pod has lost its reply creates another: then one Job has two pods, of which each
    runs once.
    """
    script = f'echo "$BATCH_JOB_ID $HOSTNAME" >> {tmp_path}/runs; sleep 3; ' + NUMBER
    metas: list[BatchJobMetadata] = []

    def create(n: int) -> None:
        """As the core repeats it."""
        while True:
            with contextlib.suppress(ConnectorError):
                meta = jobs.start(script, key=f"k-{n}", inputs={"n": n}, outputs={"n": "INTEGER"})
                metas.append(meta)
                return
            time.sleep(0.2)

    for n in range(10):
        create(n)
    cluster.kill("apiserver")
    with pytest.raises(ConnectorError):
        jobs.start("true", key="while-it-is-dead")
    cluster.start_api_server()
    for n in range(10, 20):
        create(n)
    for n in range(20):
        create(n)
    assert [one.outputs for one in ends(jobs, metas[:20])] == [{"n": n} for n in range(20)]
    assert metas[:20] == metas[20:]
    runs = Counter((tmp_path / "runs").read_text().splitlines())
    assert set(runs.values()) == {1}
    assert {run.split()[0] for run in runs} == {f"k-{n}" for n in range(20)}
    assert len(jobs.cluster.jobs(jobs.namespace)) == 20


async def test_an_api_server_that_is_down_for_a_minute_costs_no_task_anything(
    cluster: Cluster,
    jobs: KubernetesJobs,
) -> None:
    """Polls are answered RUNNING, other connectors do not feel it, and then everything goes on."""
    found = await outage(lambda: cluster.kill("apiserver"), cluster.start_api_server)
    show(f"API server away: {found}")
    assert found.phases == {Phase.RUNNING}
    assert not found.retried
    assert not found.is_felt


def test_a_thousand_jobs_cost_one_question(cluster: Cluster, jobs: KubernetesJobs) -> None:
    """However many are known and polled: one list in pages, then what changes."""
    first = jobs.start("true")
    jobs.end(first)
    (model,) = jobs.cluster.jobs(jobs.namespace)
    metadata = {name: model["metadata"][name] for name in ("labels", "annotations")}
    spec = {"parallelism": 0, "template": model["spec"]["template"]}
    spec["template"]["metadata"]["labels"] = metadata["labels"]
    handles = []
    for n in range(1000):
        job = {"metadata": {**metadata, "name": f"many-{n}"}, "spec": spec}
        made = cluster.send("POST", jobs.path("jobs"), json.loads(json.dumps(job)))
        handles.append(f"{jobs.namespace}/many-{n}/{made['metadata']['uid']}")
    metas = [type(first)("many", backend="kubernetes", handle=handle) for handle in handles]
    assert {jobs.connector.get(meta).phase for meta in metas} == {Phase.QUEUED}
    before = {verb: requests(cluster, verb) for verb in ("GET", "LIST", "WATCH")}
    begun = time.process_time()
    for _ in range(2):
        for meta in metas:
            jobs.connector.get(meta)
    assert len(jobs.connector.get_many(metas)) == len(metas)
    used = time.process_time() - begun
    after = {verb: requests(cluster, verb) for verb in before}
    questions = {
        verb: (
            after[verb]["jobs"] - before[verb]["jobs"],
            after[verb]["pods"] - before[verb]["pods"],
        )
        for verb in before
    }
    show(f"3000 polls of 1000 jobs: {1000 * used / 3000:.3f} ms of CPU each; {questions}")
    assert sum(sum(pair) for pair in questions.values()) < 20
