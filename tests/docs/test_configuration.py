"""docs/configuration.md lists what can be set, all of it and nothing else."""

from __future__ import annotations

import dataclasses
import re

import pytest
from flyte_connectors._registry.installed import Selection
from flyte_connectors.service.plugin_settings import installed_settings
from flyte_connectors.service.settings import FIELDS, flag_of, variable_of
from flyte_connectors.settings import declared

from tests.docs.markdown import DOCS, ROOT, sections, tables

PAGE = DOCS / "configuration.md"
SECTIONS = sections(PAGE)
SETTINGS = tables(SECTIONS["Settings of the service"])[0]

# How a variable is read, or named where it is read.
VARIABLES = (
    re.compile(r"\b(FLYTE_[A-Z_]*[A-Z])\b(?!\.)"),
    re.compile(r"\b(FLYTE_SECRET_)"),
    re.compile(r"""environ(?:\.get\(|\[)"([A-Z_]+)\""""),
    re.compile(r"""_VARIABLE = "([A-Z_]+)\""""),
)
NO_VARIABLES = {"FLYTE_SDK"}  # a name in a proto enum


def test_settings_are_the_services() -> None:
    """In the same order, each with its variable."""
    assert [row["flag"] for row in SETTINGS] == [flag_of(name) for name in FIELDS]
    assert [row["variable"] for row in SETTINGS] == [variable_of(name) for name in FIELDS]


@pytest.mark.parametrize(("row", "field"), list(zip(SETTINGS, FIELDS.values(), strict=False)))
def test_a_setting_is_described_as_in_the_code(row: dict[str, str], field: dataclasses.Field[object]) -> None:
    """By its help text, its default, its choices, and whether it is repeatable."""
    metadata = field.metadata
    assert row["meaning"].startswith(metadata["help"])
    assert ("; repeatable" in row["meaning"]) == metadata["many"]
    assert all(f"`{choice}`" in row["meaning"] for choice in metadata["choices"])
    known = {"none": (), "not set": None, "off": False}
    assert field.default == known.get(row["default"]) or str(field.default) == row["default"]


def test_every_environment_variable_is_listed() -> None:
    """Whatever the sources of the core and the plugins read."""
    read = {
        name
        for folder in ("core/src", "plugins")
        for file in (ROOT / folder).rglob("src/**/*.py" if folder == "plugins" else "*.py")
        for variable in VARIABLES
        for name in variable.findall(file.read_text())
    }
    listed = {row["variable"] for row in tables(SECTIONS["Environment variables"])[0]}
    listed |= {row["variable"] for row in SETTINGS}
    settings = installed_settings(Selection()).values()
    read -= {one.variable for plugin in settings for one in declared(plugin)}
    read -= {plugin.variable_prefix for plugin in settings}
    read = {"FLYTE_SECRET_<NAME>" if name.startswith("FLYTE_SECRET_") else name for name in read}
    assert listed - {"FLYTE_CONNECTORS_WORKER"} <= read | {variable_of(name) for name in FIELDS}
    assert read - NO_VARIABLES <= listed
