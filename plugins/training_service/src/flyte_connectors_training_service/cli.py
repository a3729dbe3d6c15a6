"""The command `flyte-model-training`."""

from __future__ import annotations

import argparse
import fcntl
import os
import socket
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; answers its exit status."""
    options = _parser().parse_args(arguments)
    try:
        run: Callable[[argparse.Namespace], int] = options.run
        return run(options)
    except (OSError, ServeError) as error:
        print(f"flyte-model-training: {error}", file=sys.stderr)  # noqa: T201
        return 1


class ServeError(Exception):
    """The service cannot start; the text says why."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="flyte-model-training", description=__doc__)
    commands = parser.add_subparsers(required=True)
    serve = commands.add_parser("serve", help="run the reference training service")
    serve.set_defaults(run=_serve)
    serve.add_argument("--data-dir", type=Path, required=True, help="directory for jobs, models and logs")
    serve.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    serve.add_argument("--port", type=int, default=8100, help="port, 0 picks one; default: %(default)s")
    serve.add_argument(
        "--workers",
        type=_worker_count,
        default=os.cpu_count() or 1,
        help="jobs trained at once; default: one per core",
    )
    serve.add_argument("--public-url", help="base URL of links, if the service is behind a proxy")
    serve.add_argument(
        "--data-root",
        type=Path,
        action="append",
        help="folder that file:// data sets may be below; repeatable; default: the current folder "
        "and the one for temporary files",
    )
    serve.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        help="host name that clients may use, besides addresses, localhost and --public-url; repeatable",
    )
    train = commands.add_parser("train", help=_train.__doc__)
    train.set_defaults(run=_train)
    return parser


def _worker_count(text: str) -> int:
    count = int(text)
    if count < 1:
        message = f"must be at least 1, got {count}"
        raise argparse.ArgumentTypeError(message)
    return count


def _serve(options: argparse.Namespace) -> int:
    # Workers import this module's package, too: what only the server needs is imported here.
    import uvicorn

    from flyte_connectors_training_service.app import training_app
    from flyte_connectors_training_service.hosts import OwnHosts
    from flyte_connectors_training_service.job_store import JobStore
    from flyte_connectors_training_service.sources import Sources, default_roots
    from flyte_connectors_training_service.supervisor import Supervisor

    roots = tuple(root.resolve() for root in options.data_root or default_roots())
    sources = Sources(roots, serves_loopback_only=options.host in _LOOPBACK)
    with _held(options.data_dir), socket.create_server((options.host, options.port)) as listener:
        store = JobStore(options.data_dir / "jobs.sqlite")
        supervisor = Supervisor(store, options.data_dir / "jobs", options.workers, sources)
        app = training_app(store, supervisor, options.public_url)
        names = [options.host, *options.allowed_host]
        app.add_middleware(OwnHosts, names=names, public_url=options.public_url)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        host, port = listener.getsockname()[:2]
        print(f"training service listening on http://{host}:{port}/jobs", flush=True)  # noqa: T201
        server.run(sockets=[listener])
    return 0


def _train(_: argparse.Namespace) -> int:
    """Train once, as the environment variables TRAINING_* say."""
    from flyte_connectors_training_service.train_once import train_once

    return train_once(os.environ)


@contextmanager
def _held(data_dir: Path) -> Iterator[None]:
    """Keep a second service off the directory."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"--data-dir {data_dir} is in use by another service"
            raise ServeError(message) from error
        yield
