"""Serialized messages that are named on the command line."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.io import storage

M = TypeVar("M", bound=Message)


def read_message(flag: str, uri: str, message: M) -> M:
    """Fill `message` from the file at a path or URI.

    Raises:
        InvalidRequestError: it can't be read, or holds something else; names the flag.
    """
    try:
        message.ParseFromString(storage.read_bytes(uri))
    except OSError as error:
        raise InvalidRequestError(f"can't read {uri}: {error.strerror or error}", field=flag) from error
    except DecodeError as error:
        name = message.DESCRIPTOR.full_name
        raise InvalidRequestError(f"{uri} is not a serialized {name}", field=flag) from error
    return message
