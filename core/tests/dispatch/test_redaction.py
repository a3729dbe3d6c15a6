"""Messages that leave: every text in them is masked, and nothing else changes."""

from __future__ import annotations

import pytest
from flyte_connectors._dispatch.redaction import redact_message, redacted
from flyte_connectors._masking import MASK
from flyte_connectors.secrets import mask, protected
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.literals_pb2 import Literal, LiteralMap
from flyteidl2.logs.dataplane.payload_pb2 import LogLine
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

CANARY = 'c4n4ry/of "messages"'

MESSAGES: list[Message] = [
    LogLine(message=f"using {CANARY}"),
    pb.GetTaskLogsResponse(body={"lines": [{"message": CANARY}], "results": ["plain", CANARY]}),
    pb.GetTaskLogsResponse(header={"token": f"page-of-{CANARY}"}),
    pb.GetTaskMetricsResponse(results=[{"metric": CANARY, "data": {CANARY: {"list": [1, CANARY, {"deep": CANARY}]}}}]),
    pb.Resource(
        message=CANARY,
        log_links=[{"uri": CANARY, "name": CANARY}],
        custom_info={"a": {"b": CANARY}, CANARY: 1},
    ),
    pb.CreateTaskRequest(task_execution_metadata={"labels": {CANARY: CANARY, "other": "label"}}),
    LiteralMap(literals={CANARY: Literal(map=LiteralMap(literals={CANARY: Literal(hash=CANARY)}))}),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_no_text_of_a_message_holds_a_secret(message: Message) -> None:
    """Plain and repeated fields, nested messages, keys and values of maps and of JSON."""
    with protected({"s": CANARY}):
        shown = redacted(message)
    data = shown.SerializeToString()
    assert b"c4n4ry" not in data
    assert MASK.encode() in data
    assert b"c4n4ry" in message.SerializeToString()  # the connector's own message stays as it is


def test_masking_in_place_keeps_everything_else() -> None:
    """Numbers, structure, and texts without secrets."""
    resource = pb.Resource(custom_info={"a": [1.5, True, None, "text"], "b": {"c": CANARY}})
    with protected({"s": CANARY}):
        redact_message(resource)
    assert resource == pb.Resource(custom_info={"a": [1.5, True, None, "text"], "b": {"c": MASK}})


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_a_message_without_secrets_is_handed_on_as_it_is(texts: list[str]) -> None:
    """Not even copied."""
    response = pb.GetTaskLogsResponse(body={"results": texts})
    assert redacted(response) is response
    with protected({"s": "a-secret-of-nobody"}):
        assert redacted(response) is response


def test_what_a_connector_adds_is_masked() -> None:
    """From then on, in the same call."""
    line = LogLine(message="token-of-the-session")
    with protected({}):
        assert redacted(line).message == "token-of-the-session"
        mask("token-of-the-session")
        assert redacted(line).message == MASK


def test_what_is_no_message_is_handed_on() -> None:
    """Whoever serializes it says what is wrong with it."""
    with protected({"s": CANARY}):
        assert redacted("text") == "text"
