"""The BigQuery server of the tests: `local-bigquery`, in an environment of its own.

It needs Python 3.13 whatever Python runs the tests, so it lives in a virtual environment under the
user's cache folder that is made once (about 600 MB) and shared by all test sessions.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = "p1"
RELEASE = "0.3.2"
DUCKDB = "1.5.5"
EXTENSIONS = ("icu", "ducklake", "spatial")
START_SECONDS = 60.0


@dataclass(frozen=True)
class Emulator:
    """Where the running server listens, as URL and as HOST:PORT of the Storage API.

    Attributes:
        url: Of the REST API.
        storage_host: HOST:PORT of the Storage API.
        buckets: Folder with what is in Cloud Storage, `gs://bucket/path` at `bucket/path`.
    """

    url: str
    storage_host: str
    buckets: Path


@contextlib.contextmanager
def running() -> Iterator[Emulator]:
    """Start a server with an empty store; stop it at the end."""
    home = _installed()
    with (
        tempfile.TemporaryDirectory(prefix="local-bigquery-") as data,
        (Path(data) / "server.log").open("wb") as log,
        contextlib.ExitStack() as until_it_listens,
    ):
        port, grpc_port = (until_it_listens.enter_context(_reserved()) for _ in range(2))
        command = [
            *(str(home / "venv/bin/local-bigquery"), "serve", "--host", "127.0.0.1"),
            *("--port", str(port), "--grpc-port", str(grpc_port)),
            *("--project", PROJECT, "--data-dir", data),
        ]
        environment = {**os.environ, "HOME": str(home)}
        with subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server:
            try:
                _await_answer(server, f"http://127.0.0.1:{port}", log.name)
                until_it_listens.close()
                yield Emulator(f"http://127.0.0.1:{port}", f"127.0.0.1:{grpc_port}", Path(data) / "gcs")
            finally:
                server.terminate()


@contextlib.contextmanager
def _reserved() -> Iterator[int]:
    """A port that nobody else gets within this block, and that a server may listen on.

    Another test session that starts at the same time would else take it first.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def _await_answer(server: subprocess.Popen[bytes], url: str, log: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(f"{url}/bigquery/v2/projects", timeout=1).close()
            return
        time.sleep(0.05)
    message = f"local-bigquery does not answer at {url}:\n{Path(log).read_text()[-2000:]}"
    raise RuntimeError(message)


def _installed() -> Path:
    """The folder with the server's environment, which is also its HOME."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "flyte-connectors" / f"local-bigquery-{RELEASE}"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            _install(home)
            (home / "complete").touch()
    return home


def _install(home: Path) -> None:
    python = home / "venv/bin/python"
    subprocess.run([_python_3_13(), "-m", "venv", "--clear", str(home / "venv")], check=True)
    requirements = [f"local-bigquery=={RELEASE}", f"duckdb=={DUCKDB}"]
    requirements += [f"duckdb-extension-{name}=={DUCKDB}" for name in EXTENSIONS]
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *requirements], check=True)
    platform = subprocess.run(
        [str(python), "-c", "import duckdb; print(duckdb.sql('PRAGMA platform').fetchone()[0])"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    # DuckDB looks for extensions here before it tries to download them.
    extensions = home / ".duckdb/extensions" / f"v{DUCKDB}" / platform
    extensions.mkdir(parents=True, exist_ok=True)
    for extension in (home / "venv").rglob("*.duckdb_extension"):
        shutil.copy(extension, extensions)


def _python_3_13() -> str:
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [
        os.environ.get("LOCAL_BIGQUERY_PYTHON"),
        sys.executable if sys.version_info[:2] == (3, 13) else None,
        # Not `which` alone: pyenv's shims exist, and fail, for versions that are not selected.
        *sorted(str(path) for path in pyenv.glob("versions/3.13*/bin/python3.13")),
        shutil.which("python3.13"),
    ]
    for candidate in candidates:
        if candidate:
            return candidate
    message = "the emulator of BigQuery needs Python 3.13: install it, or name it in LOCAL_BIGQUERY_PYTHON"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
