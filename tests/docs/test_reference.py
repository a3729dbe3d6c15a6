"""The reference of what the core exports."""

from __future__ import annotations

import re

import flyte_connectors
import flyte_connectors.authoring
import flyte_connectors.http
import pytest

from tests.docs.markdown import DOCS

ELSEWHERE = {
    *("HOOK_API", "hookimpl", "logger"),  # hooks.md
    *("ConnectorEnvironment", "Image", "ImageBuildEngine", "deploy"),  # the plugin deploy
    *("ConnectorShimExecutor", "ExecutableTemplateShimTask", "PythonCustomizedContainerTask"),
    *("ShimTaskExecutor", "TaskPlugins", "TaskTemplateResolver"),  # seeds.md
    *("TaskContext", "report", "task_context"),  # functions.md
}
TEXT = (DOCS / "reference.rst").read_text()


@pytest.mark.parametrize("name", sorted(set(flyte_connectors.__all__) - ELSEWHERE))
def test_the_reference_has_each_name_of_the_root(name: str) -> None:
    """By itself."""
    assert re.search(rf"^\.\. (auto|py:)\w+:: {name}\b", TEXT, re.MULTILINE)


@pytest.mark.parametrize("module", ["errors", "authoring", "http", "secrets", "settings"])
def test_the_reference_has_the_other_public_modules(module: str) -> None:
    """Each as a whole."""
    assert f".. automodule:: flyte_connectors.{module}\n   :members:" in TEXT
