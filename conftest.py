"""The order of all tests: those that take long begin first, or they would go on alone at the end."""

from __future__ import annotations

import itertools
import os

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deal the tests that have a time limit of their own to the workers, and let each begin with them.

    With `--dist worksteal`, a worker starts with a contiguous share of the tests.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if any(mark.name == "timeout" for mark in item.own_markers)]
    others = iter([item for item in items if not any(mark.name == "timeout" for mark in item.own_markers)])
    share = len(items) // workers
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        mine = long[worker::workers]
        ordered += [*mine, *itertools.islice(others, max(share - len(mine), 0))]
    items[:] = [*ordered, *others]
