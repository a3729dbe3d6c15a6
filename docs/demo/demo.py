"""A minute with real jobs: served, followed, kept through the death of their service, and seen in a browser."""

from __future__ import annotations

import contextlib
import os
import pathlib
import queue
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
COMMAND = [sys.executable, "-m", "flyte_connectors"]
DIGITS = ROOT / "plugins" / "model_training" / "examples" / "train_digits.py"
LONGEST_SILENCE = 1.8  # seconds


def main() -> int:
    """Run the demo; returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="flyte-connectors-demo-") as folder:
        os.environ["FLYTE_CONNECTORS_STATE_DIR"] = f"{folder}/state"
        os.environ["FLYTE_BATCH_JOB_SPOOL"] = f"{folder}/spool"
        tell(pathlib.Path(folder))
    say("Nothing was lost. What to try next:")
    command = shlex.join(executable())
    print(
        f"  {command} list        what is installed\n"
        f"  {command} serve --console\n"
        "                          your own service, with its pages\n"
        f"  {command} run {HERE / 'word_count.py'} count_words --folder {ROOT}\n"
        "                          the same job without any service\n"
        f"  {ROOT / 'docs' / 'write-workflows.md'}\n"
        "                          how to write tasks\n"
    )
    return 0


def tell(folder: pathlib.Path) -> None:
    """The story; its files are in `folder`."""
    say("1. A connector service, in a separate process, with the plugins that are installed")
    training_port = free_port()
    os.environ["FLYTE_CONNECTORS_ALLOWED_ENDPOINTS"] = f"http://127.0.0.1:{training_port}"
    service = Service()
    try:
        say("2. A job, started, followed and fetched through gRPC: count words of the docs")
        check(count_words(service, pause=0.2).wait())

        say("3. A second job; in the middle of it, kill -9 for the service")
        client = count_words(service, pause=0.3)
        while len([*folder.glob("state/runs/*/a0.json")]) < 2:  # noqa: PLR2004  (the second run's)
            time.sleep(0.1)
        time.sleep(1)
        service.kill()
        print("*** the service is dead; the job is not ***", flush=True)
        time.sleep(1)
        service.start()
        check(client.wait())

        say("4. A Python function as jobs, one for each page: the longest word of the docs")
        pages = ("--folder", str(ROOT / "docs"))
        check(Run(HERE / "longest_words.py", "longest_word", *pages, on=service).wait())

        say("5. A model: digits, 30 epochs. Its curve grows on the page whose link comes now")
        with training_service(folder / "training", training_port) as url:
            check(Run(DIGITS, "train_model", "--service", url, on=service, cwd=folder).wait())
            if sys.stdin.isatty():
                input("Press Enter to stop the services and their pages. ")

        if os.environ.get("BIGQUERY_EMULATOR_HOST"):
            say("6. A query, on the emulator of BigQuery that is there")
            check(Run(HERE / "a_query.py", "squares", on=service).wait())
    finally:
        service.stop()


def say(text: str) -> None:
    """Announce the next step."""
    print(f"\n=== {text}", flush=True)


class Service:
    """The connector service of the demo, with its console.

    Attributes:
        address: Where it listens; the same after a restart.
    """

    def __init__(self) -> None:
        self.address = "127.0.0.1:0"
        self._http_port = free_port()
        self.start()

    def start(self) -> None:
        """Start it, again at the address that it had."""
        port = self.address.rpartition(":")[2]
        pages = f"http://127.0.0.1:{self._http_port}/console"
        ports = ("--port", port, "--metrics-port", str(self._http_port))
        self._process = start(*COMMAND, "serve", *ports, "--console", "--console-url", pages)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit("the service did not start")
        print(line, end="", flush=True)
        self.address = line.split()[2]

    def kill(self) -> None:
        """Kill it, as a crash or the kernel would."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Let it end."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()


@contextlib.contextmanager
def training_service(folder: pathlib.Path, port: int) -> Iterator[str]:
    """A running training service; its URL."""
    module = "flyte_connectors_training_service"
    options = ("--data-dir", str(folder), "--port", str(port))
    service = start(sys.executable, "-m", module, "serve", *options)
    try:
        assert service.stdout is not None
        yield service.stdout.readline().split()[-1]
    finally:
        service.terminate()
        service.wait()


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def start(*command: str) -> subprocess.Popen[str]:
    """A process whose standard output is read here."""
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


class Run:
    """A task that runs, and shows what it says, or that it still runs when it says nothing.

    On a terminal the command does that by itself.
    """

    def __init__(self, *arguments: object, on: Service, cwd: pathlib.Path | None = None) -> None:
        is_terminal = sys.stderr.isatty()
        self._process = subprocess.Popen(
            [*COMMAND, "run", "--endpoint", on.address, *map(str, arguments)],
            text=True,
            cwd=cwd,
            stdout=None if is_terminal else subprocess.PIPE,
            stderr=None if is_terminal else subprocess.STDOUT,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._threads = [threading.Thread(target=run) for run in (self._read, self._show)]
        for thread in self._threads if not is_terminal else ():
            thread.start()

    def wait(self) -> int:
        """The exit code, once all is shown."""
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        return self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def _show(self) -> None:
        began = time.monotonic()
        while True:
            try:
                line = self._lines.get(timeout=LONGEST_SILENCE)
            except queue.Empty:
                line = f"... still running after {time.monotonic() - began:.0f} s\n"
            if not line:
                return
            print(line, end="", flush=True)


def count_words(service: Service, pause: float) -> Run:
    """A client that runs the word count on the service."""
    inputs = ("--folder", ROOT, "--pause", pause)
    return Run(HERE / "word_count.py", "count_words", *inputs, on=service)


def executable() -> list[str]:
    """The command as a reader can type it, wherever they stand."""
    script = pathlib.Path(sys.executable).with_name("flyte-connectors")
    return [str(script)] if script.exists() else COMMAND


def check(code: int) -> None:
    """End the demo if a run has failed."""
    if code:
        sys.exit(f"the run failed with exit code {code}")


if __name__ == "__main__":
    sys.exit(main())
