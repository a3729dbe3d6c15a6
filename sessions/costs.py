"""Sessions that measure what requests, the start and open pages cost."""

from __future__ import annotations

import pathlib

import nox

from sessions.changes import chosen_tests
from sessions.installing import LOCKED, install, wheels
from sessions.packages import DEFAULT_PYTHON, PACKAGES


@nox.session(python="3.13")
def guard(session: nox.Session) -> None:
    """Count what requests and the start cost; fails if anything costs 3 % more than the baseline."""
    renew = "--renew" in session.posargs
    if not renew:
        chosen_tests(session, "core", beside=("benchmarks",))
    install(session, "core", groups=())
    arguments = ["--renew"] if renew else []
    session.run("python", "-m", "benchmarks.guard", *arguments, env={"PYTHONHASHSEED": "0"})


@nox.session(python=DEFAULT_PYTHON)
def bench(session: nox.Session) -> None:
    """Measure against the official service and a bare gRPC server, for `docs/performance.md`: 15 idle minutes."""
    install(session, "core", groups=())
    peer = pathlib.Path(session.create_tmp()) / "peer"
    session.run_install("uv", "venv", "--quiet", "--allow-existing", str(peer), external=True)
    session.run_install(
        "uv", "pip", "install", "--quiet", "--python", str(peer), "flyte[connector]==2.12.*",
        external=True,
    )  # fmt: skip
    asgi = pathlib.Path(session.create_tmp()) / "asgi"
    session.run_install("uv", "venv", "--quiet", "--allow-existing", str(asgi), external=True)
    ours = [wheels(session)[name] for name in ("core", "asgi")]
    session.run_install(*("uv", "pip", "install", "--quiet", "--python", str(asgi), *ours, *LOCKED), external=True)
    is_trial = "--quick" in session.posargs
    session.run(
        "python", "-m", "benchmarks",
        "--ours-python", f"{session.bin}/python",
        "--asgi-python", str(asgi / "bin" / "python"),
        "--peer-python", str(peer / "bin" / "python"),
        *(() if is_trial else ("--write", "docs/performance.json")),
        *session.posargs,
    )  # fmt: skip
    if not is_trial:
        session.run("python", "-m", "benchmarks.plots")


@nox.session(python=DEFAULT_PYTHON)
def pages(session: nox.Session) -> None:
    """Measure what 200 open pages of the console cost the gRPC side, on a quiet machine."""
    install(session, "console")
    session.install("psutil", *LOCKED)
    program = PACKAGES["console"] / "tests" / "cost_of_pages.py"
    session.run("python", str(program), *(session.posargs or ("--at-most", "1.1")))
