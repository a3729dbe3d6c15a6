"""`include`: what is copied, what is served, and what is wrong with an entry."""

from __future__ import annotations

from pathlib import Path

import pytest
from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_deploy.image import Image
from flyte_connectors_deploy.sources import find_sources

CONNECTOR = """
import a_vendor_that_is_not_installed_here
class Mine:
    task_type_name = "mine"
ConnectorRegistry.register(Mine())
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    package = tmp_path / "mine"
    (package / "__pycache__").mkdir(parents=True)
    (package / "__pycache__" / "connector.pyc").touch()
    (package / "__init__.py").touch()
    (package / "connector.py").write_text(CONNECTOR)
    (package / "task.py").write_text("TASK = 1\n")
    (package / "query.sql").write_text("select 1\n")
    return tmp_path


def test_a_package_is_copied_whole_and_its_registering_modules_are_served(root: Path) -> None:
    """Without being imported, so what it needs is not needed here."""
    sources = find_sources(root, ["mine"])
    names = [str(file) for file in sources.files]
    assert names == ["mine/__init__.py", "mine/connector.py", "mine/query.sql", "mine/task.py"]
    assert (sources.modules, sources.task_types) == (("mine.connector",), ("mine",))


@pytest.mark.parametrize("entry", ["mine/connector.py", "mine.connector", "./mine/connector.py"])
def test_a_module_is_named_as_file_or_dotted(root: Path, entry: str) -> None:
    """Either way it is one file and one module."""
    sources = find_sources(root, [entry])
    assert [str(file) for file in sources.files] == ["mine/connector.py"]
    assert sources.modules == ("mine.connector",)


@pytest.mark.parametrize("entry", ["../mine", "mine"])
def test_modules_are_called_as_seen_from_the_root(root: Path, entry: str) -> None:
    """Wherever the deployment script lies; an entry is looked for beside it first."""
    (root / "deploy").mkdir()
    sources = find_sources(root / "deploy", [entry], root)
    assert sources.modules == ("mine.connector",)
    assert str(sources.files[0]) == "mine/__init__.py"
    assert sources.root == root.resolve()


def test_two_entries_give_two_modules(root: Path) -> None:
    """Each served by its own flag; naming one twice changes nothing."""
    (root / "other.py").write_text('task_type_name = "other"\n')
    sources = find_sources(root, ["mine", "other.py", "mine"])
    assert sources.modules == ("mine.connector", "other")
    assert sources.task_types == ("mine", "other")


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("missing", "include: 'missing' does not exist in"),
        ("mine/task.py", "include: mine/task.py registers no connector"),
        ("../outside.py", "include: '../outside.py' lies outside of"),
        (".", "include: '.' lies outside of"),
        ("my-file.py", "include: 'my-file.py': my-file.py can't be imported"),
        ("broken.py", "include: 'broken.py': broken.py, line 2 is no Python"),
    ],
)
def test_bad_entries_are_refused(root: Path, entry: str, text: str) -> None:
    """With the entry's name and what is wrong."""
    project = root / "project"
    project.mkdir()
    (root / "mine").rename(project / "mine")
    (root / "outside.py").write_text(CONNECTOR)
    (project / "my-file.py").write_text(CONNECTOR)
    (project / "broken.py").write_text("x = 1\ndef (:\n")
    with pytest.raises(InvalidRequestError, match=text):
        find_sources(project, [entry])


def test_an_images_name_changes_with_what_is_in_it(root: Path) -> None:
    """And with nothing else: the same files in another place give the same tag."""
    image = Image.from_debian_base(python_version=(3, 12), registry="ghcr.io/me")
    before = image.uri(find_sources(root, ["mine"]))
    assert before == image.uri(find_sources(root, ["mine"]))
    assert before != image.uri()
    assert before != image.with_pip_packages("numpy").uri(find_sources(root, ["mine"]))
    (root / "mine" / "query.sql").write_text("select 2\n")
    assert before != image.uri(find_sources(root, ["mine"]))
    assert before.startswith("ghcr.io/me/flyte-connectors:")
