"""A grammar of texts that try to lead a request away from the endpoint that was allowed.

Each strategy takes the port of a listener on loopback that must never be contacted, and draws values for
one place: a part of a path, a link that a service answers, an endpoint that a task names, an entry of the
list of allowed endpoints.
"""

from __future__ import annotations

from hypothesis import strategies as st

HOSTS = (
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "0",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "localhost",
    "LOCALHOST.",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[0:0:0:0:0:0:0:1]",
    "[::1%25lo]",
    "\N{FULLWIDTH DIGIT ONE}27.0.0.1",
    "\N{CIRCLED LATIN SMALL LETTER L}ocalhost",
    "127\N{IDEOGRAPHIC FULL STOP}0.0.1",
    "%6c%6f%63%61%6c%68%6f%73%74",
    "127.0.0.1%00.example.org",
)
"""Loopback in spellings that some client reads so."""

_SEPARATORS = ("@", ":", "/", "//", "\\", "\\\\", "?", "#", ";", "&", "=", ".", "..", "%")
_ENCODED = ("%40", "%3a", "%2f", "%5c", "%3f", "%23", "%2e%2e", "%252e%252e", "%c0%ae", "%00")
_WAYS_UP = (
    "/..",
    "/../..",
    "/%2e%2e/",
    "/.%2e/",
    "/..;/",
    "/..\\",
    "/..%2f",
    "/%2e%2e%2f",
    "/./..",
)
_BREAKS = ("\r\n", "\n", "\r", "\t", "\0", " ", "\N{LINE SEPARATOR}", "\x85", "\x7f")
_HEADERS = ("\r\nHost: evil\r\n\r\n", " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /", "\nX: y")
_LOOKALIKES = (
    "\N{FULLWIDTH SOLIDUS}",
    "\N{FULLWIDTH COMMERCIAL AT}",
    "\N{FULLWIDTH COLON}",
    "\N{TWO DOT LEADER}",
    "\N{FRACTION SLASH}",
)


def _authorities(port: int) -> st.SearchStrategy[str]:
    """Where the listener is, with and without a user before it."""
    users = st.sampled_from(["", "@", "user@", "user:pw@", "good.example.org@", "a%40b@", "@@"])
    hosts = st.sampled_from(HOSTS)
    ports = st.sampled_from([f":{port}", f":{port}", f":0{port}", f":{port}\\", f":{port}#"])
    return st.builds("{}{}{}".format, users, hosts, ports)


def parts(port: int) -> st.SearchStrategy[str]:
    """Values for a part of a path: an id, or a path that a task configures."""
    pieces = st.one_of(
        _authorities(port),
        st.sampled_from(_SEPARATORS + _ENCODED + _WAYS_UP + _BREAKS + _HEADERS + _LOOKALIKES),
        st.sampled_from([f":{port}", f"{port}", f".:{port}/", "{job_id}", "job", "http:", "https://"]),
        st.text(max_size=3),
    )
    return st.lists(pieces, min_size=1, max_size=5).map("".join)


def links(port: int, base: str) -> st.SearchStrategy[str]:
    """Links of a reply and targets of redirects, made to look as if they were below `base`."""
    schemes = st.sampled_from(
        ["http://", "https://", "HTTP://", "//", "///", "http:", "http:/", "http:\\\\", "\\\\", "/\\",
         "\thttp://", " http://", "ftp://", "file://", "javascript:", "gopher://", "http://http://"]
    )  # fmt: skip
    away = st.builds("{}{}{}".format, schemes, _authorities(port), parts(port))
    attached = st.builds("{}{}".format, st.just(base), parts(port))
    return st.one_of(away, attached, parts(port))


def endpoints(port: int) -> st.SearchStrategy[str]:
    """Endpoints of a task."""
    suffixes = st.sampled_from(["", "/", "/v1", "/v1/../v2", "?x", "#x", "\\", "//"])
    schemes = st.sampled_from(["http://", "http://", "HTTP://", "https://", "http:\\\\", "http:/"])
    return st.builds("{}{}{}".format, schemes, _authorities(port), suffixes) | links(port, "http://good.example.org")
