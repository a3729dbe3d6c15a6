"""Jobs on a real API server with its job controller and scheduler."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bad_outputs import task_with_output
from batch_jobs import template
from flyte_connectors import File, NativeInterface
from flyte_connectors.connector import Phase
from flyte_connectors.errors import JobNotFoundError
from kube_cluster import wait_for

if TYPE_CHECKING:
    from kube_jobs import KubernetesJobs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

COUNT_WORDS = """
    echo "counting $BATCH_JOB_INPUT_FILE"
    words=$(wc -w < "$BATCH_JOB_INPUT_FILE")
    echo "{\\"words\\": $words}" > "$BATCH_JOB_OUTPUTS"
"""
TOO_LARGE = (
    "$BATCH_JOB_OUTPUTS is larger than 4096 bytes, the most on Kubernetes: store what is larger, and give its address"
)
FOREVER = 'trap "echo cancelled; exit 1" TERM; echo begun; while :; do sleep 0.1; done'


def test_the_word_count_of_the_readme_runs(jobs: KubernetesJobs) -> None:
    """Unchanged but for its image."""
    result = jobs.run(COUNT_WORDS, inputs={"file": "/etc/passwd"}, outputs={"words": "INTEGER"})
    assert result.outputs == {"words": len(Path("/etc/passwd").read_text().split())}


def test_inputs_arrive_as_they_are(jobs: KubernetesJobs) -> None:
    """As a file and as variables, whatever Kubernetes expands elsewhere."""
    text = "Żółć '\"\\ $PATH $(HOME) $$x \n"
    script = 'cat "$BATCH_JOB_INPUTS" > "$BATCH_JOB_OUTPUTS"; printf "%s" "$BATCH_JOB_INPUT_A"'
    meta = jobs.start(script, inputs={"a": text}, outputs={"a": "STRING"})
    assert jobs.end(meta).outputs == {"a": text}
    assert jobs.log(meta) == text.splitlines()


@pytest.mark.parametrize("array", [None, 3])
def test_files_are_there_when_the_command_starts_and_stored_when_it_ends(
    jobs: KubernetesJobs, tmp_path: Path, array: int | None
) -> None:
    """By the wrapper beside it; of an array, each index has a place for its own."""
    source = tmp_path / "words.txt"
    source.write_text("one two three")
    interface = NativeInterface({"source": File}, {"copy": File, "words": int})
    script = """
        tr a-z A-Z < "$BATCH_JOB_INPUT_SOURCE" > "$BATCH_JOB_OUTPUT_COPY"
        echo "{\\"words\\": $(wc -w < "$BATCH_JOB_INPUT_SOURCE")}" > "$BATCH_JOB_OUTPUTS"
    """
    task = template(script=script, array=array)
    task.interface.CopyFrom(interface.to_proto())
    inputs = {"source": File(str(source))}
    prefix = tmp_path / "outputs"
    meta = jobs.connector.create(task, str(prefix), inputs, idempotency_key="a-job")
    result = jobs.end(meta)
    assert result.phase == Phase.SUCCEEDED, result.message
    assert result.outputs
    copies, words = result.outputs["copy"], result.outputs["words"]
    copies, words = (copies, words) if array else ([copies], [words])
    assert words == [3] * (array or 1)
    assert len({str(copy) for copy in copies}) == (array or 1)
    assert [Path(str(copy)).read_text() for copy in copies] == ["ONE TWO THREE"] * (array or 1)
    metrics = {metric.metric for metric in jobs.connector.get_metrics(meta).results}
    assert metrics == {"wall_seconds"} | (set() if array else {"cpu_seconds", "peak_memory_bytes"})


def test_a_gigabyte_passes_through_a_small_job_on_kubernetes(jobs: KubernetesJobs, tmp_path: Path) -> None:
    """Its node ends a job that needs more memory than its limit."""
    source, stored = tmp_path / "large", tmp_path / "out"
    with source.open("wb") as file:
        file.truncate(1024**3)
    task = task_with_output('cp "$BATCH_JOB_INPUT_LARGE" "$BATCH_JOB_OUTPUT_F"', memory="100Mi")
    meta = jobs.connector.create(task, str(stored), {"large": File(str(source))}, idempotency_key="a-job")
    result = jobs.end(meta)
    assert result.phase == Phase.SUCCEEDED, result.message
    (copy,) = [path for path in stored.rglob("f") if path.is_file()]
    assert copy.stat().st_size == 1024**3
    copy.unlink()


def test_the_last_line_is_the_output_of_a_job_that_writes_none(jobs: KubernetesJobs) -> None:
    """The default job, too."""
    assert jobs.run(outputs={"o": "STRING"}).outputs == {"o": "output-from-a-job"}
    result = jobs.run(key="other", command=["sh", "-c", "echo a; echo b; echo c >&2"], outputs={"o": "STRING"})
    assert result.outputs == {"o": "b"}


@pytest.mark.parametrize(
    ("arguments", "phase", "message"),
    [
        (
            {"script": "echo why >&2; exit 3"},
            Phase.FAILED,
            "the job ended with exit code 3: why",
        ),
        (
            {"script": "exit 75", "retry_exit_codes": [75]},
            Phase.RETRYABLE_FAILED,
            "the job ended with exit code 75",
        ),
        (
            {"script": "sleep 60", "timeout_seconds": 1},
            Phase.FAILED,
            "the job exceeded its time limit of 1 s",
        ),
        (
            {"script": "python3 -c 'x = bytearray(10**9); input()' < /dev/zero", "memory": "64Mi"},
            Phase.FAILED,
            "the job exceeded its memory limit of 64Mi",
        ),
        (
            {"command": ["nosuch"]},
            Phase.FAILED,
            'the job can\'t be started: exec: "nosuch": executable file not found in $PATH',
        ),
        (
            {"script": "true", "outputs": {"n": "INTEGER"}},
            Phase.FAILED,
            "the job ended without its output 'n': write it to $BATCH_JOB_OUTPUTS",
        ),
        (
            {
                "script": 'head -c 5000 /dev/zero | tr "\\\\0" x > $BATCH_JOB_OUTPUTS',
                "outputs": {"n": "INTEGER"},
            },
            Phase.FAILED,
            TOO_LARGE,
        ),
    ],
)
def test_why_a_job_failed_is_said(jobs: KubernetesJobs, arguments: dict[str, Any], phase: Phase, message: str) -> None:
    """In one line, the limit named."""
    result = jobs.run(**arguments)
    assert (result.phase, result.message) == (phase, message)


def test_the_log_is_read_while_the_job_runs_and_after(jobs: KubernetesJobs) -> None:
    """Page by page, from where the last one ended."""
    meta = jobs.start("for i in 1 2 3; do echo $i; sleep 1; done; echo 4 >&2; seq 5 30000")
    jobs.until(meta, Phase.RUNNING)
    texts, token = wait_for(lambda: found if (found := jobs.page(meta))[0] else None, "the first line")
    assert texts[0] == "1"
    while token:
        more, token = jobs.page(meta, token, 1000)
        assert len(more) <= 1000
        texts += more
    assert texts == [str(number) for number in range(1, 30001)]
    assert jobs.log(meta) == texts


def test_a_cancelled_job_is_aborted_and_keeps_its_log(jobs: KubernetesJobs) -> None:
    """With the grace time for its first process; a replayed create does not revive it."""
    meta = jobs.start(FOREVER)
    wait_for(lambda: "begun" in jobs.page(meta)[0], "the job")
    jobs.connector.delete(meta)
    jobs.connector.delete(meta)
    assert jobs.end(meta).phase == Phase.ABORTED
    assert jobs.log(meta) == ["begun", "cancelled"]
    assert jobs.start(FOREVER) == meta
    assert jobs.connector.get(meta).phase == Phase.ABORTED
    assert len(jobs.pods()) == 1


def test_a_job_that_ignores_the_signal_is_killed(jobs: KubernetesJobs) -> None:
    """After the grace time."""
    meta = jobs.start('trap "" TERM; echo begun; while :; do sleep 0.1; done')
    wait_for(lambda: jobs.page(meta)[0], "the job")
    jobs.connector.delete(meta)
    assert jobs.connector.get(meta).message == "being cancelled"
    begun = time.monotonic()
    assert jobs.end(meta).phase == Phase.ABORTED
    assert 3 < time.monotonic() - begun < 15
    assert jobs.log(meta) == ["begun"]


def test_a_job_without_a_running_pod_is_cancelled_at_once(jobs: KubernetesJobs) -> None:
    """Here one that no node takes."""
    meta = jobs.start("true", memory="1000Gi")
    jobs.until(meta, Phase.WAITING_FOR_RESOURCES, "1 Insufficient memory")
    jobs.connector.delete(meta)
    assert jobs.end(meta).phase == Phase.ABORTED
    wait_for(lambda: not jobs.pods(), "its pod to go")


def test_a_job_that_has_ended_is_left_alone(jobs: KubernetesJobs) -> None:
    """Flyte deletes failed ones."""
    meta = jobs.start("exit 3")
    before = jobs.end(meta)
    jobs.connector.delete(meta)
    assert jobs.connector.get(meta) == before


def test_an_image_that_cannot_be_pulled_ends_its_job(jobs: KubernetesJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the operator's limit is over; before, the state says why."""
    meta = jobs.start("true", image="missing.example.org/x:1")
    jobs.until(meta, Phase.INITIALIZING, "no such host")
    monkeypatch.setenv("FLYTE_BATCH_JOB_KUBERNETES_PULL_SECONDS", "1")
    result = jobs.end(meta)
    assert result.phase == Phase.FAILED
    assert str(result.message).startswith("the image 'missing.example.org/x:1' can't be pulled: ")
    wait_for(lambda: not jobs.pods(), "its pod to go")
    assert jobs.connector.get(meta) == result


def test_a_job_is_kept_as_long_as_the_operator_says(jobs: KubernetesJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is lost, and never taken for a success."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_KUBERNETES_KEEP_SECONDS", "2")
    meta = jobs.start("true")
    assert jobs.end(meta).phase == Phase.SUCCEEDED
    wait_for(lambda: not jobs.cluster.jobs(jobs.namespace), "the Job to go")

    def is_gone() -> bool:
        try:
            jobs.connector.get(meta)
        except JobNotFoundError as error:
            return "'a-job' is gone" in error.message
        return False

    wait_for(is_gone, "the connector to notice")
    with pytest.raises(JobNotFoundError):
        jobs.connector.delete(meta)


def test_another_job_of_the_same_name_is_not_taken_for_the_first(jobs: KubernetesJobs) -> None:
    """It has another uid."""
    meta = jobs.start("true")
    jobs.end(meta)
    body = {"propagationPolicy": "Background"}
    jobs.cluster.send("DELETE", jobs.path("jobs", "a-job"), body)
    wait_for(lambda: not jobs.cluster.jobs(jobs.namespace), "the Job to go")
    other = jobs.start("sleep 1")
    assert other.handle != meta.handle
    with pytest.raises(JobNotFoundError):
        jobs.connector.get(meta)
    assert jobs.end(other).phase == Phase.SUCCEEDED


def test_an_evicted_pod_may_be_tried_again(jobs: KubernetesJobs) -> None:
    """Its node had too little of something; the job is not to blame."""
    meta = jobs.start("sleep 60")
    jobs.until(meta, Phase.RUNNING)
    (pod,) = jobs.pods()
    status = {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}
    path = jobs.path("pods", pod["metadata"]["name"]) + "/status"
    jobs.cluster.send("PATCH", path, {"status": status}, "application/merge-patch+json")
    result = jobs.end(meta)
    assert result.phase == Phase.RETRYABLE_FAILED
    assert result.message == "the cluster ended the job: Evicted low on memory"


def test_how_long_a_job_has_run_is_a_metric(jobs: KubernetesJobs) -> None:
    """From its begin to its end; there is none before."""
    meta = jobs.start("sleep 2", memory="1000Gi", key="waits")
    assert not jobs.connector.get_metrics(meta).results
    meta = jobs.start("sleep 2")
    jobs.end(meta)
    (result,) = jobs.connector.get_metrics(meta).results
    assert result.metric == "wall_seconds"
    (series,) = result.data["result"]
    assert 1 <= float(series["values"][0][1]) <= 4


def test_pages_about_a_job_are_linked(jobs: KubernetesJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that the operator names."""
    link = "Logs=https://logs.example.org/{namespace}/{job}"
    monkeypatch.setenv("FLYTE_BATCH_JOB_KUBERNETES_LINKS", link)
    meta = jobs.start("true")
    (shown,) = jobs.connector.get(meta).log_links
    assert (shown.name, shown.uri) == ("Logs", f"https://logs.example.org/{jobs.namespace}/a-job")


def test_an_interruptible_task_gets_the_operators_nodes(jobs: KubernetesJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """By their taint; without any it is refused."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_KUBERNETES_INTERRUPTIBLE_TOLERATIONS", "spot=true:NoSchedule")
    jobs.end(jobs.start("true", interruptible=True))
    tolerations = jobs.pods()[0]["spec"]["tolerations"]
    assert {
        "key": "spot",
        "operator": "Equal",
        "value": "true",
        "effect": "NoSchedule",
    } in tolerations
