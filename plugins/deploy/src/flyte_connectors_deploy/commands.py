"""Run the programs that build and apply, with their progress on standard error."""

from __future__ import annotations

import asyncio
import collections
import re
import shutil
import sys
from collections.abc import Mapping, Sequence

from flyte_connectors.errors import ConnectorError

_REMEMBERED = 40  # lines
_DECORATION = re.compile(r"[^\x00-\x7f]")  # trees that uv draws around its reasons


class CommandError(ConnectorError):
    """A program is missing or has failed; the message has the end of its output."""


def require(program: str, remedy: str) -> str:
    """The path of `program`.

    Raises:
        CommandError: it is not installed; the text says how to install it.
    """
    path = shutil.which(program)
    if path is None:
        raise CommandError(f"{program} is not installed: {remedy}")
    return path


async def run_command(
    command: Sequence[str],
    *,
    what: str,
    stdin: str | None = None,
    variables: Mapping[str, str] | None = None,
    show: bool = False,
) -> str:
    """Run `command` and return its standard output; its standard error is shown as it comes.

    Args:
        command: Program and arguments.
        what: What it does, for the error.
        stdin: Text for its standard input.
        variables: Its whole environment; that of this process by default.
        show: Whether its standard output is shown, too, instead of being returned.

    Raises:
        CommandError: it has failed.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT if show else asyncio.subprocess.PIPE,
        env=variables,
        limit=2**20,
    )
    try:
        output, said, _ = await asyncio.gather(
            _read(None if show else process.stdout),
            _show(process.stdout if show else process.stderr),
            _write(process.stdin, stdin),
        )
        code = await process.wait()
    except BaseException:
        if process.returncode is None:
            process.terminate()
            await process.wait()
        raise
    if code:
        raise CommandError(f"{what} failed: {_reason(said) or f'exit code {code}'}")
    return output


async def _read(stream: asyncio.StreamReader | None) -> str:
    return (await stream.read()).decode(errors="replace") if stream else ""


async def _show(stream: asyncio.StreamReader | None) -> Sequence[str]:
    said: collections.deque[str] = collections.deque(maxlen=_REMEMBERED)
    while stream and (line := await stream.readline()):
        text = line.decode(errors="replace").rstrip()
        print(text, file=sys.stderr)  # noqa: T201  (the progress that people wait for)
        said.append(text)
    return said


async def _write(stream: asyncio.StreamWriter | None, text: str | None) -> None:
    if stream and text is not None:
        stream.write(text.encode())
        await stream.drain()
        stream.close()


def _reason(said: Sequence[str]) -> str:
    """The last error among the lines of a program, and what follows it."""
    lines = [_DECORATION.sub("", line).strip() for line in said if line.strip()]
    starts = [at for at, line in enumerate(lines) if "rror" in line or "No solution" in line]
    return " ".join(lines[starts[-1] :] if starts else lines[-1:])
