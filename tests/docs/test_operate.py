"""What docs/operate.md asks an operator to copy fits the code."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest
import yaml
from flyte_connectors._calls import deadlines
from flyte_connectors._calls.context import CallContext, current
from flyte_connectors._dispatch import creates, idempotency, large_outputs
from flyte_connectors._registry.discovery import load_plugins
from flyte_connectors._registry.table import Registry
from flyte_connectors.service import log_batches
from flyte_connectors.service.log_format import JsonFormatter
from flyte_connectors.service.settings import ServiceSettings

from tests.docs.markdown import DOCS, ROOT, blocks, sections, tables

PAGE = DOCS / "operate.md"
READMES = [path for path in sorted((ROOT / "plugins").glob("*/README.md")) if "supportedTaskTypes" in path.read_text()]


def routing(page: Path) -> dict[str, dict]:
    """The back end's configuration that a page shows, as it would be read; see test_routing.py for tenants'."""
    (shown,) = [
        yaml.safe_load(block.code)
        for block in blocks(page)
        if "supportedTaskTypes" in block.code and not block.code.startswith("# tenants.yaml")
    ]
    assert isinstance(shown, dict)
    return shown


def task_types(package: str = "") -> set[str]:
    """The task types that plugins of this repository serve."""
    return {
        bound.category.name
        for report in load_plugins(Registry())
        for bound in report.connectors
        if report.distribution.replace("-", "_").startswith(f"flyte_connectors_{package}")
    }


@pytest.mark.parametrize("page", [PAGE, *READMES], ids=lambda page: page.parent.name)
def test_routing_covers_what_the_plugins_serve(page: Path) -> None:
    """In all three places, and every connector that it routes to has an endpoint."""
    shown = routing(page)
    served = task_types("" if page == PAGE else page.parent.name)
    service = shown["plugins"]["connector-service"]
    assert set(service["supportedTaskTypes"]) == served
    assert set(service["connectorForTaskTypes"]) == served
    assert set(service["connectorForTaskTypes"].values()) == set(service["connectors"])
    defaults = shown["tasks"]["task-plugins"]["default-for-task-types"]
    assert defaults == dict.fromkeys(served, "connector-service")


def test_alerts_ask_for_metrics_that_exist() -> None:
    """With values of labels that exist."""
    page = (DOCS / "metrics.md").read_text()
    metrics = {row["metric"] for row in tables(page)[0]}
    expressions = re.findall(r"expr: (.*)", sections(PAGE)["Alerts"])
    assert expressions
    for expression in expressions:
        (name,) = re.findall(r"\b(flyte_connectors_\w+)", expression)
        assert name.removesuffix("_bucket") in metrics
        for value in re.findall(r'="(\w+)"', expression):
            assert value in page + (DOCS / "errors.md").read_text()


def test_a_log_line_has_the_fields_shown() -> None:
    """Within a call, as JSON."""
    (shown,) = [block.code for block in blocks(PAGE) if block.language == "json"]
    token = current.set(CallContext("create", "batch_job", "r1-a0-0"))
    try:
        line = JsonFormatter().format(logging.makeLogRecord({"msg": "hello"}))
    finally:
        current.reset(token)
    assert list(json.loads(line)) == list(json.loads(shown))


def test_limits_are_those_of_the_code() -> None:
    """In the order of the table."""
    usual = ServiceSettings()
    kib, mib = 1024, 1024**2
    assert [row["limit"] for row in tables(sections(PAGE)["Limits"])[0]] == [
        f"`--max-message-bytes`, {usual.max_message_bytes // mib} MiB",
        f"{large_outputs.LARGEST_IN_REPLY // mib} MiB (the back end reads 4)",
        f"{large_outputs.LARGEST_IN_META // kib} KiB",
        f"{creates.LARGEST_REQUEST // kib} KiB",
        f"{log_batches.HARD_LIMIT // mib} MiB",
        f"{idempotency.MAX_LENGTH} characters, `[a-z0-9-]`",
        f"{deadlines.RESOLUTION * 1000:.0f} ms",
        f"`--threads` {usual.threads}, `--backlog` {usual.backlog}",
    ]
