"""A process as a reader's: `import flyte` and `import flytekit` resolve to this package, and nothing is registered yet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from flyte_connectors import install_as_flyte
from flyte_connectors._registry import table as registry_module
from flyte_connectors._registry.flyte_names import MODULES
from flyte_connectors._registry.table import Registry
from flyte_connectors.client import local
from flyte_connectors_official.flytekit_names.modules import MODULES as FLYTEKIT_MODULES

from tests.specification import pages


@pytest.fixture(autouse=True)
def _flyte_names() -> Iterator[None]:
    before = set(sys.modules)
    install_as_flyte()
    yield
    for name in (MODULES.keys() | FLYTEKIT_MODULES) - before:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """This process's registry, still empty; runs keep their files in the test's own folder."""
    monkeypatch.setenv("FLYTE_CONNECTORS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("FLYTE_CONNECTORS_SECRETS_DIR", str(tmp_path / "secrets"))
    monkeypatch.setenv("FLYTE_BATCH_JOB_SPOOL", str(tmp_path / "spool"))
    registry = Registry()
    monkeypatch.setattr(registry_module, "_process_registry", registry)
    local.local_client.cache_clear()
    return registry


@pytest.fixture
def load(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """`pages.module` under a name of the test's own."""
    name = f"page_of_{request.node.originalname}"
    monkeypatch.setitem(sys.modules, name, None)  # what was there comes back after the test
    return partial(pages.module, name)
