"""What comes out of the template is complete, clean, typed, tested, and ready to be published.

The core's wheel is built by way of its source distribution. Each package is baked by the command of that
wheel, in an environment that holds nothing else, and then installed beside it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT
from tests.template.choices import COVERING, Choices, every

CHOSEN = list(every()) if os.environ.get("TEMPLATE") == "all" else list(COVERING)
NAMES = (
    ("flyte-connectors-acme", "Acme", "acme"),
    ("q", "Q", "q"),
    (
        "flyte-connectors-long-names-are-fine",
        "Word Word Word Word Word",
        "a_task_type_of_this_long_name",
    ),
)
"""The usual, the shortest and the longest: lines must neither need a break nor have one in vain."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclasses.dataclass(frozen=True)
class Baked:
    """A package, and the environment that it is installed in."""

    choices: Choices
    folder: Path
    environment: Path
    task_type: str

    def run(self, program: str, *arguments: str) -> str:
        """What a program of the environment prints; it has to succeed."""
        path = f"{self.environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
        command = [str(self.environment / "bin" / program), *arguments]
        return run(*command, cwd=self.folder, env={**os.environ, "PATH": path})

    def files(self) -> dict[str, str]:
        """What was written, by path."""
        return {
            str(path.relative_to(self.folder)): path.read_text()
            for path in self.folder.rglob("*")
            if path.is_file()
        }


def run(*command: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    """What a command prints on standard output; it has to succeed."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def core_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of the core; beside it is that of functions."""
    folder = tmp_path_factory.mktemp("core")
    for package in ("plugins/functions", "core"):
        run("uv", "build", "--quiet", "--out-dir", str(folder), str(ROOT / package), cwd=ROOT)
    return next(folder.glob("flyte_connectors-*.whl"))


@pytest.fixture(scope="module", params=list(enumerate(CHOSEN)), ids=lambda pair: str(pair[1]))
def baked(
    request: pytest.FixtureRequest, core_wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Baked]:
    number, choices = request.param
    name, service, task_type = NAMES[number % len(NAMES)]
    top = tmp_path_factory.mktemp("baked")
    package = Baked(choices, top / name, top / "environment", task_type)
    place = ("--find-links", str(core_wheel.parent))
    install = ("uv", "pip", "install", "--quiet", "--python", str(package.environment), *place)
    run("uv", "venv", "--quiet", "--python", sys.executable, str(package.environment), cwd=top)
    run(*install, f"flyte-connectors[new] @ {core_wheel.as_uri()}", cwd=top)
    command = str(package.environment / "bin" / "flyte-connectors")
    names = ["--service", service, "--task-type", task_type]
    run(command, "new", name, "--no-input", *names, *choices.flags, cwd=top)
    written = package.files()
    run(*install, "-e", ".", "--group", "dev", cwd=package.folder)
    yield package
    changed = {path for path, text in written.items() if package.files()[path] != text}
    assert not changed, "the tests changed the package"


def test_the_files_are_those_of_the_choices(baked: Baked) -> None:
    """Not one more."""
    files = baked.files()
    package = baked.folder.name.replace("-", "_")
    modules = {Path(path).name for path in files if Path(path).parent == Path("src", package)}
    tests = {Path(path).name for path in files if Path(path).parent == Path("tests")}
    assert modules == baked.choices.modules
    assert tests == baked.choices.tests


def test_nothing_of_the_template_is_left(baked: Baked) -> None:
    """No braces, no names of choices, no space where something was left out, no code of other choices."""
    for path, text in baked.files().items():
        assert not {mark for mark in ("{{", "{%", "{#", "cookiecutter.") if mark in text}, path
        assert not [line for line in text.splitlines() if line != line.rstrip()], path
        assert "\n\n\n\n" not in text, path
        assert not text or (text.endswith("\n") and not text.endswith("\n\n")), path
        assert not [word for word in baked.choices.foreign_words if word in text], path


def test_style(baked: Baked) -> None:
    """As the package's own lint session asks for it."""
    baked.run("ruff", "check", "--no-cache")
    baked.run("ruff", "format", "--check", "--no-cache")


def test_types(baked: Baked) -> None:
    """Strictly, tests included."""
    baked.run("mypy", "--strict", "--cache-dir", os.devnull)


def test_its_tests(baked: Baked) -> None:
    """The conformance kit, against the fake service over real HTTP."""
    printed = baked.run("pytest", "-p", "no:cacheprovider")
    assert "conformance of " in printed
    assert " failed" not in printed


def test_it_is_loaded(baked: Baked) -> None:
    """By the entry points alone, with the verbs that were chosen."""
    reports = json.loads(baked.run("flyte-connectors", "list", "--json"))
    loaded = {
        bound["task_type"]: set(bound["verbs"])
        for report in reports
        if report["distribution"] == baked.folder.name and report["status"] == "loaded"
        for bound in report["connectors"]
    }
    choices, name = baked.choices, baked.task_type
    chosen = {"get_logs": choices.logs, "get_metrics": choices.metrics, "get_many": choices.get_many}
    verbs = {"create", "get", "delete"} | {verb for verb, is_chosen in chosen.items() if is_chosen}
    wanted = {
        "async": {name: verbs},
        "sync": {name: {"do"}},
        "both": {name: verbs, f"{name}_estimate": {"do"}},
    }
    functions = {f"{name}_function": {"create", "get", "delete"}} if choices.functions else {}
    assert loaded == {**wanted[choices.connector], **functions}


def test_it_can_be_published(baked: Baked, tmp_path: Path) -> None:
    """Wheel and source distribution are built, and what they say of themselves is right."""
    run("uv", "build", "--quiet", "--out-dir", str(tmp_path), str(baked.folder), cwd=tmp_path)
    tools = Path(sys.executable).parent
    built = [str(path) for path in tmp_path.iterdir() if path.suffix in (".whl", ".gz")]
    assert len(built) == 2
    run(str(tools / "twine"), "check", "--strict", *built, cwd=tmp_path)
    wheel = next(name for name in built if name.endswith(".whl"))
    run(str(tools / "check-wheel-contents"), wheel, cwd=tmp_path)
