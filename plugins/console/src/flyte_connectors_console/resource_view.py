"""What a page shows of a `Resource` that a connector has reported."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from flyte_connectors.connector import TERMINAL_PHASES
from google.protobuf.json_format import MessageToDict

from flyte_connectors_console.texts import (
    is_web_address,
    literal_text,
    phase_name,
    plain_text,
    shortened,
)

if TYPE_CHECKING:
    from flyteidl2.connector import connector_pb2 as pb

_MOST = 50


def resource_view(resource: pb.Resource) -> dict[str, Any]:
    """The state of a job as plain data: every text in it is just text."""
    info = MessageToDict(resource.custom_info)
    progress = _fraction(info.pop("progress", None))
    return {
        "phase": phase_name(resource.phase),
        "ended": resource.phase in TERMINAL_PHASES,
        "message": shortened(resource.message),
        "progress": progress,
        "links": [
            {"name": link.name or link.uri, "uri": link.uri if is_web_address(link.uri) else ""}
            for link in resource.log_links[:_MOST]
        ],
        "outputs": [
            {"name": named.name, "value": literal_text(named.value)} for named in resource.outputs.literals[:_MOST]
        ],
        "info": [
            {"name": str(name), "value": shortened(plain_text(value))} for name, value in list(info.items())[:_MOST]
        ],
        "error": "",
    }


def _fraction(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        return None
    return float(min(max(value, 0), 1))
