"""An installation that is in order, and what is printed about it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

from conftest import Installation
from test_planted_faults import BACKEND


def test_what_is_in_order_fits_one_screen(installation: Installation) -> None:
    """A line for each check; the exit code is 0."""
    cert, key = installation.certificate()
    config = f"tls-cert = '{cert}'\ntls-key = '{key}'\n[plugins.batch-job]\nslots = 3\n"
    values = BACKEND.replace("insecure: true, ", "")
    done = installation.doctor(
        *("--config", installation.write("service.toml", config)),
        *("--storage", str(installation.folder / "out")),
        *("--backend", installation.write("values.yaml", values)),
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout
    assert [line.split()[1] for line in lines[:-1]] == [
        *("plugins", "settings", "certificates", "storage", "connections", "back"),
    ]
    assert all(line.startswith("ok ") for line in lines[:-1])
    assert lines[-1] == "0 faults, 0 warnings"
    assert max(map(len, lines)) < 140
    assert not list((installation.folder / "out").iterdir())


def test_each_thing_that_is_in_order_is_listed_if_wanted(installation: Installation) -> None:
    """With what was found."""
    done = installation.doctor("--verbose")
    spool = re.escape(str(installation.folder / "spool"))
    assert re.search(
        rf"^ok +connections +Batch Job Connector: spool {spool}, \d+ slots",
        done.stdout,
        re.MULTILINE,
    )


def test_programs_get_json(installation: Installation) -> None:
    """All of it, with one flag that says whether there is a fault."""
    told = json.loads(installation.doctor("--json").stdout)
    assert told["ok"] is True
    assert {"check", "status", "subject", "text", "fix"} == set(told["findings"][0])
    installation.environment["FLYTE_BATCH_JOB_SLOTS"] = "none"
    assert json.loads(installation.doctor("--json").stdout)["ok"] is False


def test_secrets_are_masked(installation: Installation) -> None:
    """Also in what a vendor's error quotes."""
    source = (
        "from flyte_connectors import hookimpl\n"
        "from flyte_connectors.secrets import mask\n"
        "@hookimpl\n"
        "def check_connection():\n"
        "    mask('hunter2-secret')\n"
        "    raise RuntimeError('refused: hunter2-secret')\n"
    )
    installation.install("planted", source)
    done = installation.doctor()
    assert "RuntimeError: refused: ***" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_a_running_service_is_asked(installation: Installation) -> None:
    """And the back end's lists are compared with what it serves."""
    serve = [
        sys.executable,
        "-m",
        "flyte_connectors",
        "serve",
        "--port",
        "0",
        "--metrics-port",
        "0",
    ]
    with subprocess.Popen(serve, env=installation.environment, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout is not None
            address = service.stdout.readline().split()[2]
            values = installation.write("values.yaml", BACKEND)
            installation.environment["FLYTE_CONNECTORS_ALLOW"] = "doctor,otel"
            done = installation.doctor("--endpoint", address, "--backend", values, "--verbose")
        finally:
            service.send_signal(signal.SIGTERM)
    assert f"{address}: serves batch_job" in done.stdout
    assert "sends batch_job to the service" in done.stdout
