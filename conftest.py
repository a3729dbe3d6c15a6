"""The order of tests: those that take long begin first, or they would go on alone at the end.

A package with settings of pytest in its own `pyproject.toml` does not see this file.
"""

from __future__ import annotations

import itertools
import os

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deal the tests that take long to the workers, and let each begin with them.

    With `--dist worksteal`, a worker starts with a contiguous share of the tests.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if _is_long(item)]
    others = iter([item for item in items if not _is_long(item)])
    share = len(items) // workers
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        mine = long[worker::workers]
        ordered += [*mine, *itertools.islice(others, max(share - len(mine), 0))]
    items[:] = [*ordered, *others]


def _is_long(item: pytest.Item) -> bool:
    """Whether a test is marked so, or has a time limit of its own."""
    return any(mark.name in ("long", "timeout") for mark in item.own_markers)
