"""What the command `doctor` knows of variables is what the documentation lists."""

from __future__ import annotations

from flyte_connectors_doctor.checks.settings import OTHER_VARIABLES

from tests.docs.markdown import DOCS, sections, tables


def test_the_core_reads_the_variables_that_are_listed() -> None:
    """Others with the prefix are reported as unused."""
    rows = tables(sections(DOCS / "configuration.md")["Environment variables"])[0]
    listed = {row["variable"] for row in rows}
    assert {name for name in listed if name.startswith("FLYTE_CONNECTORS_")} == OTHER_VARIABLES
