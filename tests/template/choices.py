"""The combinations of the template's choices that make different packages, and what each consists of."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

SWITCHES = ("logs", "metrics", "fake_service", "functions", "get_many")


@dataclasses.dataclass(frozen=True)
class Choices:
    """One combination."""

    connector: str
    client: str
    logs: bool
    metrics: bool
    fake_service: bool
    functions: bool = False
    get_many: bool = False

    def __str__(self) -> str:
        extras = [name for name in SWITCHES if getattr(self, name)]
        return "-".join((self.connector, self.client, *extras))

    @property
    def flags(self) -> list[str]:
        """The flags of `flyte-connectors new`."""
        switches = [
            f"--{'' if getattr(self, name) else 'no-'}{name.replace('_', '-')}"
            for name in SWITCHES
        ]
        return ["--connector", self.connector, "--client", self.client, *switches]

    @property
    def has_jobs(self) -> bool:
        """Whether there is an async connector."""
        return self.connector != "sync"

    @property
    def modules(self) -> set[str]:
        """Files of the package."""
        chosen = {
            "connector.py": True,
            "estimate.py": self.connector == "both",
            "functions.py": self.functions,
            "fake_service.py": self.fake_service,
            "vendor_sdk.py": self.client == "sdk",
        }
        always = {"__init__.py", "client.py", "config.py", "py.typed", "task.py"}
        return always | {name for name, is_chosen in chosen.items() if is_chosen}

    @property
    def tests(self) -> set[str]:
        """Files of its tests."""
        chosen = {
            "fake_service.py": not self.fake_service,
            "shouting.py": self.functions,
            "test_functions.py": self.functions,
            "test_get_many.py": self.get_many,
            "test_metrics.py": self.metrics,
        }
        always = {"conftest.py", "test_conformance.py", "test_task.py"}
        return always | {name for name, is_chosen in chosen.items() if is_chosen}

    @property
    def foreign_words(self) -> list[str]:
        """What only code of other choices holds."""
        words = {
            "job_id": self.has_jobs,
            "AsyncConnector": self.has_jobs,
            "SyncConnector": self.connector != "async",
            "stimate": self.connector != "async",
            "http.Client": self.client == "rest",
            "[http]": self.client == "rest",
            "await ": self.client == "rest",
            "vendor_sdk": self.client == "sdk",
            "urllib.request": self.client == "sdk",
            "LogLine": self.logs,
            "_log(": self.logs,
            "get_metrics": self.metrics,
            "usage": self.metrics,
            "get_many": self.get_many,
            "get_jobs": self.get_many,
            "jobs/list": self.get_many,
            "unctionTask": self.functions,
            "subprocess": self.functions,
        }
        return [word for word, is_chosen in words.items() if not is_chosen]


def every() -> Iterator[Choices]:
    """All combinations; all but the fake service belong to jobs, which sync connectors do not have."""
    for connector, client, *extras in itertools.product(
        ("async", "sync", "both"), ("rest", "sdk"), *[(True, False)] * len(SWITCHES)
    ):
        choices = Choices(connector, client, *extras)
        if choices.has_jobs or not (choices.logs or choices.metrics or choices.functions or choices.get_many):
            yield choices


COVERING = (
    Choices("async", "rest", True, True, True, functions=True),
    Choices("async", "sdk", False, False, False, functions=True),
    Choices("async", "rest", False, True, False, get_many=True),
    Choices("async", "sdk", True, False, True, get_many=True),
    Choices("both", "rest", True, False, False, functions=True, get_many=True),
    Choices("both", "sdk", False, True, True),
    Choices("sync", "rest", False, False, True),
    Choices("sync", "sdk", False, False, False),
)
"""A few in which each two choices that can meet do meet; `test_choices` holds that."""
