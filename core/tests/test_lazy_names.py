"""Names that a package exports lazily, by its stub."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import flyte_connectors
import pytest
from site_packages import Site

PACKAGE = """
from flyte_connectors._lazy_names import lazy_names
EAGER = 1
__getattr__, __dir__ = lazy_names(__name__, "EAGER")
"""
STUB = """
from fixture_package.home import Thing as Thing
from fixture_package.home import (
    thing_with_a_long_name as thing_with_a_long_name,
)
from flyte_connectors_absent_plugin import Other as Other

EAGER: int
"""


@pytest.fixture
def package(site: Site, tmp_path: pathlib.Path) -> object:
    site.install_package(
        "fixture_package",
        __init__=PACKAGE,
        home="class Thing: ...\ndef thing_with_a_long_name(): ...\n",
    )
    (tmp_path / "site-packages" / "fixture_package" / "__init__.pyi").write_text(STUB)
    return __import__("fixture_package")


def test_a_name_is_imported_when_it_is_used(package: object) -> None:
    """And is an attribute from then on."""
    assert "fixture_package.home" not in sys.modules
    assert package.Thing is sys.modules["fixture_package.home"].Thing  # type: ignore[attr-defined]
    assert "Thing" in vars(package)


def test_all_and_dir_have_what_is_installed(package: object) -> None:
    """So that `from package import *` and completion work without the plugin."""
    assert package.__all__ == ["EAGER", "Thing", "thing_with_a_long_name"]  # type: ignore[attr-defined]
    assert {"Thing", "EAGER"} <= set(dir(package))
    assert "Other" not in dir(package)
    exec("from fixture_package import *", names := {})
    assert "thing_with_a_long_name" in names


@pytest.mark.parametrize("statement", ["from fixture_package import Other", "package.Other"])
def test_a_name_of_a_plugin_that_is_not_installed_names_the_extra(package: object, statement: str) -> None:
    """However it is asked for."""
    with pytest.raises(ImportError) as caught:
        exec(statement, {"package": package})
    assert str(caught.value) == (
        'fixture_package.Other needs flyte-connectors-absent-plugin: pip install "flyte-connectors[absent-plugin]"'
    )


def test_a_name_that_nobody_promised_is_an_attribute_error(package: object) -> None:
    """As of any module."""
    assert not hasattr(package, "Thimg")


@pytest.mark.parametrize("name", ["Image", "ImageBuildEngine", "ConnectorEnvironment", "deploy"])
def test_deployment_without_its_plugin(name: str) -> None:
    """The root's names, those of `flyte_connectors.app` and of `install_as_flyte` name the extra."""
    code = (
        "import importlib.util, sys; find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda n, *p: None if n == 'flyte_connectors_deploy' else find(n, *p)\n"
        f"import flyte_connectors\n"
        f"assert {name!r} not in flyte_connectors.__all__\n"
        f"for module, name in (('flyte_connectors', {name!r}), ('flyte_connectors.app', 'ConnectorEnvironment')):\n"
        "    try: exec(f'from {module} import {name}')\n"
        "    except ImportError as error: assert 'flyte-connectors[deploy]' in str(error), error\n"
        "    else: raise SystemExit('imported')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_stub_is_in_the_package() -> None:
    """Type checkers find it beside the module."""
    assert pathlib.Path(flyte_connectors.__file__).with_suffix(".pyi").is_file()
