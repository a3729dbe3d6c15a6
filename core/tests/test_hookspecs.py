"""The hook specifications: complete, documented, and in step with the authoring classes."""

from __future__ import annotations

import inspect
import re

import pytest
from flyte_connectors import AsyncConnector, SyncConnector, hookspecs

HOOKS = (*hookspecs.VERBS, *hookspecs.PLUGIN_HOOKS)
SECTIONS = ("Called when:", "Must:", "Must not:", "Raise:", "Example:")


def _arguments(function: object) -> list[str]:
    parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    rest = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.name != "self" and p.kind not in rest]


def test_every_hook_is_listed() -> None:
    """`VERBS` and `PLUGIN_HOOKS` are the functions that carry the marker."""
    marked = {name for name, value in vars(hookspecs).items() if hasattr(value, "flyte.connectors_spec")}
    assert set(HOOKS) == marked


@pytest.mark.parametrize("verb", HOOKS)
def test_a_hook_tells_its_whole_contract(verb: str) -> None:
    """When it is called, what it must and must not do, what it raises, and an example."""
    text = inspect.getdoc(getattr(hookspecs, verb)) or ""
    places = [text.find(section) for section in SECTIONS]
    assert all(place > 0 for place in places), dict(zip(SECTIONS, places, strict=True))
    assert places == sorted(places)


@pytest.mark.parametrize("verb", HOOKS)
def test_an_example_is_an_implementation(verb: str) -> None:
    """The example defines the verb, compiles, and takes no argument the hook does not have."""
    spec = getattr(hookspecs, verb)
    example = (inspect.getdoc(spec) or "").partition("Example:")[2]
    found: dict[str, object] = {}
    exec(inspect.cleandoc(example), {"hookimpl": hookspecs.hookimpl}, found)
    assert set(_arguments(found[verb])) <= set(_arguments(spec))


@pytest.mark.parametrize(
    ("base", "verb"),
    [(AsyncConnector, v) for v in hookspecs.VERBS if v != "do"] + [(SyncConnector, "do")],
)
def test_the_authoring_classes_have_the_same_verbs(base: type, verb: str) -> None:
    """A method of a base class declares or describes each argument of its hook, and nothing else."""
    method = getattr(base, verb)
    declared = _arguments(method)
    described = re.findall(r"`(\w+): ", inspect.getdoc(method) or "")
    assert declared + described == _arguments(getattr(hookspecs, verb))


@pytest.mark.parametrize("verb", hookspecs.VERBS)
def test_an_unwritten_verb_names_the_class_and_itself(verb: str) -> None:
    """Calling what a connector did not implement says so."""
    base = SyncConnector if verb == "do" else AsyncConnector

    class Empty(base):  # type: ignore[misc, valid-type]
        task_type_name = "empty"

    arguments = ("template", "prefix") if verb in ("create", "do") else ("meta",)
    with pytest.raises(NotImplementedError, match=rf"Empty does not implement {verb}$"):
        getattr(Empty(), verb)(*arguments)


def test_the_entry_point_group_is_the_marker() -> None:
    """Plugins declare themselves under the same name that pluggy marks them with."""
    assert hookspecs.PROJECT == hookspecs.hookimpl.project_name == "flyte.connectors"
    assert re.fullmatch(r"[1-9]\d*", str(hookspecs.HOOK_API))
