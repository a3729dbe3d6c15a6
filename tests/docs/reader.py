"""A reader who does all that a page says, in an empty folder, in the page's order.

    console             each `$` line is a command; other lines are what it has to answer, where `...`
                        stands for anything. `serve` goes on beside the rest, as in another terminal.
                        What `pip install` names has to be there; `nox -s extras` installs all of it.
    python, toml, ...   a first line `# name.py` says that it is that file; others run by themselves
    yaml, json          is parsed
    text, or nothing    a drawing

Services are given free ports, so what a page says about `127.0.0.1:8000` is about wherever the service
really listens. `RUN` in a command stands for the name of the latest run.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import tomllib
import yaml
from flyte_connectors.service.settings import read_settings

from tests.docs.markdown import ROOT, Block, blocks

SECONDS = 40
EXTRAS = {
    project["name"]: {*project.get("optional-dependencies", {})}
    for file in (ROOT / "core" / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml"))
    for project in [tomllib.loads(file.read_text())["project"]]
}
"""The extras of each of our packages."""

_FAILS = re.compile(r"flyte-connectors(: | .*: error: )[^\n]*\n?\Z")
_PIP = re.compile(r"^pip install (?P<words>.*)$")
_OURS = re.compile(r"(?P<name>flyte-connectors[a-z-]*)(?:\[(?P<extras>[a-z,-]+)\])?")
_SERVE = re.compile(r"^(?:\w+=\S+ )*(?:flyte-connectors|flyte-model-training) serve\b")
_PORT = re.compile(r"--port (\d+)")
_READY = re.compile(r"listening on (?:http://)?([\w.]+:\d+)")
_METRICS = re.compile(r"metrics on http://([\w.]+:\d+)")
_RUN = re.compile(r"^run (r[0-9a-f]+) of ", re.MULTILINE)
_FILE = re.compile(r"#!?.*?([\w./-]+\.\w+)\n")
_VARYING = (
    (r"\br[0-9a-f]{19}\b", "<run>"),
    (r"\b\d\d:\d\d:\d\d\b", "<time>"),
    (r"\b[\w.]+:\d{4,5}\b", "<address>"),
    (r"\b\d+\.\d s\b", "<seconds>"),
    (r"[ \t]+", " "),
)


class Reader:
    """Somebody at a terminal.

    Args:
        folder: The working directory, empty.
        environment: Variables beside the usual ones.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._addresses: dict[str, str] = {}
        self._run_name = "RUN"
        self._beside: list[Beside] = []
        self._environment = {
            "HOME": str(folder / "home"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "FLYTE_CONNECTORS_PORT": "0",
            "FLYTE_CONNECTORS_METRICS_PORT": "0",
            "PYTHONWARNINGS": "ignore",
            **(environment or {}),
        }

    def follow_page(self, page: Path) -> None:
        """Do what a page says, one block after the other, and leave."""
        try:
            for block in blocks(page):
                if block.is_tested:
                    try:
                        self.follow(block)
                    except Exception as error:
                        raise AssertionError(f"{page}:{block.line}: {error}") from error
        finally:
            self.leave()

    def follow(self, block: Block) -> None:
        """Do what a block says."""
        code = self._in_place(block.code)
        if block.language == "console":
            for command, answer in _commands(block.code):
                self._type(self._in_place(command), answer)
        elif block.language == "yaml":
            assert list(yaml.safe_load_all(code)) != [None]
        elif block.language == "json":
            json.loads(code)
        elif block.language == "python":
            said, status = self._shell(f"python {shlex.quote(self._write(code, 'snippet.py'))}")
            assert status == 0, said
        elif block.language == "toml":
            name = self._write(code, "snippet.toml")
            if name == "pyproject.toml":
                tomllib.loads(code)
            else:
                read_settings({}, {}, str(self._folder / name))
        else:
            assert block.language in ("", "text"), f"what is {block.language}?"

    def leave(self) -> None:
        """End what still runs, clients before their services."""
        for beside in reversed(self._beside):
            beside.end()

    def _type(self, command: str, answer: str) -> None:
        if installing := _PIP.match(command):
            self._check_requirements(shlex.split(installing["words"]))
            return
        _need(command.split(maxsplit=1)[0])
        fails = _FAILS.search(answer) is not None
        if _SERVE.match(command) and "--print-config" not in command and not fails:
            said, code = self._serve(command), 0
        elif command.endswith("&"):
            beside = self._start(command.removesuffix("&"))
            said, code = beside.wait_for("started"), 0
        else:
            said, code = self._shell(command)
        self._run_name = next(iter(_RUN.findall(said)), self._run_name)
        assert (code != 0) == fails, said
        if answer:
            assert _agree(answer, said), f"{command}\nsays\n{said}\nnot\n{answer}"

    def _check_requirements(self, words: list[str]) -> None:
        """Whether our packages, their extras and groups exist."""
        for option, word in zip(["", *words], words, strict=False):
            ours = _OURS.fullmatch(word)
            if option == "--group":
                project = tomllib.loads((self._folder / "pyproject.toml").read_text())
                assert word in project["dependency-groups"], word
            elif word.startswith("./"):
                assert (ROOT / word.partition("[")[0] / "pyproject.toml").is_file(), word
            elif ours:
                known = EXTRAS[ours["name"]]
                assert set(filter(None, (ours["extras"] or "").split(","))) <= known, word

    def _serve(self, command: str) -> str:
        program = command.partition(" serve")[0].split()[-1]
        for beside in [beside for beside in self._beside if beside.program == program]:
            self._beside.remove(beside)
            beside.end()
        port = _PORT.search(command)
        beside = self._start(_PORT.sub("--port 0", command), program)
        said = beside.wait_for("listening on ")
        for written, pattern in ((port[1] if port else "8000", _READY), ("9090", _METRICS)):
            for address in pattern.findall(said):
                self._addresses[f"127.0.0.1:{written}"] = address
        return said

    def _start(self, command: str, program: str = "") -> Beside:
        log = self._folder / f"beside-{len(list(self._folder.glob('beside-*')))}"
        beside = Beside(f"exec env {command}", self._folder, self._environment, log, program)
        self._beside.append(beside)
        return beside

    def _shell(self, command: str) -> tuple[str, int]:
        ended = subprocess.run(
            ["bash", "-c", command],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return ended.stdout, ended.returncode

    def _write(self, code: str, otherwise: str) -> str:
        """Name of the file that `code` is in now."""
        named = _FILE.match(code)
        name = named[1] if named else otherwise
        (self._folder / name).write_text(code)
        return name

    def _in_place(self, text: str) -> str:
        for written, address in self._addresses.items():
            text = text.replace(written, address)
        return re.sub(r"\bRUN\b", self._run_name, text)


class Beside:
    """A command that goes on while the reader reads on.

    Attributes:
        program: Which service it is; empty if none.
    """

    def __init__(self, command: str, folder: Path, env: dict[str, str], log: Path, program: str) -> None:
        self.program = program
        self._log = log
        with log.open("w") as output:
            self._process = subprocess.Popen(
                ["bash", "-c", command],
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, words: str) -> str:
        """What it has said, once that includes `words`."""
        deadline = time.monotonic() + SECONDS
        while words not in (said := self._log.read_text()):
            assert self._process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.02)
        return said

    def end(self) -> None:
        """Ask it to end; a connector service has to do so in good order."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(SECONDS)
        assert code == 0 or self.program != "flyte-connectors", self._log.read_text()


def _need(program: str) -> None:
    """Leave the test if a program is missing that a bare machine may lack; CI has all of them."""
    if program in ("curl", "openssl") and not shutil.which(program):
        leave = pytest.fail if os.environ.get("CI") else pytest.skip
        leave(f"the page needs {program}, which is not installed")


def _commands(code: str) -> list[tuple[str, str]]:
    """Each command of a console block and what it is said to answer."""
    first, *rest = re.split(r"^\$ ", code.replace("\\\n", " "), flags=re.MULTILINE)
    assert not first.strip(), f"an answer without a command: {first}"
    parts = (part.partition("\n") for part in rest)
    return [(re.sub(r" +# .*", "", command).strip(), answer.strip()) for command, _, answer in parts]


def _agree(written: str, said: str) -> bool:
    """Whether a command answered as written, but for what differs from run to run."""
    for pattern, name in _VARYING:
        written, said = re.sub(pattern, name, written), re.sub(pattern, name, said)
    wanted = "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else re.escape(line.strip()).replace(r"\.\.\.", ".*?") + r"\n"
        for line in written.splitlines()
    )
    found = "".join(f"{line.strip()}\n" for line in said.strip().splitlines())
    return re.fullmatch(wanted, found) is not None


def install(package: Path, folder: Path) -> Path:
    """Write to `folder` what an editable installation leaves behind: a name, a version and entry points."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    about = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    entries = project["entry-points"]["flyte.connectors"].items()
    lines = "".join(f"{name} = {target}\n" for name, target in entries)
    (about / "entry_points.txt").write_text(f"[flyte.connectors]\n{lines}")
    return folder
