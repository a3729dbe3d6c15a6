"""A verb of a hosted connector: its arguments, and the error for each way of failing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from flyte_connectors.errors import AuthenticationError

from flyte_connectors_official.hosting.hosted_verb import HostedVerb

SENT = ("resource_meta", "token")


class RefusedError(Exception):
    """As a vendor's client raises it."""

    status_code = 401


async def awaited(resource_meta: Any, **kwargs: Any) -> Any:
    raise RefusedError("bad key")


def plain(resource_meta: Any, **kwargs: Any) -> Any:
    raise RefusedError("bad key")


async def generator(resource_meta: Any, **kwargs: Any) -> AsyncIterator[str]:
    yield "one"
    raise RefusedError("bad key")


@pytest.mark.parametrize("function", [awaited, plain])
async def test_a_failure_is_told(function: Any) -> None:
    """Of a coroutine as of a plain function."""
    verb = HostedVerb("get", function, "Acme", SENT)
    with pytest.raises(AuthenticationError, match=r"^Acme: RefusedError: bad key$"):
        await verb.call({"resource_meta": 1})


async def test_a_failure_in_the_middle_of_a_log_is_told() -> None:
    """After the lines that came before it."""
    verb = HostedVerb("get_logs", generator, "Acme", SENT)
    lines = await verb.call({"resource_meta": 1, "token": "", "lines": 3})
    assert await anext(lines) == "one"
    with pytest.raises(AuthenticationError, match="bad key"):
        await anext(lines)


async def test_what_the_sdk_does_not_send_is_left_out() -> None:
    """Unless the signature names it; secrets always come along."""

    async def get(resource_meta: Any, **kwargs: Any) -> Any:
        return kwargs

    async def get_with_prefix(resource_meta: Any, output_prefix: str, **kwargs: Any) -> Any:
        return {"output_prefix": output_prefix, **kwargs}

    arguments = {"resource_meta": 1, "output_prefix": "s3://b", "api_key": "k"}
    assert await HostedVerb("get", get, "Acme", SENT).call(arguments) == {"api_key": "k"}
    named = HostedVerb("get", get_with_prefix, "Acme", SENT)
    assert await named.call(arguments) == {"output_prefix": "s3://b", "api_key": "k"}
