"""What had to be changed in the documents' code, and why; `docs/seeds.md` shows it as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Change(NamedTuple):
    """A part of a block that can't run as printed.

    Attributes:
        old: As printed.
        new: As it runs; `<name>` is put in by the test.
        why: The reason.
    """

    old: str
    new: str
    why: str


CHANGES: dict[str, tuple[Change, ...]] = {
    "connectors/3_usage": (
        Change(
            'endpoint="https://example-mltrain.com",',
            'endpoint="<endpoint>",',
            "the training service that runs in the test",
        ),
        Change(
            'return "gs://my-bucket/dataset.csv"',
            'return "<dataset>"',
            "a data set that exists",
        ),
    ),
    "connector_app/4_secret_task": (
        Change(
            "super().__init__(...)",
            """super().__init__(
            name=name,
            interface=NativeInterface(
                {k: (v, None) for k, v in inputs.items()} if inputs else {},
                outputs or {},
            ),
            task_type=self._TASK_TYPE,
            image=None,
            **kwargs,
        )""",
            "`...` stands for the arguments of step 2",
        ),
    ),
    "connector_app/5_secret_connector": (
        Change(
            "class BatchJobConnector(AsyncConnector):\n    ...",
            'class BatchJobConnector(AsyncConnector):\n    name = "Batch Job Connector"\n'
            '    task_type_name = "batch_job"\n    metadata_type = BatchJobMetadata\n\n'
            "    async def delete(self, resource_meta: BatchJobMetadata, **kwargs):\n"
            "        pass",
            "`...` stands for the rest of step 1",
        ),
        Change(
            "        # use api_key to authenticate against the external service\n        ...",
            '        job_id = await submit("<service>", api_key, inputs["name"])\n'
            "        return BatchJobMetadata(job_id=job_id, created_at=time.time())",
            "`...` stands for a service's client; the one in the test asks a real HTTP server",
        ),
        Change(
            "    ) -> Resource:\n        ...",
            "    ) -> Resource:\n"
            '        result = await fetch("<service>", api_key, resource_meta.job_id)\n'
            '        return Resource(phase=TaskExecution.SUCCEEDED, outputs={"result": result})',
            "as above",
        ),
    ),
}


def table(page: str, blocks: Iterable[str]) -> str:
    """The rows of `docs/seeds.md` for a page: each block, and what was changed in it."""
    rows = ["| block | printed | runs as | why |", "|---|---|---|---|"]
    for block in blocks:
        changes = CHANGES.get(f"{page}/{block}", ())
        rows += [f"| `{block}` | {_cell(change.old)} | {_cell(change.new)} | {change.why} |" for change in changes] or [
            f"| `{block}` | | as printed | |"
        ]
    return "\n".join(rows)


def _cell(code: str) -> str:
    """The first line, and how many follow."""
    first, *others = code.strip().splitlines() or [""]
    more = {0: "", 1: " and the next line"}.get(len(others), f" and {len(others)} more lines")
    return f"`{first}`{more}" if first else "nothing"
