"""`include`: what is copied, what is served, and what is wrong with an entry."""

from __future__ import annotations

import sys
from collections.abc import Callable
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

OTHER = """
from flyte_connectors import hookimpl
task_type_name = "other"

@hookimpl
def do(inputs): ...
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
    """Where what they need is not installed here, they are read instead."""
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
    (root / "other.py").write_text(OTHER)
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
        ("broken.py", "include: 'broken.py': broken.py, line 2 is not valid Python"),
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


class TestWhatIsServed:
    """A module is served if importing it registers something; a pod that could not start is refused."""

    @pytest.fixture
    def modules(self, tmp_path: Path) -> Callable[..., tuple[str, ...]]:
        """Which of some files' modules are served, given their sources."""

        def served(**sources: str) -> tuple[str, ...]:
            for name, source in sources.items():
                (tmp_path / f"{name}.py").write_text(source)
            return find_sources(tmp_path, [f"{name}.py" for name in sources]).modules

        return served

    @pytest.mark.parametrize(
        "source",
        [
            "import atexit\natexit.register(print)\n",
            "import codecs\ncodecs.register(lambda name: None)\n",
            "import abc\nclass A(abc.ABC): ...\nA.register(int)\n",
            ("import functools\n@functools.singledispatch\ndef f(x): ...\n@f.register\ndef _(x: int): ...\n"),
            (
                "from flyte_connectors import ConnectorRegistry\n"
                "def later(connector): ConnectorRegistry.register(connector)\n"
            ),
            "task_type_name: str\n",
        ],
    )
    def test_what_registers_something_else_is_not(self, source: str, modules: Callable[..., tuple[str, ...]]) -> None:
        """Exit handlers, codecs, classes, and what is only called later; the file goes along."""
        assert modules(other=OTHER, innocent=source) == ("other",)
        with pytest.raises(InvalidRequestError, match=r"innocent.py registers no connector"):
            modules(innocent=source)

    @pytest.mark.parametrize(
        "source",
        [
            "from flyte_connectors import hookimpl\n@hookimpl\ndef wrap_verb(verb, call): return call\n",
            f"import other_library\n{OTHER}",
            (
                "import other_library\nfrom flyte_connectors import ConnectorRegistry as R\n"
                "R.register(other_library.Connector)\n"
            ),
            f"import os\nos.environ['A_VARIABLE_OF_THE_POD']\n{OTHER}",
        ],
    )
    def test_what_registers_is(self, source: str, modules: Callable[..., tuple[str, ...]]) -> None:
        """A wrapper, too, and what can't be imported here for want of what the image has."""
        assert modules(mine=source) == ("mine",)

    @pytest.mark.parametrize(
        ("source", "text"),
        [
            ("task_type_name = undefined\n", "NameError .*'undefined' is not defined"),
            (
                "from flyte_connectors import Connecter, hookimpl\n",
                "cannot import name 'Connecter'",
            ),
            (
                "from flyte_connectors import hookimpl\n@hookimpl\ndef wrap(verb): ...\n",
                "unknown hook",
            ),
            ("task_type_name = 'mine'\n", "mine does not implement do, or create, get and delete"),
        ],
    )
    def test_what_would_keep_the_service_from_starting_is_refused(
        self, source: str, text: str, modules: Callable[..., tuple[str, ...]]
    ) -> None:
        """Here, and not by a pod that restarts for ever."""
        with pytest.raises(InvalidRequestError, match=f"mine: the service would not start: .*{text}"):
            modules(mine=source)

    def test_what_a_module_prints_is_not_taken_for_the_answer(self, modules: Callable[..., tuple[str, ...]]) -> None:
        """Nor for the manifests."""
        assert modules(mine=f"print('{{}}')\n{OTHER}") == ("mine",)

    def test_a_script_that_deploys_when_it_is_imported_is_told(
        self, modules: Callable[..., tuple[str, ...]], capfd: pytest.CaptureFixture[str]
    ) -> None:
        """It would deploy itself, over and over."""
        source = (
            "from flyte_connectors import ConnectorEnvironment, deploy, hookimpl\n"
            "deploy(ConnectorEnvironment(name='c', include=['mine.py']))\n"
        )
        with pytest.raises(InvalidRequestError, match="registers no connector"):
            modules(mine=source)


def test_importing_an_included_module_leaves_no_trace(tmp_path: Path) -> None:
    """Not in this process, and no byte code beside the author's files."""
    (tmp_path / "mine_alone.py").write_text(OTHER)
    find_sources(tmp_path, ["mine_alone.py"])
    assert "mine_alone" not in sys.modules
    assert [file.name for file in tmp_path.iterdir()] == ["mine_alone.py"]
