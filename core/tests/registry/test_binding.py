"""Verification at registration: what breaks the contract is refused, what keeps it is bound."""

from __future__ import annotations

import dataclasses
import functools
import socket
import types
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from flyte_connectors import (
    AsyncConnector,
    Resource,
    ResourceMeta,
    SyncConnector,
    hookimpl,
)
from flyte_connectors._registry.binding import bind as bind_plugin
from flyte_connectors.bound import BoundConnector, Mode
from flyte_connectors.errors import RegistrationError, UnsupportedVerbError


class Meta(ResourceMeta):
    job: str


class Complete(AsyncConnector[Meta]):
    name = "Complete"
    task_type_name = "complete"
    metadata_type = Meta

    async def create(self, **kwargs: Any) -> Meta:
        return Meta(job="j")

    async def get(self, resource_meta: Meta, **kwargs: Any) -> Resource:
        raise NotImplementedError

    async def delete(self, resource_meta: Meta) -> None:
        raise NotImplementedError


class Quick(SyncConnector):
    name = "Quick"
    task_type_name = "quick"

    def do(self, inputs: Any) -> Resource:
        raise NotImplementedError


def bind(plugin: Any) -> BoundConnector:
    return bind_plugin(plugin, source="here 1.0")


def altered(**attributes: Any) -> Any:
    """An instance of `Complete` with some attributes changed; None takes one away."""
    taken = {name for name, value in attributes.items() if value is None}
    base = types.new_class(
        "Altered",
        (AsyncConnector,),
        exec_body=lambda body: body.update(
            {
                **{
                    name: value
                    for name, value in vars(Complete).items()
                    if not name.startswith("__") and name not in taken
                },
                **{name: value for name, value in attributes.items() if value is not None},
            }
        ),
    )
    return base()


def test_the_verbs_of_a_class_are_bound() -> None:
    """Those it implements, in the order of a job's life, without the inherited stubs."""
    bound = bind(Complete())
    assert list(bound.verbs) == ["create", "get", "delete"]
    assert bound.metadata_type is Meta
    assert not bound.is_sync
    assert repr(bound) == "<Complete for 'complete' version 0 from here 1.0>"


def test_inherited_verbs_count() -> None:
    """A connector may get its verbs from a base class or a mixin."""

    class Logs:
        async def get_logs(self, resource_meta: Meta) -> AsyncIterator[Any]:
            yield None

    class Derived(Logs, Complete):
        task_type_name = "derived"

    assert list(bind(Derived()).verbs) == ["create", "get", "delete", "get_logs"]


def test_a_missing_verb_is_a_clear_error() -> None:
    """The connector's author learns which one."""
    with pytest.raises(UnsupportedVerbError) as caught:
        bind(Complete()).verb("get_logs")
    assert caught.value.message == "Complete (task type 'complete' version 0) does not support get_logs"


def test_a_sync_connector_needs_only_do() -> None:
    """It has no metas."""
    bound = bind(Quick())
    assert bound.is_sync
    assert bound.metadata_type is None


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        (altered(create=None), r"Complete does not implement create$"),
        (
            altered(delete=None, dlete=Complete.delete),
            r"does not implement delete \(is dlete meant to be delete\?\)",
        ),
        (altered(task_type_name=None), "has no task_type_name: set it"),
        (altered(task_type_name=""), "has no task_type_name: set it"),
        (altered(task_type_version=-1), "task_type_version -1: it must be a whole number from 0"),
        (altered(task_type_version="1"), "task_type_version '1'"),
        (altered(task_type_version=True), "task_type_version True"),
        (altered(hook_api=2), "written for hook API 2, this flyte-connectors has 1: install"),
        (altered(metadata_type=None), "has no metadata_type: set it to its ResourceMeta class"),
        (altered(metadata_type=dict), "has no metadata_type"),
        (
            altered(do=Quick.do),
            "has do and create, delete, get: a task type is either sync or async",
        ),
        (object(), "object has no task_type_name"),
    ],
)
def test_what_breaks_the_contract_is_refused(plugin: Any, said: str) -> None:
    """Before any request; the message names the connector, the fault and how to fix it."""
    with pytest.raises(RegistrationError, match=said):
        bind(plugin)


def test_an_argument_that_the_hook_lacks_is_refused() -> None:
    """It would never be passed."""

    class Wishful(Complete):
        async def get(self, resource_meta: Meta, job_id: str) -> Resource:  # type: ignore[override]
            raise NotImplementedError

    with pytest.raises(RegistrationError) as caught:
        bind(Wishful())
    secret = "a secret is a keyword argument: write `*, my_secret: str`"
    assert caught.value.message == f"Complete: get has no argument 'job_id'; {secret}"

    class Misspelt(Complete):
        async def get(self, resource_mate: Meta) -> Resource:  # type: ignore[override]
            raise NotImplementedError

    with pytest.raises(RegistrationError, match=r"^Complete: get has no argument .*; did you mean 'resource_meta'\?$"):
        bind(Misspelt())


@pytest.mark.parametrize("base", [Complete, object])
def test_a_misspelled_hook_is_refused(base: type) -> None:
    """What carries the marker must be a hook, in a class of ours and in any other."""

    class Typo(base):  # type: ignore[misc]
        name = "Typo"
        task_type_name = "typo"
        metadata_type = Meta
        create = hookimpl(lambda self: None)
        get = hookimpl(lambda self, resource_meta: None)
        delete = hookimpl(lambda self, resource_meta: None)

        @hookimpl
        async def get_log(self, resource_meta: Meta) -> None:
            pass

    with pytest.raises(RegistrationError, match="Typo: unknown hook 'get_log'"):
        bind(Typo())


def test_properties_are_not_evaluated() -> None:
    """Verifying a connector does not open its connections."""

    class Lazy(Complete):
        @property
        def client(self) -> Any:
            raise AssertionError

    assert bind(Lazy()).name == "Complete"


def test_a_meta_that_can_not_be_stored_is_refused() -> None:
    """At registration, not after the first job has been submitted."""

    @dataclasses.dataclass
    class WithSocket(ResourceMeta):
        connection: socket.socket

    with pytest.raises(RegistrationError, match="Complete: WithSocket can't be stored"):
        bind(altered(metadata_type=WithSocket))


def test_a_module_with_hook_implementations_is_bound() -> None:
    """Its undecorated functions are left alone."""
    module = types.ModuleType("my_plugin")
    vars(module).update(
        task_type_name="module_type",
        metadata_type=Meta,
        create=hookimpl(lambda task_template: None),
        get=hookimpl(lambda resource_meta: None),
        delete=hookimpl(lambda resource_meta: None),
        get_logs=lambda resource_meta: None,
    )
    bound = bind(module)
    assert bound.name == "my_plugin"
    assert list(bound.verbs) == ["create", "get", "delete"]


def test_each_connector_answers_for_itself() -> None:
    """No connector's verb can be answered by one that was registered later."""

    class Other(Complete):
        task_type_name = "other"

        async def create(self, **kwargs: Any) -> Meta:
            return Meta(job="other")

    first, second = bind(Complete()), bind(Other())
    assert first.verb("create").function.__self__ is first.plugin  # type: ignore[attr-defined]
    assert second.verb("create").function.__self__ is second.plugin  # type: ignore[attr-defined]


def _plain(resource_meta: Any) -> None: ...
async def _coroutine(resource_meta: Any) -> None: ...
async def _async_generator(resource_meta: Any) -> AsyncIterator[None]:
    yield


@functools.wraps(_plain)
def _wrapped(*args: Any) -> None:
    _plain(*args)


def _generator(resource_meta: Any) -> Iterator[None]:
    yield


@pytest.mark.parametrize(
    ("function", "mode"),
    [
        (_plain, Mode.THREAD),
        (_generator, Mode.THREAD),
        (_coroutine, Mode.COROUTINE),
        (_async_generator, Mode.ASYNC_GENERATOR),
        (_wrapped, Mode.THREAD),
    ],
)
def test_a_function_decides_how_it_is_run(function: Any, mode: Mode) -> None:
    """Coroutines on the loop, plain functions in a thread."""
    plugin = types.SimpleNamespace(
        task_type_name="t",
        metadata_type=Meta,
        create=hookimpl(lambda: None),
        delete=hookimpl(lambda: None),
        get=hookimpl(lambda: None),
        get_logs=hookimpl(function),
    )
    assert bind(plugin).verb("get_logs").mode is mode


def test_a_verb_gets_only_what_it_takes() -> None:
    """Arguments it does not declare are left out; `**kwargs` takes them all."""
    bound = bind(Complete())
    given = {"resource_meta": Meta(job="j"), "token_secret": "s"}
    assert bound.verb("get").select(given) == given
    assert set(bound.verb("delete").select(given)) == {"resource_meta"}


def test_calls_are_counted_for_each_verb_and_connector() -> None:
    """Two connectors of one class do not share numbers."""
    one, other = bind(Complete()), bind(Complete())
    one.verb("get").calls.observe("OK", 0.1)
    assert one.verb("get").calls.by_code == {"OK": 1}
    assert not other.verb("get").calls.by_code
    assert not one.verb("create").calls.by_code


async def _names_the_key(self: Any, inputs: Any, *, idempotency_key: str, **kw: Any) -> Meta:
    raise NotImplementedError


async def _takes_everything(self: Any, **idempotency_key: Any) -> Meta:
    raise NotImplementedError


async def _takes_inputs(self: Any, inputs: Any) -> Meta:
    raise NotImplementedError


class TestMayACreateBeRepeated:
    """One fact of the bound connector, read off its signature or stated."""

    def test_who_names_the_key_may_be_repeated(self) -> None:
        """Also behind a decorator that keeps the signature."""

        @functools.wraps(_names_the_key)
        async def decorated(*args: Any, **kwargs: Any) -> Any:
            raise NotImplementedError

        assert bind(altered(create=_names_the_key)).repeatable_create
        assert bind(altered(create=decorated)).repeatable_create

    def test_bare_keyword_arguments_say_nothing(self) -> None:
        """Most connectors have them, for secrets and arguments to come."""
        assert not bind(altered(create=_takes_everything)).repeatable_create
        assert not bind(altered(create=_takes_inputs)).repeatable_create

    @pytest.mark.parametrize("stated", [True, False])
    def test_what_is_stated_wins(self, stated: bool) -> None:
        """For a connector that finds the key in `**kwargs`, or only logs it."""
        for create in (_names_the_key, _takes_everything):
            bound = bind(altered(create=create, repeatable_create=stated))
            assert bound.repeatable_create is stated

    def test_anything_but_a_bool_is_refused(self) -> None:
        """A truthy string would start second jobs."""
        with pytest.raises(RegistrationError, match="repeatable_create 'no': it must be True"):
            bind(altered(repeatable_create="no"))

    def test_a_quick_answer_has_no_create(self) -> None:
        """It is repeated as its contract says."""
        assert not bind(Quick()).repeatable_create
