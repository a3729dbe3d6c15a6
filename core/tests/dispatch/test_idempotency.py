"""One key for one attempt: safe as a job name, the same everywhere, different from all others."""

from __future__ import annotations

import re
import subprocess
import sys

from flyte_connectors._dispatch.idempotency import MAX_LENGTH, idempotency_key
from flyteidl2.core.identifier_pb2 import TaskExecutionIdentifier
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
IDENTIFIERS = st.tuples(TEXT, TEXT, TEXT, TEXT.filter(bool), TEXT, st.integers(0, 2**32 - 1))


def _identifier(fields: tuple[str, str, str, str, str, int]) -> TaskExecutionIdentifier:
    org, project, domain, run, action, attempt = fields
    message = TaskExecutionIdentifier(retry_attempt=attempt)
    node = message.node_execution_id
    node.node_id = action
    execution = node.execution_id
    execution.org, execution.project, execution.domain, execution.name = org, project, domain, run
    return message


@given(IDENTIFIERS)
def test_a_key_is_a_dns_label(fields: tuple[str, str, str, str, str, int]) -> None:
    """Whatever the names are, the key is what most systems accept as a job name (RFC 1123)."""
    key = idempotency_key(_identifier(fields))
    assert len(key) <= MAX_LENGTH
    assert re.fullmatch(r"[a-z][a-z0-9-]*[a-z0-9]", key)


@given(IDENTIFIERS)
def test_the_same_attempt_has_the_same_key(fields: tuple[str, str, str, str, str, int]) -> None:
    """A replay finds its job again."""
    assert idempotency_key(_identifier(fields)) == idempotency_key(_identifier(fields))


@given(IDENTIFIERS, IDENTIFIERS)
def test_different_attempts_have_different_keys(
    one: tuple[str, str, str, str, str, int], other: tuple[str, str, str, str, str, int]
) -> None:
    """No two attempts share a job."""
    same_key = idempotency_key(_identifier(one)) == idempotency_key(_identifier(other))
    assert same_key == (one == other)


@given(st.lists(TEXT, min_size=6, max_size=6), st.integers(0, 4), st.integers(0, 4))
def test_names_are_told_apart(words: list[str], one: int, other: int) -> None:
    """No separator within a name can make two identifiers one."""
    fields = [(*words[:split], f"{words[split]}\0{words[split + 1]}", *words[split + 2 :]) for split in (one, other)]
    keys = [idempotency_key(_identifier((*names, 0))) for names in fields if names[3]]
    assert len(set(keys)) == len({names for names in fields if names[3]})


def test_a_new_attempt_has_a_new_key() -> None:
    """A retry is a job of its own, and people can see which."""
    keys = [idempotency_key(_identifier(("", "p", "d", "run1", "a0", n))) for n in range(3)]
    assert [key.rsplit("-", 1)[0] for key in keys] == ["run1-a0-0", "run1-a0-1", "run1-a0-2"]


def test_the_key_is_the_same_in_every_process() -> None:
    """Nothing random and nothing of this process (such as hash seeds) is in it."""
    code = (
        "from flyteidl2.core.identifier_pb2 import TaskExecutionIdentifier as T;"
        "from flyte_connectors._dispatch.idempotency import idempotency_key;"
        "m = T(); m.node_execution_id.execution_id.name = 'run1'; print(idempotency_key(m))"
    )
    here = idempotency_key(_identifier(("", "", "", "run1", "", 0)))
    there = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert there.stdout.strip() == here


def test_without_a_run_every_call_has_a_key_of_its_own() -> None:
    """Callers that name no run must not share a job."""
    keys = {idempotency_key(TaskExecutionIdentifier()) for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch(r"[a-z][a-z0-9-]{1,62}", key) for key in keys)
