"""The fields of a job: what is taken, and how each wrong one is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from flyte_connectors.errors import InvalidRequestError
from flyteidl2.core.tasks_pb2 import TaskTemplate
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

from flyte_connectors_batch_job import BatchJobConfig

if TYPE_CHECKING:
    from batch_jobs import Jobs

    from flyte_connectors_batch_job.backends.local.spool import Spool

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
NAMES = WORDS.filter(lambda name: name and "=" not in name)


def struct(fields: dict[str, Any]) -> Struct:
    """`custom` as it travels."""
    custom = Struct()
    custom.update(fields)
    return custom


@given(
    command=st.none() | st.tuples(NAMES, WORDS, WORDS).map(list),
    env=st.dictionaries(NAMES, WORDS, max_size=3),
    timeout_seconds=st.floats(0, 1e9, exclude_min=True) | st.integers(1, 10**9),
)
def test_a_config_survives_its_way_through_custom(**fields: Any) -> None:
    """What the author wrote is what the connector reads."""
    config = BatchJobConfig(**fields)
    assert BatchJobConfig.from_custom(struct(config.to_custom())) == config


def test_custom_is_never_empty() -> None:
    """Flyte's back end can't create a task without `custom`."""
    assert BatchJobConfig().to_custom() == {"timeout_seconds": 300}


def test_the_cores_own_fields_are_left_alone() -> None:
    """`configs` is a name of the core's contract, not a misspelled field; jobs have the `secrets`, too."""
    custom = struct({"secrets": {"key": "name"}, "configs": {"a": "b"}})
    assert BatchJobConfig.from_custom(custom) == BatchJobConfig(secrets={"key": "name"})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"comand": ["x"]}, "custom.comand: unknown field; available: command, "),
        ({"command": "ls -l"}, "custom.command: a string: give a list of program and arguments"),
        ({"command": []}, "custom.command: empty"),
        ({"command": [""]}, "custom.command: empty"),
        ({"command": ["ls", 1]}, "custom.command[1]: expected str, got 1"),
        ({"command": ["a\0b"]}, "custom.command: must not contain NUL"),
        ({"script": " "}, "custom.script: must be the text of a script"),
        ({"script": ["x"]}, "custom.script: expected str"),
        ({"script": "x", "command": ["x"]}, "custom.script: set beside custom.command"),
        ({"env": ["A=1"]}, "custom.env: expected "),
        ({"env": {"A": 1}}, "custom.env.A: must be a string"),
        ({"env": {"A": "\0"}}, "custom.env.A: must be a string without NUL"),
        ({"env": {"A=B": "x"}}, "custom.env: 'A=B' is not a valid name"),
        ({"working_directory": "tmp"}, "custom.working_directory: 'tmp' must be the absolute path"),
        (
            {"working_directory": "/no/such"},
            "custom.working_directory: '/no/such' must be a directory on the service's machine",
        ),
        ({"timeout_seconds": 0}, "custom.timeout_seconds: 0.0 must be a number of seconds greater"),
        ({"timeout_seconds": -1}, "custom.timeout_seconds: -1.0 must be"),
        ({"timeout_seconds": "60"}, "custom.timeout_seconds: expected float, got '60'"),
        ({"timeout_seconds": True}, "custom.timeout_seconds: expected float, got True"),
        ({"timeout_seconds": float("inf")}, "custom: not a JSON object: "),
    ],
)
def test_a_wrong_field_is_refused_by_name_and_leaves_no_job(
    jobs: Jobs, spool: Spool, fields: dict[str, Any], message: str
) -> None:
    """The error names the field, and nothing has been submitted."""
    task = TaskTemplate(type="batch_job", custom=struct(fields))
    with pytest.raises(InvalidRequestError) as caught:
        jobs.connector.create(task, "", {}, idempotency_key="bad")
    assert caught.value.message.startswith(message)
    assert not spool.job("bad").exists()


def test_env_values_are_not_in_messages(jobs: Jobs) -> None:
    """They may be secrets."""
    with pytest.raises(InvalidRequestError) as caught:
        jobs.start("true", env={"PASSWORD": "hunter2\0"})
    assert "hunter2" not in caught.value.message
