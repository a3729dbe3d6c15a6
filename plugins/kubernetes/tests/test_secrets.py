"""Secrets of a project's namespace, as an API server of every behaviour answers: here one whose answers each test chooses."""

from __future__ import annotations

import asyncio
import base64
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flyte_connectors.errors import (
    AuthenticationError,
    ConnectorError,
    InvalidRequestError,
    PermissionDeniedError,
    SettingsError,
)
from flyte_connectors.settings import from_texts
from hypothesis import given
from hypothesis import strategies as st

from flyte_connectors_kubernetes.hooks import check_connection, find_secrets
from flyte_connectors_kubernetes.secrets import namespace_of
from flyte_connectors_kubernetes.settings import KubernetesSettings

NAMESPACE = "FLYTE_CONNECTORS_KUBERNETES_SECRETS_NAMESPACE"


def secret(namespace: str = "team-a-production", **data: Any) -> dict[str, Any]:
    """A Secret as the API gives it."""
    metadata = {"name": "connector-secrets", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Server:
    """An API server that gives one answer, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer: tuple[int, Any] = (200, secret(key=encoded("value")))
        self.headers: dict[str, str] = {}
        self.seconds = 0.0
        self.asked: list[tuple[str, str, str]] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append((self.command, self.path, self.headers.get("Authorization", "")))
                time.sleep(server.seconds)
                status, body = server.answer
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **server.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def log_message(self, *_: Any) -> None: ...

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The API server of the kubeconfig, and namespaces by project and domain."""
    server = Server()
    kubeconfig = {
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "users": [{"name": "u", "user": {"tokenFile": "token"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }
    (tmp_path / "config").write_text(json.dumps(kubeconfig))
    (tmp_path / "token").write_text("first")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.setenv(NAMESPACE, "{project}-{domain}")
    yield server
    server.close()


def find(*names: str, project: str = "team-a", domain: str = "production") -> Any:
    return asyncio.run(find_secrets(project, domain, names))


def error(*names: str, **owner: str) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        find(*names, **owner)
    return caught.value


def test_a_secret_is_a_key_of_the_object_in_the_projects_namespace(server: Server) -> None:
    """All those of a call are read by one request; what a file's last line ends with is no part of it."""
    server.answer = 200, secret(key=encoded("value\n"), **{"other.key": encoded("ä")}, third=encoded("x"))
    assert find("key", "other.key") == {"key": "value", "other.key": "ä"}
    assert server.asked == [("GET", "/api/v1/namespaces/team-a-production/secrets/connector-secrets", "Bearer first")]


def test_without_a_namespace_nothing_is_asked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mounted folders have the secrets then."""
    monkeypatch.delenv(NAMESPACE)
    assert find("key") is None
    assert check_connection() == []
    assert server.asked == []


def test_nothing_is_kept(server: Server, tmp_path: Path) -> None:
    """A rotated secret, and a renewed token, are those of the next call."""
    assert find("key") == {"key": "value"}
    server.answer = 200, secret(key=encoded("rotated"))
    (tmp_path / "token").write_text("second\n")
    assert find("key") == {"key": "rotated"}
    assert [token for _, _, token in server.asked] == ["Bearer first", "Bearer second"]


def test_a_missing_secret_says_what_adds_it(server: Server) -> None:
    """With its name and its namespace."""
    server.answer = 404, {"kind": "Status", "message": 'secrets "connector-secrets" not found'}
    missing = error("key")
    assert isinstance(missing, AuthenticationError)
    assert missing.message == (
        "secret 'key' was not sent, and there is no Secret 'connector-secrets' in namespace 'team-a-production': "
        "kubectl -n team-a-production create secret generic connector-secrets --from-literal=key=..."
    )
    server.answer = 200, secret(other=encoded("value"))
    missing = error("key")
    assert isinstance(missing, AuthenticationError)
    assert "Secret 'connector-secrets' in namespace 'team-a-production' has no such key" in missing.message


def test_a_missing_right_says_which_rule_grants_it(server: Server) -> None:
    """For this one object."""
    server.answer = 403, {"kind": "Status", "message": 'secrets "connector-secrets" is forbidden: User "x"'}
    refused = error("key")
    assert isinstance(refused, PermissionDeniedError)
    assert "may not read the Secret 'connector-secrets' in namespace 'team-a-production'" in refused.message
    assert "get on secrets, with resourceNames [connector-secrets], by a Role and RoleBinding" in refused.message


def test_refused_credentials_are_named(server: Server, tmp_path: Path) -> None:
    """By where they come from, never by their value."""
    server.answer = 401, {"kind": "Status", "message": "Unauthorized"}
    refused = error("key")
    assert isinstance(refused, AuthenticationError)
    assert str(tmp_path / "config") in refused.message
    assert "first" not in refused.message


ODD: dict[str, tuple[int, Any]] = {
    "another namespace's Secret": (200, secret("team-b-production", key=encoded("value"))),
    "no Secret": (200, {"kind": "SecretList", "metadata": {}, "items": []}),
    "no object": (200, [secret(key=encoded("value"))]),
    "a page": (200, b"<html>log in</html>"),
    "data that is no map": (200, {**secret(), "data": ["key"]}),
    "more than a Secret holds": (200, secret(key="A" * 2**21)),
    "half an object": (200, b'{"kind": "Secret", "metadata"'),
    "a gateway's error": (502, b"bad gateway"),
    "too many requests": (429, {"kind": "Status"}),
    "an error of the client": (400, {"kind": "Status", "message": "bad"}),
}


@pytest.mark.parametrize("answer", ODD.values(), ids=list(ODD))
def test_an_odd_answer_may_pass(server: Server, answer: tuple[int, Any]) -> None:
    """It is none of the task's faults, so that no job is lost for it; no part of a value is shown."""
    server.answer = answer
    odd = error("key")
    assert odd.retryable, odd
    assert "value" not in odd.message.replace("'value'", "")
    assert encoded("value") not in odd.message
    assert len(odd.message) < 500
    assert "\n" not in odd.message


def test_a_redirect_is_not_followed(server: Server) -> None:
    """The token goes to the API server and nowhere else."""
    server.answer, server.headers = (302, {}), {"Location": f"{server.url}/elsewhere"}
    assert error("key").retryable
    assert len(server.asked) == 1


@pytest.mark.parametrize("value", ["not base64!", 7, None, base64.b64encode(b"\xff\xfe").decode()])
def test_a_value_that_is_no_text_is_refused(server: Server, value: Any) -> None:
    """By name; what it holds is not shown."""
    server.answer = 200, secret(key=value)
    refused = error("key")
    assert isinstance(refused, AuthenticationError)
    assert "secret 'key' is not UTF-8 text" in refused.message
    assert str(value) not in refused.message or value is None


def test_a_server_that_is_gone_may_come_back(server: Server) -> None:
    """As one that is silent."""
    server.close()
    assert error("key").retryable


@pytest.mark.parametrize(
    ("project", "domain"),
    [
        ("team-a", "pre-production"),
        ("team-a/../team-b", "production"),
        ("..", "production"),
        ("TEAM-A", "production"),
        ("", "production"),
        ("team-a", ""),
        ("p" * 40, "d" * 40),
        ("-a", "b"),
        ("a\n", "b"),
        ("{domain}", "b"),
    ],
)
def test_what_has_no_namespace_of_its_own_is_refused(server: Server, project: str, domain: str) -> None:
    """Before anything is asked."""
    assert isinstance(error("key", project=project, domain=domain), InvalidRequestError)
    assert server.asked == []


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "k" * 254])
def test_what_can_be_no_key_is_refused(server: Server, name: str) -> None:
    """As a fault of the task."""
    assert isinstance(error(name), InvalidRequestError)


TEMPLATES = st.sampled_from(
    [
        "{project}-{domain}",
        "{domain}-{project}",
        "x-{project}-y-{domain}-z",
        "{project}-y{domain}",
        "{domain}y-{project}",
    ]
)
WORDS = st.text("ay-", min_size=1, max_size=6)


@given(TEMPLATES, st.tuples(WORDS, WORDS), st.tuples(WORDS, WORDS))
def test_no_two_projects_share_a_namespace(template: str, one: tuple[str, str], other: tuple[str, str]) -> None:
    """Whatever their names and the template."""
    try:
        found = namespace_of(template, *one), namespace_of(template, *other)
    except InvalidRequestError:
        return
    assert (found[0] == found[1]) == (one == other)


@pytest.mark.parametrize(
    "template",
    [
        "jobs",
        "{domain}",
        "{project}{domain}",
        "{project}0{domain}",
        "{project}/{domain}",
        "{project}-{project}",
        "{user}",
        "A-{project}",
    ],
)
def test_a_template_that_would_mix_projects_is_refused(template: str) -> None:
    """When the service starts."""
    with pytest.raises(SettingsError, match=r"use a name with \{project\}"):
        from_texts(KubernetesSettings, {NAMESPACE: template})


def test_the_connection_says_what_may_be_read(server: Server) -> None:
    """For `doctor`, by the review that Kubernetes offers everybody."""
    server.answer = 201, {"status": {"allowed": True}}
    (line,) = check_connection()
    assert line.endswith("Secret 'connector-secrets' in every namespace")
    server.answer = 201, {"status": {"allowed": False}}
    (line,) = check_connection()
    assert "in the namespaces whose Roles grant it" in line
    server.answer = 401, {}
    with pytest.raises(AuthenticationError, match="refuses the credentials"):
        check_connection()
