"""Where the API server is and what the service authenticates with."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flyte_connectors.errors import AuthenticationError, ServiceUnavailableError

from flyte_connectors_kubernetes.api_server import access


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No access but what a test sets."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def config(**parts: Any) -> dict[str, Any]:
    """A kubeconfig; `cluster`, `user` and `context` replace these parts."""
    return {
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "https://h:1", **parts.get("cluster", {})}}],
        "users": [{"name": "u", "user": parts.get("user", {"token": "secret"})}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", **parts.get("context", {})}}],
    }


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes a kubeconfig, and lets the variable name it."""

    def write(content: Any, name: str = "config") -> Path:
        file = tmp_path / name
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        monkeypatch.setenv("KUBECONFIG", str(file))
        return file

    return write


def fault() -> str:
    with pytest.raises(ServiceUnavailableError) as caught:
        access()
    return caught.value.message


def test_a_kubeconfig_gives_access(kubeconfig: Any) -> None:
    """And is read again once it has changed."""
    file = kubeconfig(config())
    first = access()
    assert (first.server, first.namespace, first.token()) == ("https://h:1", "default", "secret")
    assert "secret" not in repr(first)
    assert access() is first
    file.write_text(json.dumps(config(context={"namespace": "jobs"}, user={"token": "other"})))
    assert (access().namespace, access().token()) == ("jobs", "other")


def test_a_token_file_is_read_each_time(kubeconfig: Any, tmp_path: Path) -> None:
    """Tokens are renewed in place; paths are relative to the kubeconfig."""
    token = tmp_path / "token"
    token.write_text("one\n")
    kubeconfig(config(user={"tokenFile": "token"}))
    assert access().token() == "one"
    token.write_text("two")
    assert access().token() == "two"
    token.unlink()
    with pytest.raises(AuthenticationError, match="can't be read: No such file"):
        access().token()


def test_several_kubeconfigs_are_merged(kubeconfig: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As kubectl does it: the first that names something wins."""
    rest = config()
    head = {
        "current-context": "other",
        "contexts": [{"name": "other", "context": {"cluster": "c", "user": "u", "namespace": "n"}}],
    }
    kubeconfig(head, "one")
    kubeconfig(rest, "two")
    paths = [tmp_path / name for name in ("none", "one", "two")]
    monkeypatch.setenv("KUBECONFIG", ":".join(map(str, paths)))
    assert (access().namespace, access().token()) == ("n", "secret")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "is not a mapping in YAML"),
        ("[]", "is not a mapping in YAML"),
        ({}, "has no current-context"),
        (config() | {"current-context": "x"}, "has no context 'x'"),
        (config(context={"user": "x"}), "has no user 'x'"),
        (config(cluster={"server": "h:1"}), "is not a URL"),
        (
            config(user={"exec": {"command": "aws"}}),
            "uses a credential plugin (exec), which is not",
        ),
        (config(user={"username": "a"}), "uses a password, which is not supported"),
        (config(cluster={"insecure-skip-tls-verify": True}), "uses insecure-skip-tls-verify"),
        (config(cluster={"certificate-authority": "no.crt"}), "No such file or directory"),
        (config(cluster={"certificate-authority-data": "!"}), "can't be used"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_says_why(kubeconfig: Any, content: Any, message: str) -> None:
    """With the file's name."""
    file = kubeconfig(content)
    assert message in fault()
    assert str(file) in fault() or "no.crt" in fault()


def test_without_any_access_the_error_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or that the file it names is not there."""
    assert fault() == "no access to Kubernetes: set KUBECONFIG, or run in a pod with a service account"
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert "none (KUBECONFIG) does not exist" in fault()


def test_a_pod_uses_its_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the token that is mounted, and renewed there."""
    monkeypatch.setattr("flyte_connectors_kubernetes.api_server._MOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    assert "the pod's service account can't be used" in fault()
    import certifi

    (tmp_path / "ca.crt").write_bytes(Path(certifi.where()).read_bytes())
    (tmp_path / "namespace").write_text("flyte")
    (tmp_path / "token").write_text("one")
    found = access()
    assert (found.server, found.namespace, found.token()) == (
        "https://[fd00::1]:443",
        "flyte",
        "one",
    )
    (tmp_path / "token").write_text("two")
    assert found.token() == "two"


def test_threads_that_begin_at_once_share_one_access(kubeconfig: Any) -> None:
    """Else each would have connections, and a mirror of all jobs, of its own."""
    kubeconfig(config())
    barrier = threading.Barrier(16)

    def begin(_: int) -> Any:
        barrier.wait()
        return access()

    with ThreadPoolExecutor(16) as threads:
        assert len(set(threads.map(begin, range(16)))) == 1
