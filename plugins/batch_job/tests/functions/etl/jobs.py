"""Functions that run as jobs."""

from __future__ import annotations

import asyncio
import atexit
import dataclasses
import datetime as dt
import enum
import importlib
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

from flyte_connectors import DataFrame, Dir, File, TaskEnvironment, report, task_context
from flyte_connectors.errors import ServiceUnavailableError
from pydantic import BaseModel

from etl.rows import parsed
from flyte_connectors_batch_job import BatchJobConfig

env = TaskEnvironment("etl", plugin_config=BatchJobConfig(timeout_seconds=60))


class Color(enum.Enum):
    """A choice."""

    RED = "red"


@dataclasses.dataclass
class Point:
    """A dataclass."""

    x: int
    names: list[str]


class Order(BaseModel):
    """A model."""

    item: str
    at: dt.datetime
    total: float | None = None


class Summary(NamedTuple):
    """Outputs with names."""

    rows: int
    text: str


@env.task
def everything(  # noqa: PLR0913, PLR0917  (a parameter for each kind of type)
    whole: int,
    number: float,
    text: str,
    on: bool,
    raw: bytes,
    at: dt.datetime,
    long: dt.timedelta,
    color: Color,
    point: Point,
    order: Order,
    many: list[Point],
    table: dict[str, list[int]],
    either: int | str,
    maybe: Point | None,
    anything: dict,  # type: ignore[type-arg]
) -> tuple[
    int, float, str, bool, bytes, dt.datetime, dt.timedelta, Color, Point, Order, list[Point],
    dict[str, list[int]], int | str, Point | None, dict,  # type: ignore[type-arg]
]:  # fmt: skip
    """Return what came."""
    assert isinstance(order, Order)
    assert isinstance(many[0], Point)
    return (
        whole, number, text, on, raw, at, long, color, point, order, many, table, either, maybe, anything
    )  # fmt: skip


@env.task
def clean(rows: File, factor: float = 1.0) -> tuple[File, int]:
    """A file in, and a file out."""
    with rows.open_sync("r") as file:
        text = file.read()
    Path("clean.txt").write_text(text.upper())
    return File("clean.txt"), int(len(text) * factor)


@env.task
def split(files: list[File], folder: Dir) -> tuple[Dir, dict[str, File], File | None]:
    """Containers of files, and a folder."""
    Path("out").mkdir()
    for file in [*files, *folder.list_files_sync()]:
        with file.open_sync("r") as opened:
            (Path("out") / str(file.name)).write_text(opened.read())
    return Dir("out"), {"first": File(f"out/{files[0].name}")}, None


@env.task
async def doubled(n: int, seconds: float = 0.0) -> int:
    """An async function."""
    await asyncio.sleep(seconds)
    return 2 * n


@env.task
def summarized(text: str) -> Summary:
    """Outputs by name; one line of stdout looks like them."""
    print('{"rows": 99, "text": "stdout"}')  # noqa: T201
    return Summary(text.count("\n"), text)


@env.task
def total(rows: list[str]) -> int:
    """Fails in another module."""
    return sum(parsed(row) for row in rows)


@env.task
def nothing() -> None:
    """No inputs and no outputs."""


@env.task
def mistyped() -> int:
    """Returns what it does not declare."""
    return "seven"  # type: ignore[return-value]


@env.task
def exits() -> int:
    """Ends the interpreter."""
    sys.exit("over")


@env.task(retries=1)
def second_time(marks: str) -> int:
    """Fails once in a way that may pass."""
    attempt = task_context().attempt
    (Path(marks) / str(attempt)).touch()
    if attempt == 0:
        raise ServiceUnavailableError("the database is restarting")
    return attempt


@env.task
def packaged() -> str:
    """A file of the package, and where the code is."""
    return (Path(__file__).parent / "greeting.txt").read_text().strip()


@env.task
def nested(n: int) -> int:
    """Calls another task, which runs in the same process."""
    return asyncio.run(_quadrupled(n))


async def _quadrupled(n: int) -> int:
    first, second = await asyncio.gather(doubled(n), doubled(n))  # type: ignore[misc]
    return int(first + second)


@env.task
def where() -> list[str]:
    """The context."""
    context = task_context()
    return [context.task, context.run, context.output_prefix, str(context.attempt), context.job_id]


@env.task
def reported(steps: int) -> int:
    """Says how far it is."""
    for step in range(steps):
        report.metric("loss", 1 / (step + 1))
        report.progress((step + 1) / steps, f"step {step + 1}")
    report.message("finished")
    return steps


@env.task
def waiting(gate: str) -> None:
    """Is half done until a file is there."""
    report.progress(0.5, "waiting")
    while not Path(gate).exists():
        time.sleep(0.01)


@dataclasses.dataclass
class Stored:
    """A dataclass with a file."""

    file: File


@env.task
def hidden() -> list[Stored]:
    """Returns a file where no one looks for it."""
    Path("x.txt").touch()
    return [Stored(File("x.txt"))]


@env.task
def table(rows: int) -> DataFrame:
    """A table."""
    import pandas as pd

    return DataFrame.from_local_sync(pd.DataFrame({"n": range(rows)}))


@env.task
def summed(rows: DataFrame) -> int:
    """A table in."""
    import pandas as pd

    return int(rows.open(pd.DataFrame).all_sync()["n"].sum())


@env.task
def copied(file: File) -> File:
    """A large file, in pieces."""
    with file.open_sync() as source, Path("copy.bin").open("wb") as target:
        while piece := source.read(1024 * 1024):
            target.write(piece)
    return File("copy.bin")


@env.task
def noisy() -> None:
    """Fails, and has more to say when the interpreter ends."""
    atexit.register(print, "saved the cache", file=sys.stderr)
    raise RuntimeError("out of rows")


@env.task(retries=1)
def marked(marks: str, gate: str) -> int:
    """Leave a line with its process and attempt, and wait."""
    attempt = task_context().attempt
    with Path(marks).open("a") as file:
        file.write(f"{os.getpid()} {attempt}\n")
    while not Path(gate).exists():
        time.sleep(0.01)
    return attempt


@env.task
def where_is(module: str) -> str:
    """The file of a module."""
    return str(importlib.import_module(module).__file__)


@env.task
def telling(variable: str) -> int:
    """Tells a secret to whoever listens, and fails with it."""
    secret = os.environ[variable]
    report.message(f"it is {secret}")
    print(f"stdout {secret}", "x" * 20_000 + secret, flush=True)  # noqa: T201
    print(f"stderr {secret}", file=sys.stderr, flush=True)  # noqa: T201
    raise ValueError(secret)
