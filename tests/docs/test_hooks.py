"""docs/hooks.md has a section for each hook, with its signature and all that its docstring says."""

from __future__ import annotations

import inspect
import re

import pytest
from flyte_connectors import hookspecs
from flyte_connectors.hookspecs import HOOK_API, PLUGIN_HOOKS, VERBS

from tests.docs.markdown import DOCS, sections

PAGE = DOCS / "hooks.md"
SECTIONS = sections(PAGE)
HOOKS = (*VERBS, *PLUGIN_HOOKS)


def signature(hook: str) -> str:
    """How a hook is called."""
    return f"{hook}({', '.join(inspect.signature(getattr(hookspecs, hook)).parameters)})"


def test_each_hook_has_a_section() -> None:
    """Headed by its call signature, in the order of the code; no other hook has one."""
    assert [heading for heading in SECTIONS if "(" in heading] == [signature(hook) for hook in HOOKS]
    specs = [name for name, spec in vars(hookspecs).items() if hasattr(spec, "flyte.connectors_spec")]
    assert sorted(specs) == sorted(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_section_says_what_the_docstring_says(hook: str) -> None:
    """Word for word, example included."""
    docstring, _, example = (inspect.getdoc(getattr(hookspecs, hook)) or "").partition("Example:")
    section = SECTIONS[signature(hook)]
    assert words(docstring) in words(section)
    assert words(example) in words(section)


def words(text: str) -> str:
    """A text without its layout."""
    return " ".join(re.sub(r"\*\*(.+?):\*\*", r"\1:", text).split())


def test_the_version_of_the_contract_is_told() -> None:
    """As a plugin would state it."""
    assert f"`hook_api = {HOOK_API}`" in PAGE.read_text()
