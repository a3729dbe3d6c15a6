"""Sessions that break the service on purpose, over each transport."""

from __future__ import annotations

import nox

from sessions.changes import USUAL_TESTS
from sessions.installing import install, path_with, unpack
from sessions.packages import DEFAULT_PYTHON, PACKAGES
from sessions.tests import BESIDE


@nox.session(python=DEFAULT_PYTHON)
def chaos(session: nox.Session) -> None:
    """Drive the service as Flyte's back end does, through every fault there is; prints what it lost."""
    install(session, "batch_job", groups=("product",))
    python = f"{session.bin}/python"
    arguments = session.posargs or ["--scenario", "all", "--replicas", "1,2", "--tasks", "100"]
    command = ["python", "-m", "tests.backend", "--against", "ours", "--python", python]
    session.run(*command, *arguments)


@nox.session(python=DEFAULT_PYTHON)
def attack(session: nox.Session) -> None:
    """Attack a real service in every way we can think of; prints what fell. Best run as root."""
    install(session, *PACKAGES, groups=("product",))
    session.install("cookiecutter")
    session.run("python", "-m", "tests.attack", *(session.posargs or ["--full"]))


@nox.session(python=DEFAULT_PYTHON)
def soak(session: nox.Session) -> None:
    """Kill the service in mid-job 100 times, and stop it under load 40 times: nothing lost or doubled."""
    install(session, *PACKAGES, groups=("product",))
    session.run("pytest", "tests/service", "-m", "slow", *session.posargs, env={"SOAK": "100"})
    for replicas in ("1", "2"):
        session.run("python", "-m", "tests.service.callers", "--replicas", replicas)


_PROXIES = ("nginx", "haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1")


@nox.session(python=DEFAULT_PYTHON)
def rehearse(session: nox.Session) -> None:
    """Restart replicas one by one under load, behind nginx and HAProxy of Debian; prints what it cost."""
    install(session, "core", "asgi", groups=("product",))  # FLYTE_CONNECTORS_TRANSPORT chooses
    folder = unpack(session, *_PROXIES)
    libraries = ":".join(str(file.parent) for file in folder.rglob("liblua5.3.so.0"))
    session.run(
        *("python", "-m", "tests.rehearsal", "--python", f"{session.bin}/python", *session.posargs),
        env={"PATH": path_with(session, folder / "usr" / "sbin"), "LD_LIBRARY_PATH": libraries},
    )  # fmt: skip


_TESTS = ("pytest", "tests/service", "tests/hardening", "tests/cli")
_OVER_ASGI = {
    "tests": ((*_TESTS, *BESIDE), ["-m", "not slow and not live and not alone"]),
    "alone": (_TESTS, ["-m", "alone and not slow and not live"]),
    "conformance": (
        ("pytest", "core/tests/kit", "plugins/official/tests/test_flyte_1.py", "tests/official", *BESIDE),
        USUAL_TESTS,
    ),
    "backend": (("python", "-m", "tests.backend", "--against", "ours"), ["--scenario", "all"]),
    "attack": (("python", "-m", "tests.attack"), ["--full"]),
    "soak": (("python", "-m", "tests.service.callers"), ["--replicas", "2"]),
}
"""What runs over the transport asgi, too: commands, and their usual options. `rehearse` reads the same variable,
`go` runs over both, and the tests of one package are in `tests(asgi, 3.11)`."""


@nox.session(python=DEFAULT_PYTHON)
def asgi(session: nox.Session) -> None:
    """Run the tests of the service over the transport asgi; `-- attack --short`, `backend`, ... for other programs."""
    install(session, *PACKAGES, groups=("product",))
    for name, *chosen in [session.posargs] if session.posargs else [["tests"], ["alone"]]:
        command, usual = _OVER_ASGI[name]
        options = [*(chosen or usual), *(["--python", f"{session.bin}/python"] if name == "backend" else [])]
        session.run(*command, *options, env={"FLYTE_CONNECTORS_TRANSPORT": "asgi"})
