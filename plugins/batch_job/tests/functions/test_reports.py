"""What functions report while they run."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from batch_jobs import wait_for
from etl import jobs as etl
from flyte_connectors import report, task_context
from flyte_connectors.connector import Phase
from flyte_connectors_functions import reports
from flyte_connectors_functions.call import REPORT
from hypothesis import given
from hypothesis import strategies as st

from flyte_connectors_batch_job import BatchJobMetadata

if TYPE_CHECKING:
    from batch_jobs import Jobs


def job_of(jobs: Jobs) -> BatchJobMetadata:
    """The only job of the spool."""
    (folder,) = [path for path in Path(jobs.spool.root).glob("[!.]*") if path.is_dir()]
    return BatchJobMetadata(folder.name, is_function=True)


def test_progress_and_metrics_can_be_read(jobs: Jobs) -> None:
    """By `get` and by `get_metrics`; messages are in the log, too."""
    assert etl.reported(4) == 4
    meta = job_of(jobs)
    resource = jobs.connector.get(meta)
    assert resource.phase is Phase.SUCCEEDED
    details: Any = resource.custom_info
    assert details == {"progress": 1.0, "text": "finished", "metrics": {"loss": 0.25}}
    response = jobs.connector.get_metrics(meta, queries=["loss"])
    (series,) = response.results[0].data["result"]
    assert [float(value) for _, value in series["values"]] == [1.0, 0.5, 1 / 3, 0.25]
    assert jobs.all_logs(meta) == ["finished"]


def test_a_running_job_says_how_far_it_is(jobs: Jobs, tmp_path: Path) -> None:
    """In its message."""
    gate = tmp_path / "gate"
    runner = threading.Thread(target=etl.waiting, args=(str(gate),))
    runner.start()
    try:
        wait_for(lambda: list(Path(jobs.spool.root).glob(f"[!.]*/job/{REPORT}")))
        assert wait_for(lambda: jobs.connector.get(job_of(jobs)).message) == "50%, waiting"
    finally:
        gate.touch()
        runner.join()


def test_outside_of_a_job_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Functions can be called as they are."""
    monkeypatch.chdir(tmp_path)
    report.progress(0.5)
    report.metric("loss", float("nan"))
    report.message("two\nlines")
    assert capsys.readouterr().out == "two lines\n"
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []
    with pytest.raises(RuntimeError, match="for functions that run as a job"):
        task_context()
    with pytest.raises(ValueError, match="a progress is from 0 to 1, not 2"):
        report.progress(2)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["at", "progress", "text", "metric", "value"]), inner)
    ),
    max_leaves=8,
)


@given(st.lists(JSON.map(lambda value: json.dumps(value).encode()) | st.binary()))
def test_whatever_a_job_writes_is_read(lines: list[bytes]) -> None:
    """A function's own file can't break the service."""
    found = reports.read(b"\n".join(lines) + b"\n")
    assert found.progress is None or 0 <= found.progress <= 1
    assert "\n" not in found.text
