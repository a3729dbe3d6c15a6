"""docs/errors.md lists every error as the code has it."""

from __future__ import annotations

import inspect
import re

import pytest
from flyte_connectors import errors
from flyte_connectors._calls.retries import SHARE

from tests.docs.markdown import DOCS, ROOT, sections, tables
from tests.docs.test_feature_tables import tests_of_plugins

__all__ = ["tests_of_plugins"]  # a fixture

PAGE = DOCS / "errors.md"
CLASSES = {
    name: cls for name, cls in vars(errors).items() if inspect.isclass(cls) and issubclass(cls, errors.ConnectorError)
}
ROWS = {row["class"]: row for row in tables(PAGE.read_text())[0]}


def test_every_error_is_listed() -> None:
    """In the order of the code."""
    assert ["ConnectorError", *ROWS] == list(CLASSES)


@pytest.mark.parametrize("name", ROWS)
def test_an_error_has_its_code(name: str) -> None:
    """And is worth trying again or not."""
    assert ROWS[name]["gRPC status"] == CLASSES[name].code
    assert ROWS[name]["retry"] == ("yes" if CLASSES[name].retryable else "no")


def test_the_other_errors_are_listed() -> None:
    """Every class of an error that is defined elsewhere, with its base."""
    defined = {
        name: base
        for package in ("core", "plugins/deploy", "plugins/official")
        for file in (ROOT / package / "src").rglob("[!_]*.py")
        for name, base in re.findall(r"^class ([A-Z]\w*Error)\((?:\w+\.)*(\w+)", file.read_text(), re.MULTILINE)
    }
    others = tables(sections(PAGE)["Other errors"])[0]
    listed = {row["class"]: row["base"] for row in others}
    assert listed == {n: base for n, base in defined.items() if n not in CLASSES}


def test_the_share_of_the_callers_time_is_right() -> None:
    """The page says for how much of it calls are tried again."""
    assert f"{SHARE} of the caller's time" in PAGE.read_text()


@pytest.mark.parametrize("place", ["Kubernetes", "Slurm", "the service's machine"])
def test_each_fault_of_a_batch_job_is_provoked_by_a_test(place: str, tests_of_plugins: dict[str, bool]) -> None:
    """One at least, which the row names."""
    (rows,) = tables(sections(PAGE)[f"Batch jobs on {place}"])
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"test_\w+", row["test"])
        assert named, row
        assert all(tests_of_plugins.get(name) for name in named), row
