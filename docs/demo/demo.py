"""Real jobs, from start to end, and through the death of the service that started one."""

from __future__ import annotations

import contextlib
import os
import pathlib
import queue
import shlex
import signal
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

        say("1. A connector service, in a separate process, hosting the batch-job plugin")
        service, address = serve(port=0)
        try:
            say("2. A job, started, followed and fetched through gRPC: count words of the docs")
            check(count_words(address, pause=0.3).wait())

            say("3. A second job; in the middle of it, kill -9 for the service")
            client = count_words(address, pause=0.8)
            time.sleep(2)
            service.kill()
            service.wait()
            print(
                f"*** the service (process {service.pid}) is dead; the job is not ***", flush=True
            )
            time.sleep(1)
            service, address = serve(port=int(address.rpartition(":")[2]))
            check(client.wait())
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait()

        say("4. A model, trained by a real training service: digits, 30 epochs")
        with training_service(f"{folder}/training") as url:
            check(Run(DIGITS, "train_model", "--service", url, cwd=folder).wait())
            if sys.stdin.isatty():
                input("Press Enter to stop the training service and its dashboard. ")
    say("Nothing was lost. What to try next:")
    command = shlex.join(executable())
    print(
        f"  {command} list        what is installed\n"
        f"  {command} serve       your own service\n"
        f"  {command} run {HERE / 'word_count.py'} count_words --folder {ROOT}\n"
        "                          the same job without any service\n"
        f"  {ROOT / 'docs' / 'request-path.md'}\n"
        "                          how a request travels\n"
    )
    return 0


def say(text: str) -> None:
    """Announce the next step."""
    print(f"\n=== {text}", flush=True)


def serve(port: int) -> tuple[subprocess.Popen[str], str]:
    """A running service and its address."""
    service = start(*COMMAND, "serve", "--port", str(port), "--metrics-port", "0")
    assert service.stdout is not None
    line = service.stdout.readline()
    if not line:
        sys.exit("the service did not start")
    print(line, end="", flush=True)
    return service, line.split()[2]


@contextlib.contextmanager
def training_service(folder: str) -> Iterator[str]:
    """A running training service; its URL."""
    module = "flyte_connectors_training_service"
    service = start(sys.executable, "-m", module, "serve", "--data-dir", folder, "--port", "0")
    try:
        assert service.stdout is not None
        yield service.stdout.readline().split()[-1]
    finally:
        service.terminate()
        service.wait()


def start(*command: str) -> subprocess.Popen[str]:
    """A process whose standard output is read here."""
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


class Run:
    """A task that runs, and shows what it says, or that it still runs when it says nothing.

    On a terminal the command does that by itself.
    """

    def __init__(self, *arguments: object, cwd: str | None = None) -> None:
        is_terminal = sys.stderr.isatty()
        self._process = subprocess.Popen(
            [*COMMAND, "run", *map(str, arguments)],
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


def count_words(address: str, pause: float) -> Run:
    """A client that runs the word count on the service."""
    inputs = ("--folder", ROOT, "--pause", pause)
    return Run("--endpoint", address, HERE / "word_count.py", "count_words", *inputs)


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
