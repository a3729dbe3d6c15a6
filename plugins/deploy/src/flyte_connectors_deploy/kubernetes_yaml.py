"""Plain data as YAML that every reader takes alike, those of YAML 1.2 included."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

_PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)\Z)[a-z/][-a-z0-9_./]*", re.IGNORECASE)


class _Dumper(yaml.SafeDumper):
    """Quotes what any reader could take for something else than text, such as `1e3`."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Write a value out wherever it is used."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        """Indent lists, too."""
        super().increase_indent(flow, indentless=False)


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None if _PLAIN.fullmatch(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def to_yaml(*documents: Mapping[str, Any]) -> str:
    """Documents, separated by `---`; keys stay in order."""
    return "---\n".join(_document(document) for document in documents)


def _document(value: Mapping[str, Any]) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=10**6)
