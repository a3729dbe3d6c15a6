"""An SSH server on loopback that runs commands and serves files, as a login node does.

It is a process: `python slurm_ssh.py <folder for its keys>` prints its port.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncssh

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self


class SshServer:
    """The server's process.

    Args:
        folder: For its keys.
        environment: Variables of its sessions.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = {**os.environ, **environment}
        self.port = 0

    @property
    def variables(self) -> dict[str, str]:
        """What makes the connector use it."""
        return {
            "FLYTE_BATCH_JOB_SLURM_ADDRESS": f"ssh://root@127.0.0.1:{self.port}",
            "FLYTE_BATCH_JOB_SLURM_SSH_KEY": str(self._folder / "user"),
            "FLYTE_BATCH_JOB_SLURM_SSH_KNOWN_HOSTS": str(self._folder / "known_hosts"),
        }

    def __enter__(self) -> Self:
        self._folder.mkdir()
        host, user = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        host.write_private_key(str(self._folder / "host"))
        user.write_private_key(str(self._folder / "user"))
        user.write_public_key(str(self._folder / "authorized"))
        command = [sys.executable, __file__, str(self._folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, env=self._environment)
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())
        known = host.export_public_key().decode().strip()
        (self._folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {known}\n")
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            self._process.kill()


async def _serve(process: Any) -> None:
    local = await asyncio.create_subprocess_shell(
        process.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    await process.redirect(stdin=local.stdin, stdout=local.stdout, stderr=local.stderr)
    process.exit(await local.wait())


async def _main(folder: Path) -> None:
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[str(folder / "host")],
        authorized_client_keys=str(folder / "authorized"),
        process_factory=_serve,
        sftp_factory=True,
    )
    print(server.get_port(), flush=True)  # noqa: T201  (what the process is asked for)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
