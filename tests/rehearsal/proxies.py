"""nginx and HAProxy in front of replicas, with the configuration that docs/proxies gives operators.

What is changed in it: the port, the replicas' addresses, and that all of it happens on loopback.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.backend.front import Front
from tests.backend.replicas import ROOT, Replica, free_port

SAMPLES = ROOT / "docs" / "proxies"
START_SECONDS = 10.0

_NGINX = """\
daemon off;
worker_processes 1;
pid FOLDER/pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    scgi_temp_path FOLDER/scgi;
    uwsgi_temp_path FOLDER/uwsgi;
    include FOLDER/sample;
}
"""
_HAPROXY = """\
global
    maxconn 4096
    stats socket FOLDER/admin level admin
defaults
    mode http
"""


class ProxyError(Exception):
    """A proxy is missing or did not start; the text says what to do."""


class Nginx(Front):
    """nginx: taken out is a server that its configuration calls down."""

    def __init__(self, port: int, folder: Path, replicas: list[Replica]) -> None:
        super().__init__([f"127.0.0.1:{port}"])
        self._sample = nginx_sample(port, replicas)
        self._file = folder / "sample"
        self._file.write_text(self._sample)
        (folder / "main").write_text(_NGINX.replace("FOLDER", str(folder)))
        self.command = ("nginx", "-p", f"{folder}", "-e", "stderr", "-c", f"{folder}/main")

    async def take_out(self, replica: Replica) -> None:
        """Reload with the server down."""
        server = f"server {replica.address} "
        self._reload(self._sample.replace(server, f"{server}down "))

    async def put_back(self, replica: Replica) -> None:
        """Reload with all servers."""
        self._reload(self._sample)

    def _reload(self, sample: str) -> None:
        self._file.write_text(sample)
        os.kill(int(self._file.with_name("pid").read_text()), signal.SIGHUP)


class HAProxy(Front):
    """HAProxy: servers are taken out through its admin socket."""

    def __init__(self, port: int, folder: Path, replicas: list[Replica]) -> None:
        super().__init__([f"127.0.0.1:{port}"])
        self._socket = str(folder / "admin")
        self._names = {replica.address: name(number) for number, replica in enumerate(replicas)}
        (folder / "main").write_text(_HAPROXY.replace("FOLDER", str(folder)))
        (folder / "sample").write_text(haproxy_sample(port, replicas))
        self.command = ("haproxy", "-q", "-db", "-f", f"{folder}/main", "-f", f"{folder}/sample")

    async def take_out(self, replica: Replica) -> None:
        """Give it no new calls."""
        await self._set(replica, "drain")

    async def put_back(self, replica: Replica) -> None:
        """Give it calls, once it is healthy."""
        await self._set(replica, "ready")

    async def _set(self, replica: Replica, state: str) -> None:
        reader, writer = await asyncio.open_unix_connection(self._socket)
        server = f"flyte_connectors/{self._names[replica.address]}"
        writer.write(f"set server {server} state {state}\n".encode())
        answer = (await reader.read()).decode().strip()
        writer.close()
        if answer:
            raise ProxyError(answer)


def name(number: int) -> str:
    """What HAProxy calls a replica."""
    return f"replica-{number + 1}"


@asynccontextmanager
async def proxy(kind: type[Nginx | HAProxy], replicas: list[Replica]) -> AsyncIterator[Front]:
    """A proxy while the block runs."""
    with tempfile.TemporaryDirectory(prefix="proxy-") as folder:
        port = free_port()
        front = kind(port, Path(folder), replicas)
        async with _running(port, *front.command):
            yield front


def nginx_sample(port: int, replicas: Iterable[Replica]) -> str:
    """docs/proxies/nginx.conf for these replicas."""
    text = (SAMPLES / "nginx.conf").read_text()
    text = _replaced(r"listen 8000", f"listen 127.0.0.1:{port}", text)
    servers = [rf"\g<1>{replica.address}\g<2>" for replica in replicas]
    return _replaced(r"(\n +server )replica-1\.example\.org:8000(.*)", "".join(servers), text)


def haproxy_sample(port: int, replicas: Iterable[Replica]) -> str:
    """docs/proxies/haproxy.cfg for these replicas."""
    text = (SAMPLES / "haproxy.cfg").read_text()
    text = _replaced(r"bind :8000", f"bind 127.0.0.1:{port}", text)
    servers = [
        rf"\g<1>{name(number)} {replica.address} port {replica.metrics_port}\g<2>"
        for number, replica in enumerate(replicas)
    ]
    line = r"(\n +server )replica-1 replica-1\.example\.org:8000 port 9090(.*)"
    return _replaced(line, "".join(servers), text)


def _replaced(pattern: str, by: str, text: str) -> str:
    text, count = re.subn(pattern, by, text)
    if count != 1:
        message = f"{pattern!r} is {count} times in the sample"
        raise ProxyError(message)
    return text


@asynccontextmanager
async def _running(port: int, program: str, *arguments: str) -> AsyncIterator[None]:
    path = shutil.which(program)
    if path is None:
        message = f"{program} is not installed: see `nox -s rehearse`"
        raise ProxyError(message)
    process = await asyncio.create_subprocess_exec(path, *arguments)
    try:
        await asyncio.wait_for(_listening(process, program, port), START_SECONDS)
        yield
    finally:
        if process.returncode is None:
            process.terminate()  # at once: who still waits for a reply is gone by now
        await process.wait()


async def _listening(process: asyncio.subprocess.Process, program: str, port: int) -> None:
    while process.returncode is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionError:
            await asyncio.sleep(0.02)
        else:
            return
    message = f"{program} ended at once with {process.returncode}: its reason is above"
    raise ProxyError(message)
