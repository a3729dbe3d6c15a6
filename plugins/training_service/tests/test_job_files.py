"""What a job's directory promises to a reader and to the next worker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from flyte_connectors_training_service.job_files import (
    JobFiles,
    LogOffsetError,
    Outcome,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def files(tmp_path: Path) -> JobFiles:
    """An empty directory of a job."""
    files = JobFiles(tmp_path / "job")
    files.create()
    return files


def test_a_file_appears_when_it_is_whole(files: JobFiles) -> None:
    """A writer that fails half way leaves the former content."""
    files.model.write_bytes(b"before")

    def write_half() -> None:
        with files.replacing(files.model) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert files.model.read_bytes() == b"before"


def test_half_an_epoch_line_is_not_read(files: JobFiles) -> None:
    """A worker that died while it appended leaves whole epochs only."""
    files.append_epoch({"epoch": 1})
    with (files.directory / "metrics.jsonl").open("a") as file:
        file.write('{"epo')
    assert files.epochs() == [{"epoch": 1}]
    assert files.last_epoch() == {"epoch": 1}
    files.keep_epochs(1)
    files.append_epoch({"epoch": 2})
    assert files.epochs(after=1) == [{"epoch": 2}]


def test_a_new_job_has_no_epochs_and_no_outcome(files: JobFiles) -> None:
    """Everything can be asked before anything was written."""
    assert files.epochs() == []
    assert files.last_epoch() is None
    assert files.outcome() is None
    assert files.log_page(0).lines == []


def test_an_outcome_is_read_back(files: JobFiles) -> None:
    """Status and message."""
    files.write_outcome(Outcome("failed", "no column 'label'"))
    assert files.outcome() == Outcome("failed", "no column 'label'")


@given(lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r"))))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_pages_of_a_growing_log_give_each_line_once(files: JobFiles, lines: list[str]) -> None:
    """Reading from each page's end gives all lines in order, however the log grows."""
    files.log.write_bytes(b"")
    offset, seen = 0, []
    for line in lines:
        with files.log.open("ab") as log:
            log.write(f"{line}\n".encode())
        page = files.log_page(offset)
        seen += page.lines
        offset = page.next_offset
    assert seen == lines
    assert files.log_page(0).lines == lines[:1000]


def test_a_page_holds_a_thousand_lines(files: JobFiles) -> None:
    """A long log takes several pages."""
    files.log.write_text("".join(f"{number}\n" for number in range(2500)))
    first = files.log_page(0)
    assert (len(first.lines), first.at_end) == (1000, False)
    last = files.log_page(files.log_page(first.next_offset).next_offset)
    assert (last.lines[-1], last.at_end) == ("2499", True)


@pytest.mark.parametrize("offset", [-1, 5])
def test_an_offset_outside_of_the_log_is_refused(files: JobFiles, offset: int) -> None:
    """The text names the range."""
    files.log.write_text("one\n")
    with pytest.raises(LogOffsetError, match=f"from 0 to 4, got {offset}"):
        files.log_page(offset)


def test_an_unfinished_line_waits_for_its_end(files: JobFiles) -> None:
    """The page stops before it."""
    files.log.write_text("one\ntw")
    page = files.log_page(0)
    assert (page.lines, page.next_offset) == (["one"], 4)


def test_metrics_are_json_lines(files: JobFiles) -> None:
    """Other programs can read them."""
    files.append_epoch({"epoch": 1, "loss": 0.5})
    assert json.loads((files.directory / "metrics.jsonl").read_text()) == {"epoch": 1, "loss": 0.5}
