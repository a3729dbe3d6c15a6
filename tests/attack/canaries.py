"""Secrets that must be seen nowhere, and the forms in which they would be seen."""

from __future__ import annotations

import base64
import html
import json
import re
import urllib.parse
from collections.abc import Callable, Mapping

USERS = ("u", "me", "api", "user.name@example.org")
"""Names in front of a password: base64 shows the same password in one of three ways."""


def _basic(user: str) -> Callable[[str], str]:
    return lambda secret: base64.b64encode(f"{user}:{secret}".encode()).decode()


FORMS: Mapping[str, Callable[[str], str]] = {
    "as it is": str,
    "percent-encoded": lambda secret: urllib.parse.quote(secret, safe=""),
    "percent-encoded path": urllib.parse.quote,
    "form-encoded": urllib.parse.quote_plus,
    "percent-encoded, lower case": lambda secret: re.sub(
        "%..", lambda match: match[0].lower(), urllib.parse.quote(secret, safe="")
    ),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 of URLs": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "JSON": lambda secret: json.dumps(secret)[1:-1],
    "repr": lambda secret: repr(secret)[1:-1],
    "HTML": html.escape,
    "one line": lambda secret: " ".join(secret.split()),
    **{f"basic, user of {len(user)}": _basic(user) for user in USERS},
}
"""Spellings of a secret that software makes by itself, on its way into a request or a text."""

PLAIN = 'c4n/ry+&="t'
"""Begins every canary: characters that some encoding changes."""


def canary(name: str) -> str:
    """A secret for one place."""
    return f"{PLAIN}-{name}-0123456789"


class Watch:
    """Looks for canaries in whatever leaves a service.

    Args:
        secrets: The canaries by the place where they were planted.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._forms = {
            form(secret).encode(): f"{place} ({name})"
            for place, secret in secrets.items()
            for name, form in FORMS.items()
        }
        self._pattern = re.compile(b"|".join(map(re.escape, self._forms)))

    def seen(self, data: bytes | str) -> list[str]:
        """Which canaries are in `data`, and in which form."""
        content = data.encode(errors="surrogatepass") if isinstance(data, str) else data
        return sorted({self._forms[found] for found in self._pattern.findall(content)})
