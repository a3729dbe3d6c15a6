"""Masks the secrets of a call in reply messages."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from flyte_connectors.secrets import current_masker

if TYPE_CHECKING:
    from flyte_connectors._masking import Masker

T = TypeVar("T")


def redacted(item: T) -> T:
    """`item`, or a copy in which every text is masked, if it is a message that holds a secret."""
    found = current_masker()
    if found is None or not isinstance(item, Message) or not _may_touch(item, found):
        return item
    copy = type(item)()
    copy.CopyFrom(item)
    _mask(copy, found)
    return copy


def redact_message(message: Message) -> None:
    """Mask the secrets of this call in every text of `message`: keys of maps and nested messages included."""
    found = current_masker()
    if found is not None and _may_touch(message, found):
        _mask(message, found)


def _may_touch(message: Message, found: Masker) -> bool:
    return found.may_touch(message.SerializeToString())


def _mask(message: Any, found: Masker) -> None:
    for name, is_map in _fields_with_text(message.DESCRIPTOR):
        value = getattr(message, name)
        if isinstance(value, str):
            if value:
                setattr(message, name, found.mask(value))
        elif isinstance(value, Message):
            if message.HasField(name):
                _mask(value, found)
        elif is_map:
            _mask_map(value, found)
        elif value and isinstance(value[0], str):
            value[:] = [found.mask(text) for text in value]
        else:
            for item in value:
                _mask(item, found)


def _mask_map(entries: Any, found: Masker) -> None:
    for key in list(entries):
        value = entries[key]
        if isinstance(value, Message):
            _mask(value, found)
        elif isinstance(value, str):
            entries[key] = found.mask(value)
        shown = found.mask(key) if isinstance(key, str) else key
        if shown == key:
            continue
        if isinstance(value, Message):
            entries[shown].CopyFrom(value)
        else:
            entries[shown] = entries[key]
        del entries[key]


@functools.lru_cache(maxsize=256)
def _fields_with_text(descriptor: Descriptor) -> tuple[tuple[str, bool], ...]:
    """Name of each field of a message type that holds a text, at whatever depth; whether it is a map."""
    return tuple((field.name, _is_map(field)) for field in descriptor.fields if _may_hold_text(field, frozenset()))


def _may_hold_text(field: FieldDescriptor, parents: frozenset[str]) -> bool:
    message = field.message_type
    if message is None:
        return bool(field.type == FieldDescriptor.TYPE_STRING)
    if message.full_name in parents:  # nothing that its other fields do not contain
        return False
    inner = parents | {message.full_name}
    return any(_may_hold_text(other, inner) for other in message.fields)


def _is_map(field: FieldDescriptor) -> bool:
    message = field.message_type
    return message is not None and bool(message.GetOptions().map_entry)
