"""Programs that try to outlive their job.

Each is the source of a Python program. `$ATTACK_READY` is a file that it creates once everything that
shall survive has been started; then it waits, or ends if its job is to end by itself.
"""

from __future__ import annotations

import textwrap

SECONDS = 60
"""What survives ends by itself after this time, so that a lost fight leaves nothing behind."""

_PRELUDE = f"""
import os, signal, subprocess, sys, time
END = time.time() + {SECONDS}
OUTPUTS = os.environ.get("BATCH_JOB_OUTPUTS", "")
HOME = os.path.dirname(OUTPUTS)
ENDS = os.environ["ATTACK_ENDS"] == "1"
READY = os.environ["ATTACK_READY"]

def linger():
    while time.time() < END:
        try:
            time.sleep(0.5)
        except BaseException:
            pass
    os._exit(0)

def child(*steps):
    # A process that takes these steps and lingers.
    pid = os.fork()
    if pid == 0:
        try:
            for step in steps:
                step()
            linger()
        finally:
            os._exit(1)
    return pid

def forked():
    if os.fork():
        os._exit(0)

def closed():
    os.closerange(0, 1024)

def deaf():
    for number in signal.valid_signals() - {{signal.SIGKILL, signal.SIGSTOP}}:
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass

def ready():
    time.sleep(0.2)
    open(READY, "w").close()

def runners(number):
    # The processes that run this job: those above, and others of the same program.
    me, found, pid = os.getpid(), [], os.getppid()
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == me:
            continue
        try:
            words = open(f"/proc/{{entry}}/cmdline", "rb").read().split(b"\\0")
        except OSError:
            continue
        if os.fsencode(HOME) in words and b"-c" not in words:
            found.append(int(entry))
    for pid in found:
        try:
            os.kill(pid, number)
        except OSError:
            pass
"""

_FINALE = """
ready()
if ENDS:
    time.sleep(0.3)
    sys.exit(0)
linger()
"""

_PROGRAMS = {
    "plain child": "child()",
    "ignores every signal": "deaf(); child(deaf)",
    "new session": "child(os.setsid)",
    "own group": "child(lambda: os.setpgid(0, 0))",
    "double fork": "child(os.setsid, forked, deaf)",
    "daemon": "child(os.setsid, forked, lambda: os.chdir('/'), closed, lambda: os.umask(0))",
    "triple fork, each with a session": "child(os.setsid, forked, os.setsid, forked, os.setsid, forked)",
    "nohup from a shell": """
        subprocess.Popen("nohup setsid sleep 60 >/dev/null 2>&1 & sleep 0.1", shell=True).wait()
    """,
    "another name, no environment": """
        def renamed():
            os.setsid()
            os.execve("/bin/sleep", ["[kworker/0:1]", "60"], {})
        child(forked, renamed)
    """,
    "storm of forks": """
        for number in range(40):
            child(os.setsid, forked)
    """,
    "hops from fork to fork": """
        def hop():
            os.setsid()
            closed()
            while time.time() < END:
                if os.fork():
                    os._exit(0)
                time.sleep(0.02)
        child(hop)
    """,
    "keeps the pipe open": "child(os.setsid, forked)",
    "removes the lock": """
        child(os.setsid)
        for name in os.listdir(HOME):
            if "lock" in name:
                os.unlink(os.path.join(HOME, name))
    """,
    "removes the whole job": """
        import shutil
        child(os.setsid, lambda: os.chdir("/"))
        os.chdir("/")
        shutil.rmtree(HOME, ignore_errors=True)
    """,
    "writes its own outcome": """
        child(os.setsid)
        with open(os.path.join(HOME, "outcome.json"), "w") as file:
            file.write('{"state": "succeeded", "outputs": {}}')
    """,
    "writes an outcome that is none": """
        child(os.setsid)
        with open(os.path.join(HOME, "outcome.json"), "w") as file:
            file.write('[1, 2')
    """,
    "makes a folder of its log": """
        child(os.setsid)
        path = os.path.join(HOME, "log")
        if os.path.exists(path):
            os.unlink(path)
        os.mkdir(path)
    """,
    "makes a pipe of its outputs": "child(os.setsid); os.mkfifo(OUTPUTS)",
    "links its outputs to /dev/zero": "child(os.setsid); os.symlink('/dev/zero', OUTPUTS)",
    "outputs of 8 GiB": """
        child(os.setsid)
        with open(OUTPUTS, "wb") as file:
            file.truncate(8 << 30)
    """,
    "kills those that run it": "child(os.setsid, forked); runners(signal.SIGKILL)",
    "kills its parent": "child(os.setsid, forked); os.kill(os.getppid(), signal.SIGKILL)",
    "kills the leader of its group": """
        child(os.setsid, forked)
        if os.getpgrp() != os.getpid():
            os.kill(os.getpgrp(), signal.SIGKILL)
    """,
    "stops those that run it": "child(os.setsid, forked); runners(signal.SIGSTOP)",
    "leaves its control group": """
        for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"):
            try:
                with open(os.path.join(root, "cgroup.procs"), "w") as file:
                    file.write(str(os.getpid()))
            except OSError:
                pass
        child(os.setsid, forked)
    """,
    "namespace of its own": """
        subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child=SIGUSR1", "sleep", "60"],
            start_new_session=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
    """,
}

SURVIVORS = {name: _PRELUDE + textwrap.dedent(program) + _FINALE for name, program in _PROGRAMS.items()}
