"""A real job, from start to end, and through the death of the service that started it."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
COMMAND = [sys.executable, "-m", "flyte_connectors"]


def main() -> int:
    """Run the demo; returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="flyte-connectors-demo-") as folder:
        os.environ["FLYTE_CONNECTORS_STATE_DIR"] = f"{folder}/state"
        os.environ["FLYTE_BATCH_JOB_SPOOL"] = f"{folder}/spool"

        say("1. A connector service, in a process of its own, hosting the batch-job plugin")
        service, address = serve(port=0)
        try:
            say("2. A job, started, followed and fetched through gRPC: count words of the docs")
            check(run(address, pause=0.3).wait())

            say("3. A second job; in the middle of it, kill -9 for the service")
            client = run(address, pause=0.8)
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
        train = ROOT / "plugins" / "model_training" / "examples" / "train_digits.py"
        check(
            subprocess.run(
                [sys.executable, str(train)], cwd=folder, stdin=subprocess.DEVNULL, check=False
            ).returncode
        )
    say("Nothing was lost. What to try next:")
    print(
        "  flyte-connectors list                        what is installed\n"
        "  flyte-connectors serve                       your own service\n"
        "  flyte-connectors run docs/demo/word_count.py count_words --folder .\n"
        "                                               the same job without any service\n"
        "  docs/request-path.md                         how a request travels\n"
    )
    return 0


def say(text: str) -> None:
    """Announce the next step."""
    print(f"\n=== {text}", flush=True)


def serve(port: int) -> tuple[subprocess.Popen[str], str]:
    """A running service and its address."""
    service = subprocess.Popen(
        [*COMMAND, "serve", "--port", str(port), "--metrics-port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert service.stdout is not None
    line = service.stdout.readline()
    if not line:
        sys.exit("the service did not start")
    print(line, end="", flush=True)
    return service, line.split()[2]


def run(address: str, pause: float) -> subprocess.Popen[bytes]:
    """A client that runs the word count on the service and shows it."""
    task = [
        str(HERE / "word_count.py"),
        "count_words",
        "--folder",
        str(ROOT),
        "--pause",
        str(pause),
    ]
    return subprocess.Popen([*COMMAND, "run", "--endpoint", address, *task])


def check(code: int) -> None:
    """End the demo if a run has failed."""
    if code:
        sys.exit(f"the run failed with exit code {code}")


if __name__ == "__main__":
    sys.exit(main())
