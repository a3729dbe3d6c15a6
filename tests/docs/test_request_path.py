"""docs/request-path.md names the files that a request passes."""

from __future__ import annotations

import re

import pytest

from tests.docs.markdown import DOCS, ROOT

PAGE = (DOCS / "request-path.md").read_text()
SOURCE = ROOT / "core" / "src" / "flyte_connectors"
FILES = sorted(set(re.findall(r"\b_?[a-z]\w*(?:/\w+)*\.py\b", PAGE)) - {"plugins/x/connector.py"})


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_page_exists(name: str) -> None:
    """Where it says, or in one of the rooms if it stands below a room's name."""
    assert (SOURCE / name).is_file() or list(SOURCE.glob(f"*/{name}"))


def test_the_path_is_there() -> None:
    """The page is not empty of files."""
    assert {"_dispatch/dispatcher.py", "_calls/guard.py", "client/job_loop.py"} <= set(FILES)
