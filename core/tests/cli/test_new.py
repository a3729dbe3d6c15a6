"""`flyte-connectors new` writes a package that is complete, or nothing at all."""

from __future__ import annotations

import py_compile
import shutil
import sys
from pathlib import Path

import pytest
from flyte_connectors.cli import main
from flyte_connectors.testing import baking

ALWAYS = {
    ".github/workflows/ci.yml",
    ".gitignore",
    "CHANGELOG.md",
    "README.md",
    "noxfile.py",
    "pyproject.toml",
    "src/acme_jobs/__init__.py",
    "src/acme_jobs/client.py",
    "src/acme_jobs/config.py",
    "src/acme_jobs/connector.py",
    "src/acme_jobs/py.typed",
    "src/acme_jobs/task.py",
    "tests/conftest.py",
    "tests/test_conformance.py",
    "tests/test_task.py",
}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def paths(folder: str) -> set[str]:
    root = Path(folder)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_everything_is_chosen_by_flags() -> None:
    """A package has the files of what was chosen, and the names that were given."""
    flags = ["--service", "Acme Jobs", "--task-type", "job", "--connector", "both"]
    assert main(["new", "acme-jobs", "--no-input", "--client", "sdk", *flags]) == 0
    chosen = {"estimate.py", "fake_service.py", "vendor_sdk.py"}
    source = {f"src/acme_jobs/{name}" for name in chosen}
    assert paths("acme-jobs") == ALWAYS | source | {"tests/test_metrics.py"}
    assert 'job_estimate = "acme_jobs.estimate' in Path("acme-jobs/pyproject.toml").read_text()
    assert "class AcmeJobsConnector" in Path("acme-jobs/src/acme_jobs/connector.py").read_text()


def test_nothing_is_there_that_was_not_chosen() -> None:
    """Neither its files nor its code."""
    flags = ["--no-logs", "--no-metrics", "--no-fake-service"]
    assert main(["new", "acme-jobs", "--no-input", *flags]) == 0
    assert paths("acme-jobs") == ALWAYS | {"tests/fake_service.py"}
    code = Path("acme-jobs/src/acme_jobs/connector.py").read_text()
    assert "get_logs" not in code
    assert "get_metrics" not in code
    assert "get_many" not in code


def test_a_connector_may_poll_many_jobs_at_once() -> None:
    """With a method, a request of the fake service and tests for it."""
    assert main(["new", "acme-jobs", "--no-input", "--get-many"]) == 0
    assert "tests/test_get_many.py" in paths("acme-jobs")
    assert "async def get_many(" in Path("acme-jobs/src/acme_jobs/connector.py").read_text()


def test_it_goes_where_it_is_told(tmp_path: Path) -> None:
    """Into another folder than this one."""
    Path("plugins").mkdir()
    assert main(["new", "acme-jobs", "--no-input", "--output-dir", "plugins"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["plugins"]
    assert paths("plugins/acme-jobs") > ALWAYS


def test_nothing_is_left_anywhere_else(tmp_path: Path) -> None:
    """No caches and no answers in the user's home, where cookiecutter would put them."""
    assert main(["new", "acme-jobs", "--no-input"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["acme-jobs"]


def test_what_an_installer_has_compiled_is_no_part_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Such as pip does with each file that is Python before it is filled in."""
    installed = tmp_path_factory.mktemp("site-packages") / "template"
    shutil.copytree(baking.template(), installed)
    py_compile.compile(str(next(installed.glob("*/noxfile.py"))), doraise=True)
    monkeypatch.setattr(baking, "template", lambda: installed)
    assert main(["new", "acme-jobs", "--no-input"]) == 0
    assert not list(Path("acme-jobs").rglob("*.pyc"))


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["Acme!"], "distribution"),
        (["json"], "distribution"),
        (["a" * 37], "distribution"),
        (["acme", "--service", "it's"], "service"),
        (["acme", "--task-type", "a-job"], "task_type"),
        (["nowhere/acme"], "--output-dir"),
        (["acme", "--output-dir", "nowhere"], "--output-dir"),
    ],
)
def test_a_bad_name_is_refused(
    arguments: list[str], field: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In one line that names it, and nothing is written."""
    assert main(["new", *arguments, "--no-input"]) == 1
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"flyte-connectors: {field}: ")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_left_alone(capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever it holds may be somebody's work."""
    Path("acme").mkdir()
    Path("acme/README.md").write_text("mine")
    assert main(["new", "acme", "--no-input"]) == 1
    taken = Path("acme").absolute()
    assert capfd.readouterr().err == f"flyte-connectors: NAME: {taken} already exists: choose another name\n"
    assert paths("acme") == {"README.md"}
    assert Path("acme/README.md").read_text() == "mine"


def test_cookiecutter_is_an_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without it, a line says how to get it."""
    monkeypatch.setitem(sys.modules, "cookiecutter.main", None)
    assert main(["new", "acme", "--no-input"]) == 1
    wanted = "flyte-connectors: new: cookiecutter is not installed: pip install 'flyte-connectors[new]'\n"
    assert capfd.readouterr().err == wanted
    assert list(tmp_path.iterdir()) == []


def test_without_a_terminal_nothing_is_asked_in_vain(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A script that forgot --no-input learns so."""
    with Path("/dev/null").open() as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        assert main(["new", "acme"]) == 1
    assert "--no-input" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []
