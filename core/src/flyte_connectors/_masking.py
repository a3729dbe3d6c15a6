"""Finds secrets in text, in whatever form they were sent, and masks them.

A secret is looked for by the longest run of letters and digits in each of its forms, which no encoding changes. Only a
text that contains one is searched by a pattern, and only then is that pattern compiled. So a text without secrets costs
a few substring searches for each secret.

Recognized are the secret itself with any of its characters escaped for a URL, JSON, HTML, a shell or Python's `repr`, and
with white space folded; its bytes in base64 (at any offset, for URLs, without padding), in hexadecimal and percent-encoded;
and what it is made of: the long lines of a key file, the secret fields of a JSON document, the password of a URL or of a
`name=value` list.
"""

from __future__ import annotations

import base64
import functools
import json
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, TypeAlias

from flyte_connectors.errors import MASK

SHORTEST = 4
"""Secrets with fewer characters are not masked: they can't be distinguished from ordinary words."""

_Form: TypeAlias = 'Literal["plain", "plus", "base64", "exact"]'

_MOST_ESCAPED = 1000  # characters of a secret that may be escaped; more would take long to compile
_SHORTEST_FIELD = 8
_SHORTEST_LINE = 16

_WORDS_AND_SPACES = re.compile(r"\s+|\S+")
_BACKSLASHES_AND_CHARACTERS = re.compile(r"\\+.?|.", re.DOTALL)
_RUNS = re.compile(r"[A-Za-z0-9]+")
_SECRET_NAME = re.compile(
    r"(?i)(?:pass(?:word|wd|phrase)?|pwd|secret|token|private|credential|signature|assertion|authorization|api.?key"
    r"|(?<!public)[\W_]?key)s?$|secret(?!.*(?:id|name|ur[il]|type)$)|private_key$"
)
_ASSIGNMENT = re.compile(r"""(?<![\w.-])([\w.-]{1,64})["']?\s{0,8}[:=]\s{0,8}["']?([^\s"',;&]+)""")
_AUTHORIZATION = re.compile(r"(?i)(?:basic|bearer|token|apikey)\s+(\S+)$")
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")


class Masker:
    """Masks a set of secrets.

    Args:
        secrets: Their values.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        rules: dict[object, _Rule] = {}
        for secret in secrets:
            for rule in _rules(secret):
                known = rules.setdefault(rule.key, rule)
                known.is_part = known.is_part and rule.is_part
        # A secret may be a part of another.
        self._rules = sorted(rules.values(), key=lambda rule: rule.size, reverse=True)
        self._needles = [rule.needle.encode() for rule in self._rules]

    def mask(self, text: str) -> str:
        """`text` with each form of each secret replaced."""
        for rule in self._rules:
            if rule.needle in text:
                text = rule.mask(text)
        return text

    def mask_value(self, value: Any, other: Callable[[Any, Masker], Any] = lambda value, _: value) -> Any:
        """A JSON-like value with its texts masked; `other` is called for values that are not JSON."""
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, Mapping):
            return {self.mask(str(key)): self.mask_value(item, other) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items = [self.mask_value(item, other) for item in value]
            return tuple(items) if isinstance(value, tuple) else items
        return other(value, self)

    def may_touch(self, data: bytes) -> bool:
        """Whether the texts in a serialized message have to be looked at one by one."""
        return any(needle in data for needle in self._needles)

    def found_in(self, text: str) -> bool:
        """Whether a secret occurs in `text`; not merely a short part of one, such as a user's password `postgres`."""
        return any(
            rule.needle in text and rule.mask(text) != text
            for rule in self._rules
            if not (rule.is_part and rule.size < _SHORTEST_LINE)
        )


@functools.lru_cache(maxsize=64)
def masker(secrets: frozenset[str]) -> Masker:
    """The `Masker` of a set of secrets; most calls have the secrets of an earlier one."""
    return Masker(secrets)


class _Rule:
    """One form of a secret.

    Args:
        text: The secret, or an encoding of it.
        form: How it may be spelled: a plain text, one with `+` for spaces, base64 (whose neighbours share
            bits with it), or exactly so.
        is_part: Whether it is a part of a secret.
    """

    def __init__(self, text: str, form: _Form = "plain", *, is_part: bool = False) -> None:
        self.is_part = is_part
        self.key = (text, form)
        self.size = len(text)
        exact = form == "exact"
        self.needle: str = text if exact else max(_RUNS.findall(text), key=len, default="")
        self._text = text
        self._form = form

    def mask(self, text: str) -> str:
        if self._form != "base64":
            return self._pattern.sub(MASK, text)
        pieces = []
        end = 0
        for found in self._pattern.finditer(text):
            start = found.start()
            while start > end and text[start - 1] in _BASE64:
                start -= 1
            pieces += [text[end:start], MASK]
            end = found.end()
        return "".join((*pieces, text[end:]))

    @functools.cached_property
    def _pattern(self) -> re.Pattern[str]:
        text = self._text
        if self._form == "exact" or len(text) - sum(map(str.isalnum, text)) > _MOST_ESCAPED:
            return re.compile(re.escape(text))
        if self._form == "base64":
            body = "".join(map(_base64_spellings, text))
            padding = r"(?i:=|%(?:25){0,4}3d|\\{1,8}u003d){0,2}"
            return re.compile(body + r"[A-Za-z0-9+/_-]*" + padding)
        plus = self._form == "plus"
        return re.compile(
            "".join(
                _spellings_of_space(run, plus=plus) if run.isspace() else _spellings_of_word(run, plus=plus)
                for run in _WORDS_AND_SPACES.findall(text)
            )
        )


def _rules(secret: str, *, is_part: bool = False) -> Iterator[_Rule]:
    secret = secret.strip()
    if len(" ".join(secret.split())) < SHORTEST:
        return
    for text, form in _forms(secret):
        yield _Rule(text, form, is_part=is_part)
    for part in _fields(secret):
        yield from _rules(part, is_part=True)
    for line in _lines(secret):
        yield _Rule(line, is_part=True)


def _forms(secret: str) -> Iterator[tuple[str, _Form]]:
    yield secret, "plain"
    if len(secret.split()) > 1:
        yield secret, "plus"
    for data in _encodings(secret):
        for core in _base64_cores(data):
            yield core, "base64"
        for digits in (data.hex(), data.hex().upper()):
            yield digits, "exact"
            yield "".join(map("%{}{}".format, digits[::2], digits[1::2])), "exact"


def _encodings(secret: str) -> set[bytes]:
    """The bytes that clients send for a text: of UTF-8, or of Latin-1 where it will do."""
    encodings = {secret.encode("utf-8", "surrogatepass")}
    try:
        encodings.add(secret.encode("latin-1"))
    except UnicodeEncodeError:
        return encodings
    return encodings


def _base64_cores(data: bytes) -> Iterator[str]:
    """The characters that `data` alone decides, at each offset in what is encoded."""
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + data).decode()
        core = encoded[-(-offset * 8 // 6) : (offset + len(data)) * 8 // 6]
        if len(core) >= SHORTEST:
            yield core


def _lines(secret: str) -> Iterator[str]:
    """The lines and words of a secret that would reveal much of it: those of a PEM block, but not of JSON."""
    if secret[0] in "{[":
        return
    lines = [line.strip() for line in secret.splitlines()]
    for line in (*lines, *secret.split()) if len(lines) > 1 else secret.split():
        if len(line) >= _SHORTEST_LINE and not line.startswith("--") and line != secret:
            yield line


def _fields(secret: str) -> Iterator[str]:
    """The secrets within a secret that is a document, an address or a list of settings."""
    if found := _AUTHORIZATION.match(secret):
        yield found[1]
    if secret[0] in "{[":
        try:
            yield from _secret_strings(json.loads(secret), secret=secret[0] == "[")
        except (ValueError, RecursionError):
            pass
        else:
            return
    yield from _passwords(secret)
    for name, value in _ASSIGNMENT.findall(secret):
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_FIELD and value != secret:
            yield value


def _passwords(address: str) -> set[str]:
    """The password in a URL such as `postgresql://user:password@host/database`, as it is and unquoted."""
    try:
        password = urllib.parse.urlsplit(address).password or ""
    except ValueError:
        password = ""
    return {password, urllib.parse.unquote(password)}


def _secret_strings(value: Any, *, secret: bool) -> Iterator[str]:
    """The strings of a JSON document under a name that says that they are secret."""
    if isinstance(value, str):
        if secret and len(value) >= _SHORTEST_FIELD:
            yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _secret_strings(item, secret=bool(_SECRET_NAME.search(name[:64])))
    elif isinstance(value, list):
        for item in value:
            yield from _secret_strings(item, secret=secret)


def _spellings_of_word(word: str, *, plus: bool) -> str:
    pieces = _BACKSLASHES_AND_CHARACTERS.findall(word)
    if not plus:
        return "".join(map(_spellings, pieces))
    encoded = f"(?i:{'|'.join(_escapes('+'))})"
    return "".join(encoded if piece == "+" else _spellings(piece) for piece in pieces)


# No text is matched in two ways by these patterns, and repetitions are few: the time is linear in the text.
_SLASHES = r"\\{1,8}"


@functools.lru_cache(maxsize=512)
def _spellings(text: str) -> str:
    """A pattern for a character, or for backslashes and the character after them, and its escapes."""
    char = text[-1]
    if text.isascii() and text.isalnum():
        return text
    if text[0] == "\\":
        after = _alternatives(char, slashes="") if char != "\\" else ""
        return rf"(?:{_SLASHES}|(?i:%(?:25){{0,4}}5c|&(?:amp;){{0,4}}#(?:92|x5c|bsol);)+){after}"
    return _alternatives(char, slashes=_SLASHES)


def _alternatives(char: str, slashes: str) -> str:
    return rf"(?:(?i:{'|'.join(_escapes(char, slashes))})|(?:{slashes})?{re.escape(char)})"


def _escapes(char: str, slashes: str = _SLASHES) -> list[str]:
    from html.entities import codepoint2name

    code = ord(char)
    octets = char.encode("utf-8", "surrogatepass")
    units = char.encode("utf-16-be", "surrogatepass").hex()
    codes = [rf"#0{{0,6}}{code};", rf"#x0{{0,6}}{code:x};"]
    codes += [f"{name};" for name in (codepoint2name.get(code), "apos" * (char == "'")) if name]
    escapes = [
        "".join(rf"%(?:25){{0,4}}{octet:02x}" for octet in octets),
        "".join(rf"{slashes or _SLASHES * bool(at)}x{octet:02x}" for at, octet in enumerate(octets)),
        "".join(rf"{slashes or _SLASHES * bool(at)}u{units[at : at + 4]}" for at in range(0, len(units), 4)),
        rf"{slashes}U{code:08x}",
        rf"&(?:amp;){{0,4}}(?:{'|'.join(codes)})",
    ]
    if char == "\b":
        escapes.append(rf"{slashes}b")
    if 127 < code < 256:  # Latin-1, as in `repr`  # noqa: PLR2004
        escapes += [rf"%(?:25){{0,4}}{code:02x}", rf"{slashes}x{code:02x}"]
    return escapes


def _spellings_of_space(spaces: str, *, plus: bool) -> str:
    """A pattern for white space, of which one character may stand for several."""
    escapes = {escape for char in {*spaces, *" \n\r\t"} for escape in _escapes(char)}
    plain = r"\+|\s" if plus else r"\s"
    return rf"(?:{plain}|{_SLASHES}[nrtfv\s]|(?i:{'|'.join(sorted(escapes))}))+"


def _base64_spellings(char: str) -> str:
    other = {"+": "-", "/": "_"}.get(char)
    return f"(?:{_spellings(char)}|{other})" if other else char
