"""Where the API server is, and what the service authenticates with.

In this order, as kubectl and the clients of Kubernetes look:

    $KUBECONFIG                 one file, or several separated by `:`; the first that names something wins
    a pod's service account     the mounted token, read again for each request because it is renewed
    ~/.kube/config

Reference: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import os
import ssl
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import AuthenticationError, ServiceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

KUBECONFIG_VARIABLE = "KUBECONFIG"

_MOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_UNSUPPORTED = {
    "exec": "a credential plugin (exec)",
    "auth-provider": "an auth-provider",
    "username": "a password",
    "as": "impersonation (as)",
    "insecure-skip-tls-verify": "insecure-skip-tls-verify",
    "tls-server-name": "tls-server-name",
    "proxy-url": "proxy-url",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Access:
    """An API server, and how to authenticate there.

    Attributes:
        server: Its URL.
        namespace: That of the credentials.
        tls: Trusted authorities, and the client's certificate if there is one.
        name: What it comes from, for messages.
        token_file: File with the current token.
        fixed_token: A token that does not change.
    """

    server: str
    namespace: str
    tls: ssl.SSLContext | None
    name: str
    token_file: Path | None = None
    fixed_token: str = dataclasses.field(default="", repr=False)

    def token(self) -> str:
        """The current token; empty if the client's certificate has to do.

        Raises:
            AuthenticationError: its file can't be read.
        """
        if self.token_file is None:
            return self.fixed_token
        try:
            return self.token_file.read_text().strip()
        except (OSError, ValueError) as error:
            message = f"the token {self.token_file} can't be read: {_reason(error)}"
            raise AuthenticationError(message) from error


_known: dict[tuple[Any, ...], Access] = {}
_lock = threading.Lock()  # all callers get the same one: connections and mirrors are kept for each


def access() -> Access:
    """The access that the environment gives, read again once one of its files has changed.

    Raises:
        ServiceUnavailableError: there is none, or it can't be used; the text says why.
    """
    files, load = _source()
    key = (*files, *map(_version, files), os.environ.get("KUBERNETES_SERVICE_HOST"))
    with _lock:
        found = _known.get(key)
        if found is None:
            _known.clear()
            found = _known[key] = load(files)
        return found


def _source() -> tuple[tuple[Path, ...], Any]:
    named = [Path(name).expanduser() for name in os.environ.get(KUBECONFIG_VARIABLE, "").split(":") if name]
    if named:
        return tuple(named), _of_kubeconfig
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return (_MOUNT / "ca.crt", _MOUNT / "namespace"), _of_pod
    with contextlib.suppress(RuntimeError):  # users in containers often have no home directory
        usual = Path("~/.kube/config").expanduser()
        if usual.exists():
            return (usual,), _of_kubeconfig
    message = f"no access to Kubernetes: set {KUBECONFIG_VARIABLE}, or run in a pod with a service account"
    raise ServiceUnavailableError(message)


def _version(file: Path) -> tuple[int, ...]:
    try:
        status = file.stat()
    except OSError:
        return ()
    return (status.st_mtime_ns, status.st_ino, status.st_size)


def _of_pod(files: tuple[Path, ...]) -> Access:
    host = os.environ["KUBERNETES_SERVICE_HOST"]
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    with _readable("the pod's service account"):
        tls = ssl.create_default_context(cafile=str(files[0]))
        namespace = files[1].read_text().strip()
    shown = f"[{host}]" if ":" in host else host
    token = _MOUNT / "token"
    return Access(f"https://{shown}:{port}", namespace, tls, "the pod's service account", token)


def _of_kubeconfig(files: tuple[Path, ...]) -> Access:
    configs = [_read(file) for file in files if file.exists()]
    if not configs:
        message = f"the kubeconfig {':'.join(map(str, files))} ({KUBECONFIG_VARIABLE}) does not exist"
        raise ServiceUnavailableError(message)
    where = f"the kubeconfig {configs[0][0]}"
    name = next((str(c["current-context"]) for _, c in configs if c.get("current-context")), "")
    if not name:
        raise ServiceUnavailableError(f"{where} has no current-context: set one")
    _, context = _entry(configs, "contexts", "context", name)
    folder, cluster = _entry(configs, "clusters", "cluster", str(context.get("cluster")))
    user_folder, user = _entry(configs, "users", "user", str(context.get("user")))
    for key, feature in _UNSUPPORTED.items():
        if cluster.get(key) or user.get(key):
            what = f"{where}: context '{name}' uses {feature}, which is not supported"
            raise ServiceUnavailableError(f"{what}: use a token or a client certificate")
    server = str(cluster.get("server") or "")
    if not server.startswith(("https://", "http://")):
        raise ServiceUnavailableError(f"{where}: the server of context '{name}' is not a URL")
    with _readable(where):
        tls = _tls(folder, cluster, user_folder, user) if server.startswith("https") else None
    token_file = user.get("tokenFile")
    return Access(
        server.rstrip("/"),
        str(context.get("namespace") or "default"),
        tls,
        where,
        token_file=user_folder / str(token_file) if token_file else None,
        fixed_token=str(user.get("token") or ""),
    )


def _read(file: Path) -> tuple[Path, dict[str, Any]]:
    import yaml  # only where there is a kubeconfig

    with _readable(f"the kubeconfig {file}"):
        try:
            config = yaml.safe_load(file.read_text())
        except yaml.YAMLError:
            config = None
    if not isinstance(config, dict):
        raise ServiceUnavailableError(f"the kubeconfig {file} is not a mapping in YAML")
    return file, config


def _entry(
    configs: list[tuple[Path, dict[str, Any]]], plural: str, kind: str, name: str
) -> tuple[Path, dict[str, Any]]:
    """An entry by name, and the folder that its paths are relative to."""
    for file, config in configs:
        entries = config.get(plural)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and entry.get("name") == name:
                found = entry.get(kind)
                return file.parent, found if isinstance(found, dict) else {}
    raise ServiceUnavailableError(f"the kubeconfig {configs[0][0]} has no {kind} '{name}'")


def _tls(folder: Path, cluster: dict[str, Any], user_folder: Path, user: dict[str, Any]) -> ssl.SSLContext:
    authority = _content(folder, cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    certificate = _content(user_folder, user, "client-certificate")
    key = _content(user_folder, user, "client-key")
    if certificate and key:
        # The ssl module reads key and certificate from files only; this one only its owner can read.
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(certificate.rstrip() + b"\n" + key)
            file.flush()
            context.load_cert_chain(file.name)
    return context


def _content(folder: Path, entry: dict[str, Any], name: str) -> bytes:
    data = entry.get(f"{name}-data")
    if data:
        return base64.b64decode(str(data), validate=True)
    path = entry.get(name)
    return (folder / str(path)).read_bytes() if path else b""


@contextlib.contextmanager
def _readable(where: str) -> Iterator[None]:
    """Within this block, what can't be read or parsed is an error of `where`."""
    try:
        yield
    except (OSError, ValueError) as error:  # those of ssl and base64 among them
        raise ServiceUnavailableError(f"{where} can't be used: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    name = getattr(error, "filename", None)
    return f"{getattr(error, 'strerror', None) or error}" + (f": {name}" if name else "")
