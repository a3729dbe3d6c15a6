"""No process of a job outlives what is told about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hostile_trees import ENDS, TREES, run

from flyte_connectors_batch_job.backends.local import job as states

if TYPE_CHECKING:
    from flyte_connectors_batch_job.backends.local.spool import Spool


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("tree", TREES)
def test_no_process_is_alive_when_the_end_is_told(spool: Spool, tree: str, end: str) -> None:
    """However its processes hide, and whatever ends it."""
    state, left = run(spool, tree, end, f"token-{abs(hash((tree, end)))}-x")
    assert state in states.ENDED
    assert left == 0
