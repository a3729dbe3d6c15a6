"""A real Slurm of Debian's packages on loopback: controller, node, REST daemon, and accounting if wanted.

All files are below one folder; every process is started by this one, and stopped by its id.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batch_jobs import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

NEEDED = ("slurmctld", "slurmd", "slurmrestd", "munged")
CPUS = 16
MEMORY_MEBIBYTES = 4000
START_SECONDS = 30.0
_DATA_PARSERS = (23, 11)
"""The first version of Slurm whose REST API has one plugin for all of its versions."""


_CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={root}/munge/sock
CredType=cred/munge
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={root}/state/jwt_hs256.key
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd.log
ProctrackType=proctrack/{track}
TaskPlugin=task/{task}
JobAcctGatherType={gather}
JobAcctGatherFrequency=1
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=50
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,max_array_tasks=1000
MinJobAge={min_job_age}
MaxJobCount=20000
MessageTimeout=3
ReturnToService=2
MpiDefault=none
MailProg=/bin/true
SwitchType=switch/none
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
KillWait=2
CommunicationParameters=DisableIPv6,NoCtldInAddrAny,NoInAddrAny
NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE PreemptMode=OFF State=UP
PartitionName=short Nodes=ALL MaxTime=5 PreemptMode=OFF State=UP
PartitionName=spare Nodes=ALL PreemptMode=CANCEL State=UP
PartitionName=urgent Nodes=ALL PriorityTier=10 PreemptMode=OFF State=UP
PartitionName=closed Nodes=ALL PreemptMode=OFF AllowGroups=nogroup RootOnly=NO State=UP
"""
_ACCOUNTING = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={database_daemon_port}
AccountingStoragePass={root}/munge/sock
AccountingStorageEnforce=associations,limits,qos
"""
_CONTROL_GROUPS = """
CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
CgroupAutomount=no
ConstrainRAMSpace=yes
AllowedRAMSpace=100
"""
_DATABASE_DAEMON = """
AuthType=auth/munge
AuthInfo=socket={root}/munge/sock
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={root}/state/jwt_hs256.key
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={database_daemon_port}
SlurmUser=root
LogFile={root}/log/slurmdbd.log
PidFile={root}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=slurm
StoragePass=slurm
StorageLoc=accounting
CommunicationParameters=DisableIPv6,NoInAddrAny
"""


class SlurmCluster:
    """A cluster of one node.

    Args:
        root: Folder for all its files.
        accounting: Whether it has accounting, which enforces accounts and QOS.
        min_job_age: For how many seconds the controller remembers a job that has ended.
        control_groups: Whether the node holds jobs to their memory, by control groups of version 1.
    """

    def __init__(
        self,
        root: Path,
        *,
        accounting: bool = False,
        min_job_age: int = 300,
        control_groups: bool = False,
    ) -> None:
        self.root = root
        self.accounting = accounting
        self._control_groups = control_groups
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        host = socket.gethostname().partition(".")[0]
        self._values: dict[str, Any] = {
            "root": root,
            "host": host,
            "node": f"{host}-{os.getpid()}",  # control groups are named after it
            "gather": "jobacct_gather/linux" if accounting else "jobacct_gather/none",
            "min_job_age": min_job_age,
            "track": "cgroup" if control_groups else "pgid",
            "task": "cgroup" if control_groups else "none",
            "cpus": CPUS,
            "memory": MEMORY_MEBIBYTES,
        }
        names = ("controller", "node", "rest", "database", "database_daemon")
        for name, port in zip(names, free_ports(len(names)), strict=True):
            self._values[f"{name}_port"] = port

    @property
    def node(self) -> str:
        """The node's name."""
        return str(self._values["node"])

    @property
    def rest_url(self) -> str:
        """Where slurmrestd listens."""
        return f"http://127.0.0.1:{self._values['rest_port']}"

    @property
    def environment(self) -> dict[str, str]:
        """What the commands need to find it."""
        return {"SLURM_CONF": str(self.root / "slurm.conf")}

    def start(self) -> None:
        """Start everything; return when the node is idle."""
        for folder, mode in (("munge", 0o711), ("state", 0o700), ("spool", 0o755), ("log", 0o755)):
            (self.root / folder).mkdir(parents=True)
            (self.root / folder).chmod(mode)
        self.root.chmod(0o711)
        _secret(self.root / "munge" / "key", 1024, 0o400)
        _secret(self.root / "state" / "jwt_hs256.key", 32, 0o600)
        self.configure()
        self._start("munged", *self._munged())
        _wait_for((self.root / "munge" / "sock").exists)
        if self.accounting:
            self._start_accounting()
        self.start_controller()
        self._start("slurmd", "slurmd", "-D", "-N", self.node)
        _wait_for(lambda: "idle" in self.run("sinfo", "-h", "-o", "%T").stdout)
        self._start_rest()

    def stop(self) -> None:
        """Stop everything that was started."""
        if "slurmctld" in self._processes and self._processes["slurmctld"].poll() is None:
            self._processes["slurmctld"].send_signal(signal.SIGCONT)
            self.run("scancel", "--me")
        for name in (
            "slurmrestd",
            "slurmrestd-local",
            "slurmd",
            "slurmctld",
            "slurmdbd",
            "mariadbd",
            "munged",
        ):
            process = self._processes.pop(name, None)
            if process is None:
                continue
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def configure(self, **values: Any) -> None:
        """Write the configuration, with some values changed; see `_CONF`."""
        self._values.update(values)
        text = _CONF + (_ACCOUNTING if self.accounting else "AccountingStorageType=accounting_storage/none\n")
        (self.root / "slurm.conf").write_text(text.format(**self._values))
        if self._control_groups:
            (self.root / "cgroup.conf").write_text(_CONTROL_GROUPS)
        elif _version() >= _DATA_PARSERS:  # these want control groups of version 2
            (self.root / "cgroup.conf").write_text("CgroupPlugin=disabled\n")

    def reconfigure(self, **values: Any) -> None:
        """Change values of the configuration while it runs."""
        self.configure(**values)
        self.checked("scontrol", "reconfigure")

    def start_controller(self) -> None:
        """Start the controller, which goes on with its saved state; return when it answers."""
        self._start("slurmctld", "slurmctld", "-D")
        _wait_for(lambda: self.run("squeue", "-h").returncode == 0)

    def kill_controller(self) -> None:
        """Kill the controller with SIGKILL."""
        process = self._processes["slurmctld"]
        process.kill()
        process.wait()

    def pause_controller(self) -> None:
        """Have the controller hang."""
        self._processes["slurmctld"].send_signal(signal.SIGSTOP)

    def resume_controller(self) -> None:
        """Have the controller go on, or start it."""
        process = self._processes["slurmctld"]
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
        else:
            self.start_controller()

    def kill_node(self) -> None:
        """Kill the node's daemon."""
        process = self._processes["slurmd"]
        process.kill()
        process.wait()

    def start_node(self) -> None:
        """Start the node's daemon again; return when the node is idle."""
        self._start("slurmd", "slurmd", "-D", "-N", self.node)
        self.run("scontrol", "update", f"NodeName={self.node}", "State=RESUME")
        _wait_for(lambda: {"idle", "mixed"} & {*self.run("sinfo", "-h", "-o", "%T").stdout.split()})

    def kill_rest(self) -> None:
        """Kill the slurmrestd that listens on a socket."""
        process = self._processes["slurmrestd-local"]
        process.kill()
        process.wait()

    def start_rest(self) -> None:
        """Start a slurmrestd that listens on a socket; return when it does."""
        path = self.root / "rest" / "sock"
        path.unlink(missing_ok=True)
        self._start("slurmrestd-local", *self._rest("rest_auth/local"), f"unix:{path}")
        _wait_for(path.exists)

    def token(self, user: str = "root", seconds: int = 3600) -> str:
        """A token for slurmrestd."""
        out = self.checked("scontrol", "token", f"username={user}", f"lifespan={seconds}")
        return out.strip().removeprefix("SLURM_JWT=")

    def run(self, *command: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run one of Slurm's commands."""
        return subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            env={**os.environ, **self.environment},
            timeout=20,
            check=False,
        )

    def checked(self, *command: str, text: str = "") -> str:
        """What one of Slurm's commands prints."""
        done = self.run(*command, text=text)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def jobs(self, form: str = "%F|%T|%Q|%j") -> list[list[str]]:
        """What squeue lists of all jobs."""
        out = self.checked("squeue", "-h", "-t", "all", "-o", form)
        return [line.split("|") for line in out.splitlines()]

    def listed(self, fields: str) -> list[list[str]]:
        """What squeue lists of all jobs, by the names of its fields."""
        form = ",".join(f"{field}:0|" for field in fields.split(","))
        out = self.checked("squeue", "-h", "-t", "all", "-O", form)
        return [line.split("|")[:-1] for line in out.splitlines()]

    def _munged(self) -> list[str]:
        folder = self.root / "munge"
        names = {
            "key-file": "key",
            "socket": "sock",
            "pid-file": "pid",
            "log-file": "log",
            "seed-file": "seed",
        }
        options = [f"--{name}={folder / file}" for name, file in names.items()]
        return ["munged", "--foreground", "--force", *options]

    def _start_rest(self) -> None:
        folder = self.root / "rest"
        folder.mkdir()
        user = pwd.getpwnam("slurm")
        os.chown(folder, user.pw_uid, user.pw_gid)
        address = f"127.0.0.1:{self._values['rest_port']}"
        self._start("slurmrestd", *self._rest("rest_auth/jwt"), address, SLURM_JWT="daemon")
        self.start_rest()
        _wait_for(lambda: _answers(self._values["rest_port"]))

    def _rest(self, authentication: str) -> list[str]:
        plugins = ["openapi/slurmctld", "openapi/slurmdbd"]
        if _version() < _DATA_PARSERS:
            plugins = ["openapi/v0.0.38", "openapi/dbv0.0.38"]
        versions = ",".join(plugins if self.accounting else plugins[:1])
        drop = ("setpriv", "--reuid=slurm", "--regid=slurm", "--clear-groups")
        return [*drop, "slurmrestd", "-s", versions, "-a", authentication]

    def _start_accounting(self) -> None:
        data, temporary = self.root / "database", self.root / "temporary"
        temporary.mkdir()  # a server that starts removes the temporary tables of others
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        install = ("mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db")
        authentication = ("--auth-root-authentication-method=normal", "--user=root")
        done = subprocess.run(
            [*install, *authentication],
            env={**os.environ, "TMPDIR": str(temporary)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        self._start(
            "mariadbd", "mariadbd", "--no-defaults", f"--datadir={data}", f"--socket={data}/sock",
            "--user=root", "--bind-address=127.0.0.1", f"--port={self._values['database_port']}",
            f"--tmpdir={temporary}", "--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0",
        )  # fmt: skip
        _wait_for(lambda: _answers(self._values["database_port"]))
        sql = "CREATE DATABASE accounting; GRANT ALL ON accounting.* TO slurm@'127.0.0.1' IDENTIFIED BY 'slurm';"
        client = ("mariadb", "--no-defaults", f"--socket={data}/sock", "-e", sql)
        subprocess.run(client, check=True, **quiet)
        conf = self.root / "slurmdbd.conf"
        conf.write_text(_DATABASE_DAEMON.format(**self._values))
        conf.chmod(0o600)
        self._start("slurmdbd", "slurmdbd", "-D")
        _wait_for(lambda: _answers(self._values["database_daemon_port"]))
        for words in (
            ("add", "cluster", "test"),
            ("add", "account", "physics"),
            ("add", "user", "root", "account=physics"),
        ):
            _wait_for(lambda words=words: self.run("sacctmgr", "-i", *words).returncode == 0)

    def _start(self, name: str, *command: str, **environment: str) -> None:
        with (self.root / "log" / f"{name}.out").open("ab") as out:
            # They end with the tests, however those end.
            with_tests = ("setpriv", "--pdeathsig", "KILL", *command)
            if command[0] == "setpriv":  # changing the user would undo it before
                with_tests = ("setpriv", "--pdeathsig", "KILL", *command[1:])
            self._processes[name] = subprocess.Popen(
                with_tests,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **self.environment, **environment},
                start_new_session=True,
            )


def missing_programs(names: Sequence[str] = NEEDED) -> list[str]:
    """Programs that a cluster needs, and that are not installed."""
    return [name for name in names if not shutil.which(name)]


def variables(cluster: SlurmCluster, folder: Path, **more: str) -> Mapping[str, str]:
    """What makes the connector use the cluster."""
    return {
        **cluster.environment,
        "FLYTE_BATCH_JOB_BACKEND": "slurm",
        "FLYTE_BATCH_JOB_SLURM_FOLDER": str(folder),
        "FLYTE_BATCH_JOB_SLURM_POLL_SECONDS": "0.1",
        **more,
    }


def _version() -> tuple[int, ...]:
    """The version of Slurm, such as (22, 5, 8)."""
    said = subprocess.run(["slurmctld", "-V"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in said.split()[1].split("."))


def _secret(path: Path, size: int, mode: int) -> None:
    path.write_bytes(secrets.token_bytes(size))
    path.chmod(mode)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _wait_for(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < end, "Slurm did not start in time; see log/ in its folder"
        time.sleep(0.1)
