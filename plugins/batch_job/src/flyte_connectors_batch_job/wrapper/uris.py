"""URIs of stored files."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

OBJECT_STORES = ("s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss")
WEB = ("http", "https")
SCHEMES = ("file", *WEB, *OBJECT_STORES)


def scheme_of(uri: str) -> str:
    """The scheme of a URI; `file` for a path."""
    scheme, separator, _ = uri.partition("://")
    return scheme.lower() if separator else "file"


def shown(uri: str) -> str:
    """A URI without what may be secret in it: user, password and query."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return uri
    place, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{path}"


def name_of(uri: str) -> str:
    """The last part of a URI's path, decoded; may be empty."""
    path = urlsplit(uri).path if scheme_of(uri) in WEB else uri
    last = path.rstrip("/").rpartition("/")[2]
    return unquote(last) if "://" in uri else last


def join(prefix: str, *names: str) -> str:
    """The URI of something below a prefix; in a `file://` URI the names are quoted."""
    if prefix.lower().startswith("file://"):
        names = tuple(quote(name) for name in names)
    return "/".join([prefix.rstrip("/"), *names])


def local_path(uri: str) -> str:
    """The path that a path or a `file://` URI names."""
    if "://" not in uri:
        return uri
    return unquote(urlsplit(uri, allow_fragments=False).path)
