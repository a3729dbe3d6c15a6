"""Secrets: found where they should be, and masked wherever else they turn up."""

from __future__ import annotations

import asyncio
import base64
import contextvars
import io
import json
import logging
import pathlib
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest
from flyte_connectors import ConnectorSecretsMixin, Secret
from flyte_connectors._calls.log_filter import RedactingFilter
from flyte_connectors._dispatch.project_secrets import of_project
from flyte_connectors._masking import MASK, masker
from flyte_connectors.errors import AuthenticationError, ConnectorError, InvalidRequestError
from flyte_connectors.secrets import (
    SecretValue,
    holds_secret,
    mask,
    protected,
    redact,
    resolve,
    secret_names,
)
from google.protobuf.struct_pb2 import Struct
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CANARY = 'can"ary/ü+ß'
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
# A mask within a secret could not be told from a mask.
SECRETS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="*"), min_size=4).filter(
    lambda value: len(" ".join(value.split())) >= 4
)
PEM = "-----BEGIN KEY-----\nMIIEvQ\nIBADAN\n-----END KEY-----\n"


def _spellings(secret: str) -> list[str]:
    """How a secret turns up in texts."""
    return [
        secret,
        urllib.parse.quote(secret, safe=""),
        json.dumps(secret),
        base64.b64encode(secret.encode()).decode(),
    ]


@given(SECRETS, st.lists(TEXT, min_size=2, max_size=4), st.integers(0, 3))
def test_no_spelling_of_a_secret_survives(secret: str, texts: list[str], spelling: int) -> None:
    """Plain, quoted for a URL, in JSON and in base64, wherever in a text."""
    spelled = _spellings(secret)[spelling]
    shown = redact(spelled.join(texts), {"s": secret})
    assert secret not in shown
    assert spelled.strip('"') not in shown


@given(st.lists(SECRETS, min_size=1, max_size=4), TEXT)
def test_several_secrets_are_masked_wholly(secrets: list[str], text: str) -> None:
    """Also when one of them is a part of another."""
    secrets.append(secrets[0] + "tail-of-it")
    with protected({str(number): secret for number, secret in enumerate(secrets)}):
        shown = redact(text + "\0".join(secrets))
    assert "tail-of-it" not in shown
    assert not any(secret in shown for secret in secrets)


@given(SECRETS)
def test_an_error_shows_no_secret(secret: str) -> None:
    """An error's text is one line: a secret of several lines is masked in that form, too."""
    shown = redact(ConnectorError(f"login with {secret} failed").message, {"s": secret})
    assert " ".join(secret.split()) not in shown


def test_a_private_key_is_masked_in_an_error() -> None:
    """The line breaks of a PEM block are gone by then."""
    shown = redact(ConnectorError(f"bad key {PEM!s} given").message, {"key": PEM})
    assert "MIIEvQ" not in shown
    assert shown == f"bad key {MASK} given"


@given(
    st.recursive(
        st.just(CANARY) | st.integers() | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(TEXT | st.just(CANARY), inner),
        max_leaves=10,
    )
)
def test_nothing_nested_keeps_a_secret(value: Any) -> None:
    """Keys, values and list items of JSON-like data are masked."""
    assert CANARY not in repr(masker(frozenset({CANARY})).mask_value(value))


def test_other_data_stays_as_it_is() -> None:
    """Masking changes nothing but secrets."""
    value = {"a": [1, 2.5, None, True, "text"], "b": {"c": "d"}}
    assert masker(frozenset({CANARY})).mask_value(value) == value


def test_short_values_are_left_alone() -> None:
    """Masking every `a` would hide the message, not the secret."""
    assert redact("a banana", {"s": "a"}) == "a banana"
    assert redact("a ban ana", {"s": "a    \n"}) == "a ban ana"
    assert redact("a banana", {"s": "     "}) == "a banana"


def test_protection_ends_with_its_block() -> None:
    """And nested blocks add up."""
    with protected({"a": "outer-secret"}):
        with protected({"b": "inner-secret"}):
            assert redact("outer-secret inner-secret") == f"{MASK} {MASK}"
        assert redact("outer-secret inner-secret") == f"{MASK} inner-secret"
    assert redact("outer-secret") == "outer-secret"


async def test_protection_is_of_the_call() -> None:
    """Calls that run at the same time do not mask each other's words; their own tasks and threads do."""

    async def other() -> str:
        return redact("my-secret")

    before = contextvars.copy_context()
    with protected({"s": "my-secret"}):
        assert await asyncio.create_task(other()) == MASK
        assert await asyncio.to_thread(redact, "my-secret") == MASK
        assert before.run(redact, "my-secret") == "my-secret"


async def test_a_connector_adds_what_it_derives() -> None:
    """Masked in the whole call, whichever task of it derived the value, and forgotten afterwards."""

    async def log_in() -> None:
        mask("session-of-the-call")

    for secrets in ({}, {"s": "my-secret"}):
        with protected(secrets):
            await asyncio.create_task(log_in())
            assert redact("session-of-the-call") == MASK
        assert redact("session-of-the-call") == "session-of-the-call"


def test_what_is_masked_outside_of_calls_is_masked_in_all() -> None:
    """A thread of the connector's own, which keeps a token fresh, belongs to no call."""
    thread = threading.Thread(target=mask, args=("token-of-the-background",))
    thread.start()
    thread.join()
    assert redact("token-of-the-background") == MASK
    with protected({"s": "my-secret"}):
        assert redact("token-of-the-background my-secret") == f"{MASK} {MASK}"


def test_a_secret_in_bytes_is_found() -> None:
    """So that a meta with a secret in it is not stored."""
    with protected({"s": CANARY}):
        for spelled in _spellings(CANARY):
            assert holds_secret(b'{"token": ' + spelled.encode() + b"}")
        assert not holds_secret(b"can ary")


def test_an_error_takes_the_secrets_of_its_block_along() -> None:
    """Whoever reports it must not show them; the next call has nothing of them, however many have failed."""
    context = contextvars.copy_context()

    def fail(number: int) -> None:
        with protected({"s": f"secret-number-{number}"}):
            mask(f"token-number-{number}")
            raise ValueError

    for number in range(2000):
        with pytest.raises(ValueError):
            context.run(fail, number)
        assert context.run(redact, f"secret-number-{number}") == MASK
    assert context.run(redact, "secret-number-7 token-number-7") == "secret-number-7 token-number-7"


class TestMask:
    """What a connector derives from its secrets."""

    async def test_what_a_thread_or_a_task_adds_is_masked_for_the_whole_call(self) -> None:
        """They share the set of the call that made them."""

        async def fetch() -> None:
            mask("token-of-a-task")

        with protected({"s": "my-secret"}):
            await asyncio.to_thread(mask, "token-of-a-thread")
            await asyncio.create_task(fetch())
            assert redact("token-of-a-thread token-of-a-task my-secret") == "*** *** ***"

    def test_an_inner_block_tells_the_outer_one(self) -> None:
        """They belong to one call."""
        with protected({"a": "outer-secret"}):
            with protected({"b": "inner-secret"}):
                mask("derived-secret")
            assert redact("derived-secret") == MASK

    def test_only_the_latest_are_kept(self) -> None:
        """A call that goes on for days can't fill the memory; what it came with stays."""
        with protected({"s": "my-secret"}):
            for number in range(1000):
                mask(f"token-{number}-of-many")
            assert redact("token-999-of-many my-secret") == f"{MASK} {MASK}"
            assert redact("token-1-of-many") == "token-1-of-many"


def test_a_secret_value_does_not_show_itself() -> None:
    """Neither its own `repr` nor that of what holds it."""
    value = SecretValue(CANARY)
    assert value == CANARY
    assert CANARY not in repr({"token": value})
    assert f"Bearer {value}" == f"Bearer {CANARY}"


class TestResolving:
    """Where a secret's value comes from."""

    def test_what_was_sent_comes_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The back end's value wins over this process's."""
        monkeypatch.setenv("FLYTE_SECRET_DB_PASSWORD", "ours")
        assert resolve({"password": "db-password"}, {"password": "sent"}) == {"password": "sent"}

    def test_the_environment_is_next(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Under the secret's name, spelled as a variable."""
        monkeypatch.setenv("FLYTE_SECRET_DB_PASSWORD", "from the environment")
        found = resolve({"password": "db-password"}, {})
        assert found == {"password": "from the environment"}
        assert isinstance(found["password"], SecretValue)

    def test_mounted_files_are_last(self, tmp_path: pathlib.Path) -> None:
        """Kubernetes mounts one file for each; an editor's newline at the end is no part of it."""
        (tmp_path / "secrets").mkdir()
        (tmp_path / "secrets" / "db-password").write_text("from a file\n")
        assert resolve({"password": "db-password"}, {}) == {"password": "from a file"}

    @pytest.mark.parametrize("name", ["../outside", "/etc/hostname", ".", "..", ".hidden", "a/b", "a\0b"])
    def test_no_other_file_is_read(self, name: str, tmp_path: pathlib.Path) -> None:
        """A request can't read this machine's files by naming them as secrets."""
        (tmp_path / "secrets" / "a").mkdir(parents=True)
        for path in ("outside", "secrets/.hidden", "secrets/a/b"):
            (tmp_path / path).write_text("not a secret of a task")
        with pytest.raises(AuthenticationError):
            resolve({"argument": name}, {})

    def test_no_other_variable_is_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A request can't read this service's environment, except in a local run of its own user."""
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the operator's")
        names = {"argument": "AWS_SECRET_ACCESS_KEY"}
        with pytest.raises(AuthenticationError) as caught:
            resolve(names, {})
        assert "the operator's" not in caught.value.message
        assert resolve(names, {}, local=True) == {"argument": "the operator's"}

    def test_a_file_that_is_no_text_is_named(self, tmp_path: pathlib.Path) -> None:
        """With the way out, and without its content."""
        (tmp_path / "secrets").mkdir()
        (tmp_path / "secrets" / "key").write_bytes(b"\xffcontent")
        for ask in (
            lambda: resolve({"argument": "key"}, {}),
            lambda: ConnectorSecretsMixin(secrets={"key": "NO_SUCH_VARIABLE"}).secret("key"),
        ):
            with pytest.raises(AuthenticationError, match=r"'key' is not UTF-8 text: .*base64") as caught:
                ask()
            assert "content" not in str(caught.value)
            assert caught.value.__suppress_context__

    def test_an_unknown_secret_says_where_it_could_be(self) -> None:
        """By name, with the variable and the file to set."""
        with pytest.raises(AuthenticationError, match=r"secret 'db' .* FLYTE_SECRET_DB or the file"):
            resolve({"password": "db"}, {})


PARTS = st.one_of(
    st.sampled_from(["team-a", "production", "key", "..", ".", "", "a/b", "Team-A", "team-a ", "key\0"]),
    st.text(max_size=8),
)


class TestOfProject:
    """Secrets of projects: one folder for each project and domain."""

    @given(project=PARTS, domain=PARTS, name=PARTS)
    @settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_no_name_leads_to_another_projects_secret(
        self,
        project: str,
        domain: str,
        name: str,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: pathlib.Path,
    ) -> None:
        """Whatever a task and its execution are called: refused, or looked up in the project's own folder."""
        read: list[pathlib.Path] = []
        monkeypatch.setattr(pathlib.Path, "read_bytes", lambda path: [read.append(path), b"v"][1])
        try:
            names = of_project({"key": name}, project, domain)
        except InvalidRequestError:
            return
        assert resolve(names, {}) == {"key": "v"}
        folder = tmp_path / "secrets" / project / domain
        assert read == [folder / name]
        assert (project, domain, name) == read[0].relative_to(tmp_path / "secrets").parts

    def test_each_project_has_its_own(self, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
        """The domain's first, then the project's; no variable, and no file of another folder."""
        for path, text in (
            ("team-a/production/key", "of a in production"),
            ("team-a/key", "of a"),
            ("team-b/production/key", "of b"),
            ("key", "of the service"),
        ):
            (tmp_path / "secrets" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "secrets" / path).write_text(text)
        monkeypatch.setenv("FLYTE_SECRET_KEY", "of the service")

        def found(project: str, domain: str) -> str:
            return resolve(of_project({"k": "key"}, project, domain), {})["k"]

        assert found("team-a", "production") == "of a in production"
        assert found("team-a", "staging") == "of a"
        assert found("team-b", "production") == "of b"
        with pytest.raises(AuthenticationError, match=r"team-c/staging: add the file .*/team-c/staging/key"):
            found("team-c", "staging")

    @pytest.mark.parametrize("name", ["../../team-b/production/key", "a/b", ".key", "kéy", "key "])
    def test_a_path_is_not_a_name(self, name: str) -> None:
        """Nor is what has several spellings."""
        with pytest.raises(InvalidRequestError, match=r"custom\.secrets\.k: .* can't be a secret's name"):
            of_project({"k": name}, "team-a", "production")

    @pytest.mark.parametrize("project", ["", "..", "Team-A", "team_a", "team\u2010a", "a/b"])
    def test_a_project_is_a_folder(self, project: str) -> None:
        """An execution without one has no secrets."""
        with pytest.raises(InvalidRequestError, match="secrets belong to projects here"):
            of_project({"k": "key"}, project, "production")
        assert of_project({}, project, "production") == {}


class TestSecretNames:
    """The `secrets` table of a task's `custom`."""

    @staticmethod
    def _custom(table: Any) -> Struct:
        custom = Struct()
        custom.update({"secrets": table})
        return custom

    def test_it_maps_arguments_to_names(self) -> None:
        """None is fine, too."""
        assert secret_names(self._custom({"password": "db"})) == {"password": "db"}
        assert secret_names(Struct()) == {}

    @pytest.mark.parametrize("table", ["db", 3, ["db"], {"password": 3}, {"": "db"}, {"a": None}, None])
    def test_anything_else_is_refused(self, table: Any) -> None:
        """With the field's name."""
        with pytest.raises(InvalidRequestError, match=r"custom.secrets: must map each"):
            secret_names(self._custom(table))

    @pytest.mark.parametrize("name", ["a\0b", "a\nb", "\x1b[31m"])
    def test_a_name_with_control_characters_is_refused(self, name: str) -> None:
        """No file and no variable can have it."""
        with pytest.raises(InvalidRequestError, match=r"custom.secrets.password: .*control char"):
            secret_names(self._custom({"password": name}))


class TestMixin:
    """Secrets of a connector's own."""

    def test_they_are_requests_for_the_deployment(self) -> None:
        """Each with the variable it is mounted as."""
        mixin = ConnectorSecretsMixin(secrets={"token": "MY_TOKEN"})
        assert mixin.secrets == [Secret(key="token", as_env_var="MY_TOKEN")]
        assert ConnectorSecretsMixin().secrets == []

    def test_a_missing_one_says_what_to_set(self) -> None:
        """Its variable, or its file."""
        with pytest.raises(AuthenticationError, match="secret 'token' is not mounted: set MY_TOKEN"):
            ConnectorSecretsMixin(secrets={"token": "MY_TOKEN"}).secret("token")

    def test_a_mounted_file_will_do(self, tmp_path: pathlib.Path) -> None:
        """The value is protected against being shown."""
        (tmp_path / "secrets").mkdir()
        (tmp_path / "secrets" / "token").write_text("t0ken\n")
        value = ConnectorSecretsMixin(secrets={"token": "MY_TOKEN"}).secret("token")
        assert value == "t0ken"
        assert "t0ken" not in repr(value)


class TestLogFilter:
    """Log records of a call."""

    @pytest.fixture
    def log(self) -> Iterator[tuple[logging.Logger, io.StringIO]]:
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.addFilter(RedactingFilter())
        logger = logging.getLogger("test of the log filter")
        logger.propagate = False
        logger.addHandler(handler)
        yield logger, stream
        logger.removeHandler(handler)

    def test_message_and_arguments_are_masked(self, log: tuple[logging.Logger, io.StringIO]) -> None:
        """However the text is put together."""
        logger, stream = log
        with protected({"s": "my-secret"}):
            logger.warning("plain my-secret, argument %s", {"token": "my-secret"})
        assert stream.getvalue() == f"plain {MASK}, argument {{'token': '{MASK}'}}\n"

    def test_a_traceback_is_masked(self, log: tuple[logging.Logger, io.StringIO]) -> None:
        """Also when another handler has formatted it already."""
        logger, stream = log
        first = io.StringIO()
        plain = logging.StreamHandler(first)
        logger.handlers.insert(0, plain)
        with protected({"s": "my-secret"}):
            try:
                raise ValueError("my-secret")  # noqa: TRY301  (to be logged)
            except ValueError:
                logger.exception("failed")
        logger.removeHandler(plain)
        assert "ValueError" in stream.getvalue()
        assert "my-secret" not in stream.getvalue()

    def test_a_bad_format_does_not_break_the_caller(self, log: tuple[logging.Logger, io.StringIO]) -> None:
        """Logging never raises into the code that logs, nor shows the arguments instead."""
        logger, stream = log
        with protected({"s": "my-secret"}):
            logger.warning("%d rows", "my-secret")
        assert "my-secret" not in stream.getvalue()
        assert "%d rows" in stream.getvalue()

    def test_records_of_threads_are_masked(self, log: tuple[logging.Logger, io.StringIO]) -> None:
        """A thread that carries the call's context."""
        logger, stream = log
        with protected({"s": "my-secret"}):
            context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(logger.warning, "my-secret"))
        thread.start()
        thread.join()
        assert stream.getvalue() == f"{MASK}\n"
