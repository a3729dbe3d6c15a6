"""Each fault that an operator can make is found, and the finding says how to fix it."""

from __future__ import annotations

import datetime
import json
import socket

import pytest
from conftest import DAY, Installation, Plant

BACKEND = """
plugins:
  connector-service:
    supportedTaskTypes: [batch_job]
    connectors:
      ours: {endpoint: "dns:///ours:8000", insecure: true, defaultTimeout: 20s}
    connectorForTaskTypes: {batch_job: ours}
tasks:
  task-plugins:
    enabled-plugins: [container, connector-service]
    default-for-task-types: {batch_job: connector-service, container: container}
"""


def sets(**variables: str) -> Plant:
    """Variables that are wrong."""

    def plant(installation: Installation) -> list[str]:
        installation.environment.update(variables)
        return []

    return plant


def file(text: str) -> Plant:
    """A TOML file that is wrong."""
    return lambda installation: ["--config", installation.write("service.toml", text)]


def backend(old: str, new: str) -> Plant:
    """A configuration of the back end with a mistake."""
    assert old in BACKEND
    return lambda installation: [
        "--backend", installation.write("values.yaml", BACKEND.replace(old, new))
    ]  # fmt: skip


def installs(source: str, name: str = "planted", target: str = "") -> Plant:
    """A plugin with a fault."""

    def plant(installation: Installation) -> list[str]:
        installation.install(name, source, target)
        return []

    return plant


def shadowed(installation: Installation) -> list[str]:
    source = (
        "from flyte_connectors import SyncConnector\n"
        "class C(SyncConnector):\n"
        "    name = task_type_name = 'twice'\n"
        "    async def do(self, **kwargs): ...\n"
    )
    installation.install("planted", source, ":C")
    installation.install("planted_two", source, ":C")
    return []


def expired(installation: Installation) -> list[str]:
    cert, key = installation.certificate(begins=-2 * DAY, ends=-DAY)
    return file(f"tls-cert = '{cert}'\ntls-key = '{key}'")(installation)


def from_tomorrow(installation: Installation) -> list[str]:
    cert, key = installation.certificate(begins=DAY)
    return file(f"tls-cert = '{cert}'\ntls-key = '{key}'")(installation)


def soon_over(installation: Installation) -> list[str]:
    cert, key = installation.certificate(ends=datetime.timedelta(days=5))
    return file(f"tls-cert = '{cert}'\ntls-key = '{key}'")(installation)


def of_another_key(installation: Installation) -> list[str]:
    cert, _ = installation.certificate()
    _, key = installation.certificate("other")
    return file(f"tls-cert = '{cert}'\ntls-key = '{key}'")(installation)


def no_certificate(installation: Installation) -> list[str]:
    cert, key = installation.write("no.crt", "not a certificate"), installation.write("no.key", "")
    return file(f"tls-cert = '{cert}'\ntls-key = '{key}'")(installation)


def no_token(installation: Installation) -> list[str]:
    return file(f"auth-token-file = '{installation.write('tokens', ' ')}'")(installation)


def unused_table(installation: Installation) -> list[str]:
    return file("deny = ['batch_job']\nallow = ['doctor']\n[plugins.batch-job]\nslots = 2")(installation)


def secret_of_a_task(installation: Installation) -> list[str]:
    source = (
        "from flyte_connectors import NativeInterface, TaskTemplate\n"
        "class T(TaskTemplate):\n"
        "    def custom_config(self, sctx):\n"
        "        return {'secrets': {'key': 'alice-key'}}\n"
        "task = T('task', NativeInterface({}, {}), 'batch_job')\n"
    )
    return ["--tasks", installation.write("tasks_of_alice.py", source)]


def secret_of_no_project(installation: Installation) -> list[str]:
    installation.environment["FLYTE_CONNECTORS_SECRETS_BY"] = "project"
    return secret_of_a_task(installation)


def secret_of_no_namespace(installation: Installation) -> list[str]:
    """The cluster refuses what the service asks; which rule is missing is the way out."""
    installation.environment.update(
        KUBECONFIG=installation.write("kubeconfig", json.dumps(installation.cluster(403))),
        FLYTE_CONNECTORS_KUBERNETES_SECRETS_NAMESPACE="{project}-{domain}",
    )
    installation.environment["FLYTE_CONNECTORS_ALLOW"] += ",kubernetes"
    return [*secret_of_no_project(installation), "--tenant", "team-a/production"]


SECRET_OF_A_CONNECTOR = """
from flyte_connectors import ConnectorSecretsMixin, SyncConnector
class C(ConnectorSecretsMixin, SyncConnector):
    name = task_type_name = "planted"
    def __init__(self):
        super().__init__(secrets={"api_key": "PLANTED_API_KEY"})
    async def do(self, **kwargs): ...
"""
CONNECTION = """
from flyte_connectors import hookimpl
from flyte_connectors.errors import AuthenticationError
@hookimpl
def check_connection():
    yield "Acme 1.2 at acme.example.org"
    raise AuthenticationError("Acme refuses the key")
"""


def read_only_spool(installation: Installation) -> list[str]:
    installation.environment["FLYTE_BATCH_JOB_SPOOL"] = "/proc/spool"
    return []


def closed_port(_: Installation) -> list[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return ["--endpoint", f"127.0.0.1:{port}"]


PLANTED: dict[str, tuple[Plant, str, str, str]] = {
    "a plugin that does not load": (
        installs("import no_such_module"), "plugins", "No module named 'no_such_module'", "deny =",
    ),
    "two plugins for one task type": (shadowed, "plugins", "already served", "uninstall one"),
    "a plugin that needs the official SDK": (
        installs("import flytekit"), "plugins", "official SDK, which is not installed", "deny =",
    ),
    "a misspelt name in the list": (
        sets(FLYTE_CONNECTORS_ALLOW="batch_jop,doctor"), "plugins", "no installed plugin", "batch-job",
    ),
    "no connector at all": (
        sets(FLYTE_CONNECTORS_ALLOW="doctor"), "plugins", "NOT_SERVING", "install a plugin",
    ),
    "a file that is not TOML": (file("port = "), "settings", "invalid TOML", "correct"),
    "an unknown key": (file("prot = 3"), "settings", "unknown key; did you mean 'port'", "correct"),
    "an invalid value": (file("port = 99999"), "settings", "invalid value 99999", "correct"),
    "a misspelt variable": (
        sets(FLYTE_CONNECTORS_METRIC_PORT="1"), "settings", "FLYTE_CONNECTORS_METRICS_PORT", "correct",
    ),
    "an unknown table": (file("[plugins.slrum]"), "settings", "no installed plugin", "correct"),
    "an unknown key of a plugin": (
        file("[plugins.batch-job]\nslotz = 2"), "settings", "slotz: unknown key", "correct",
    ),
    "an invalid setting of a plugin": (
        sets(FLYTE_BATCH_JOB_SLOTS="many"), "settings", "invalid value 'many'", "correct",
    ),
    "a certificate without its key": (
        file("tls-cert = 'a.pem'"), "settings", "a certificate needs its key", "correct",
    ),
    "one port for two": (file("port = 9090"), "settings", "as is --metrics-port", "different"),
    "an expired certificate": (expired, "certificates", "expired on", "renew it"),
    "a certificate of tomorrow": (from_tomorrow, "certificates", "is valid from", "clock"),
    "the key of another certificate": (of_another_key, "certificates", "is not the key", "PEM"),
    "no certificate in the file": (no_certificate, "certificates", "holds no certificate", "PEM"),
    "a file without tokens": (no_token, "certificates", "holds no token", "write a token"),
    "a secret of a connector": (
        installs(SECRET_OF_A_CONNECTOR, target=":C"), "secrets", "is not mounted", "PLANTED_API_KEY",
    ),
    "a secret of a task": (
        secret_of_a_task, "secrets", "is not mounted", "FLYTE_SECRET_ALICE_KEY",
    ),
    "a tenant's service without a domain": (
        backend("insecure: true", "insecure: true, project: team-a"),
        "back end", "never chooses it", "add the domain",
    ),
    "a secret that no project has": (
        secret_of_no_project, "secrets", "is mounted for no project", "PROJECT/DOMAIN/alice-key",
    ),
    "a secret that the cluster does not show": (
        secret_of_no_namespace, "secrets", "in namespace 'team-a-production'", "by a Role and RoleBinding",
    ),
    "a project that can have no secrets": (
        lambda installation: [*secret_of_no_project(installation), "--tenant", "Team-A"],
        "secrets", "project 'Team-A' is none: use a-z", "as Flyte does",
    ),
    "a folder of secrets that is not there": (
        sets(FLYTE_CONNECTORS_SECRETS_DIR="/no/such"), "secrets", "does not exist", "mount",
    ),
    "storage that can't be written": (
        lambda _: ["--storage", "/proc/results"], "storage", "can't be written", "credentials",
    ),
    "a spool that can't be written": (read_only_spool, "connections", "spool /proc/spool", "fix"),
    "a vendor that refuses": (
        installs(CONNECTION), "connections", "Acme refuses the key", "credentials",
    ),
    "a service that is down": (closed_port, "service", "connection refused", "start the service"),
    "a type that the back end does not support": (
        backend("supportedTaskTypes: [batch_job]", "supportedTaskTypes: []"),
        "back end", "not in supportedTaskTypes", "add it",
    ),
    "a type without default": (
        backend("batch_job: connector-service, ", ""),
        "back end", "not in default-for-task-types", "add `batch_job: connector-service`",
    ),
    "a type without connector": (
        backend("{batch_job: ours}", "{}"), "back end", "not in connectorForTaskTypes", "add it",
    ),
    "the plugin is not enabled": (
        backend("[container, connector-service]", "[container]"),
        "back end", "lacks connector-service", "add connector-service",
    ),
    "a type that nobody serves": (
        backend("[batch_job]", "[batch_job, old_task]"),
        "back end", "the service does not serve it", "remove it",
    ),
    "an unknown connector": (
        backend("{batch_job: ours}", "{batch_job: theirs}"), "back end", "not defined", "define it",
    ),
    "TLS at a plaintext port": (
        backend("insecure: true, ", ""), "back end", "has no certificate", "insecure: true",
    ),
    "no configuration of connectors": (
        backend("connector-service:\n    supp", "other:\n    supp"),
        "back end", "has no plugins.connector-service", "add the snippet",
    ),
}  # fmt: skip

WARNINGS: dict[str, tuple[Plant, str, str, str]] = {
    "a certificate that is soon over": (soon_over, "certificates", "expires on", "renew"),
    "a table of an excluded plugin": (unused_table, "settings", "is unused", "allow the plugin"),
    "a variable of nobody": (
        sets(FLYTE_CONNECTORS_FAVOURITE_COLOUR="red"), "settings", "is read by no", "unset",
    ),
    "a variable over the file": (
        lambda installation: [
            *file("grace = 3")(installation),
            *sets(FLYTE_CONNECTORS_GRACE="4")(installation),
        ],
        "settings", "which wins", "remove one",
    ),
    "a name on both lists": (
        file("allow = ['batch_job', 'doctor']\ndeny = ['batch_job']"),
        "settings", "on the deny-list", "remove it from one",
    ),
    "a public port without TLS": (file("host = '0.0.0.0'"), "settings", "no certificate", "tls-cert"),
    "tokens in plaintext": (no_token, "settings", "in plaintext", "tls-cert"),
    "one replica for all calls": (
        backend("dns:///ours", "ours"), "back end", "one replica", "dns:///ours:8000",
    ),
    "a project where tasks name the service's secrets": (
        lambda _: ["--tenant", "team-a/production"], "secrets", "is not looked up", 'secrets-by = "project"',
    ),
    "no timeout": (backend(", defaultTimeout: 20s", ""), "back end", "hangs", "defaultTimeout"),
}  # fmt: skip


def found(installation: Installation, plant: Plant, status: str) -> tuple[int, list[dict[str, str]]]:
    """The exit code, and the findings of a status."""
    done = installation.doctor("--json", *plant(installation))
    assert done.stdout, done.stderr
    findings = json.loads(done.stdout)["findings"]
    return done.returncode, [one for one in findings if one["status"] == status]


def test_every_check_has_faults_that_are_planted() -> None:
    """Twenty and more of them; each check that `doctor` makes has at least one."""
    assert len(PLANTED) >= 38
    checks = {"plugins", "settings", "certificates", "secrets", "storage", "connections", "service", "back end"}
    assert {check for _, check, _, _ in PLANTED.values()} == checks


@pytest.mark.parametrize("name", PLANTED)
def test_a_fault_is_found(name: str, installation: Installation) -> None:
    """By its check, with the reason and the way out; the exit code is 1."""
    plant, check, text, fix = PLANTED[name]
    code, faults = found(installation, plant, "fault")
    matching = [
        one for one in faults
        if one["check"] == check and text in f"{one['subject']}: {one['text']}"
    ]  # fmt: skip
    assert matching, faults
    assert code == 1
    assert all(one["fix"] for one in faults)
    assert any(fix in f"fix: {one['fix']}" for one in matching), matching


@pytest.mark.parametrize("name", WARNINGS)
def test_a_doubtful_thing_is_a_warning(name: str, installation: Installation) -> None:
    """It keeps nothing from working."""
    plant, check, text, fix = WARNINGS[name]
    _, warnings = found(installation, plant, "warning")
    matching = [
        one for one in warnings
        if one["check"] == check and text in f"{one['subject']}: {one['text']}"
    ]  # fmt: skip
    assert matching, warnings
    assert any(fix in one["fix"] for one in matching), matching
