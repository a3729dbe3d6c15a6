"""A real Kubernetes API server with its controllers and scheduler, on loopback, and a node that runs processes."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
from batch_jobs import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HERE = pathlib.Path(__file__).parent
START_SECONDS = 240.0
_FLAGS = {
    "--port int": "--port=0",  # old versions would listen without TLS, on every address
    "--concurrent-job-syncs": "--concurrent-job-syncs=20",
    "TTLAfterFinished=true|false (ALPHA": "--feature-gates=TTLAfterFinished=true",
}
"""Flags that only some versions have, or need, by what their help says."""

_CERTIFICATES = {
    "apiserver": ("/CN=kube-apiserver", "serverAuth"),
    "admin": ("/O=system:masters/CN=admin", "clientAuth"),
    "controllers": ("/CN=system:kube-controller-manager", "clientAuth"),
    "scheduler": ("/CN=system:kube-scheduler", "clientAuth"),
    "kubelet-client": ("/O=system:masters/CN=apiserver-kubelet", "clientAuth"),
    "kubelet": ("/CN=node-1", "serverAuth"),
}
_NAMES = "subjectAltName=IP:127.0.0.1,IP:10.0.0.1,DNS:localhost,DNS:kubernetes.default.svc"


def wait_for(condition: Callable[[], Any], what: str, seconds: float = START_SECONDS) -> Any:
    """The first true answer of `condition`."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.05)
    return answer


class Cluster:
    """A cluster in a folder of its own.

    Args:
        binaries: Folder with etcd, kube-apiserver, kube-controller-manager and kube-scheduler.
        folder: Where it keeps everything.
    """

    def __init__(self, binaries: pathlib.Path, folder: pathlib.Path) -> None:
        self._binaries = binaries
        self._folder = folder
        self._pki = folder / "pki"
        self._pki.mkdir()
        self._etcd, self._peer, self._port, self._kubelet, self._c, self._s = free_ports(6)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._make_certificates()
        self.server = f"https://127.0.0.1:{self._port}"
        tls = ssl.create_default_context(cafile=str(self._pki / "ca.crt"))
        tls.load_cert_chain(self._pki / "admin.crt", self._pki / "admin.key")
        self.admin = httpx.Client(base_url=self.server, verify=tls, timeout=30)

    @property
    def node_folder(self) -> pathlib.Path:
        """What the node keeps of its pods, in a folder for each uid."""
        return self._folder / "node"

    def start(self) -> None:
        """Start everything; return when a pod can be run."""
        self._start_etcd()
        self.start_api_server()
        self.start_controllers()
        self._start_scheduler()
        self._start_node()
        wait_for(self._has_account, "the controllers")
        wait_for(lambda: self.get("/api/v1/nodes/node-1/status").get("status"), "the node")
        ready = "/api/v1/nodes/node-1"
        wait_for(lambda: not self.get(ready)["spec"].get("taints"), "the node's taints to go")

    def stop(self) -> None:
        """Kill everything; the node first, which takes its pods' processes along."""
        for name in reversed(list(self.processes)):
            process = self.processes.pop(name)
            process.send_signal(signal.SIGTERM if name == "node" else signal.SIGKILL)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.admin.close()

    def version(self) -> str:
        """The version of the API server, such as `Kubernetes v1.20.2`."""
        command = [self._binaries / "kube-apiserver", "--version"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """What the API server answers the administrator; empty while it does not."""
        try:
            reply = self.admin.get(path, params=query)
        except httpx.HTTPError:
            return {}
        return dict(reply.json()) if reply.is_success and "json" in reply.headers.get("content-type", "") else {}

    def send(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """Change something as the administrator."""
        content = None if body is None else json.dumps(body)
        reply = self.admin.request(method, path, content=content, headers={"content-type": kind})
        reply.raise_for_status()
        return reply.json()

    def jobs(self, namespace: str) -> list[dict[str, Any]]:
        """The Jobs of a namespace."""
        return list(self.get(f"/apis/batch/v1/namespaces/{namespace}/jobs").get("items", []))

    def pods(self, namespace: str) -> list[dict[str, Any]]:
        """The pods of a namespace."""
        return list(self.get(f"/api/v1/namespaces/{namespace}/pods").get("items", []))

    def namespace(self, name: str) -> str:
        """A new namespace with a service account, which its controller would give it later."""
        self.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        accounts = f"/api/v1/namespaces/{name}/serviceaccounts"
        reply = self.admin.post(accounts, json={"metadata": {"name": "default"}})
        assert reply.status_code in (201, 409), reply.text
        return name

    def token(self, namespace: str, account: str, seconds: int = 3600) -> str:
        """A token of a service account."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        reply = self.send("POST", path, {"spec": {"expirationSeconds": seconds}})
        return str(reply["status"]["token"])

    def kubeconfig(self, namespace: str, user: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """A kubeconfig for a namespace, of the administrator by default."""
        admin = {
            f"client-{kind}-data": base64.b64encode((self._pki / f"admin.{ending}").read_bytes()).decode()
            for kind, ending in (("certificate", "crt"), ("key", "key"))
        }
        cluster = {"server": self.server, "certificate-authority": str(self._pki / "ca.crt")}
        context = {"cluster": "test", "user": "test", "namespace": namespace}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": dict(user) if user else admin}],
            "contexts": [{"name": "test", "context": context}],
        }

    def kill(self, name: str) -> None:
        """End a process with SIGKILL."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def start_api_server(self) -> None:
        """Start the API server; return when it is ready."""
        pki = self._pki
        self._run(
            "apiserver",
            self._binaries / "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._etcd}",
            *("--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"),
            f"--secure-port={self._port}",
            "--endpoint-reconciler-type=none",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            f"--client-ca-file={pki}/ca.crt",
            f"--cert-dir={self._folder}/certificates",
            f"--service-account-key-file={pki}/sa.pub",
            f"--service-account-signing-key-file={pki}/sa.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--api-audiences=https://kubernetes.default.svc",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            f"--kubelet-client-certificate={pki}/kubelet-client.crt",
            f"--kubelet-client-key={pki}/kubelet-client.key",
            f"--kubelet-certificate-authority={pki}/ca.crt",
            "--kubelet-preferred-address-types=InternalIP",
            "--profiling=false",
        )
        wait_for(self._is_ready, "the API server")

    def start_controllers(self) -> None:
        """Start the controllers."""
        pki = self._pki
        self._run(
            "controllers",
            self._binaries / "kube-controller-manager",
            f"--kubeconfig={self._kubeconfig_of('controllers')}",
            f"--service-account-private-key-file={pki}/sa.key",
            f"--root-ca-file={pki}/ca.crt",
            *("--use-service-account-credentials=true", "--leader-elect=false"),
            *("--bind-address=127.0.0.1", f"--secure-port={self._c}"),
            f"--cert-dir={self._folder}/certificates",
            *("--kube-api-qps=500", "--kube-api-burst=1000", "--profiling=false"),
        )

    def _start_scheduler(self) -> None:
        self._run(
            "scheduler",
            self._binaries / "kube-scheduler",
            f"--kubeconfig={self._kubeconfig_of('scheduler')}",
            *("--leader-elect=false", "--bind-address=127.0.0.1"),
            f"--secure-port={self._s}",
            f"--cert-dir={self._folder}/certificates",
            *("--kube-api-qps=500", "--kube-api-burst=1000"),
        )

    def _start_etcd(self) -> None:
        data = self._folder / "etcd"
        data.mkdir(mode=0o700)
        peer = f"http://127.0.0.1:{self._peer}"
        client = f"http://127.0.0.1:{self._etcd}"
        self._run(
            *("etcd", self._binaries / "etcd", "--data-dir", data, "--unsafe-no-fsync"),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", f"default={peer}"),
        )

    def _start_node(self) -> None:
        self._run(
            *(
                "node",
                pathlib.Path(sys.executable),
                HERE / "kube_node.py",
                "--api",
                self.server,
                "--pki",
                self._pki,
            ),
            *("--folder", self.node_folder, "--port", self._kubelet),
        )

    def _run(self, name: str, program: Any, *arguments: Any) -> None:
        command = [program, *arguments]
        if program.name.startswith("kube-"):
            shown = subprocess.run([program, "--help"], capture_output=True, text=True, check=True)
            command += [flag for text, flag in _FLAGS.items() if text in shown.stdout]
        with (self._folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "HOME": str(self._folder)},
            )

    def _is_ready(self) -> bool:
        process = self.processes["apiserver"]
        assert process.poll() is None, (self._folder / "apiserver.log").read_text()[-2000:]
        try:
            return self.admin.get("/readyz").text == "ok"
        except httpx.HTTPError:
            return False

    def _has_account(self) -> bool:
        return bool(self.get("/api/v1/namespaces/default/serviceaccounts/default"))

    def _kubeconfig_of(self, name: str) -> pathlib.Path:
        files = {
            f"client-{kind}": str(self._pki / f"{name}.{ending}")
            for kind, ending in (("certificate", "crt"), ("key", "key"))
        }
        file = self._folder / f"{name}.kubeconfig"
        file.write_text(json.dumps(self.kubeconfig("default", files)))
        return file

    def _make_certificates(self) -> None:
        def openssl(*words: str) -> None:
            command = ["openssl", *words]
            subprocess.run(command, cwd=self._pki, check=True, capture_output=True)

        curve = ("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out")
        openssl(*curve, "ca.key")
        openssl(*("req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=test", "-out", "ca.crt"))
        for name, (subject, use) in _CERTIFICATES.items():
            openssl(*curve, f"{name}.key")
            request = ("req", "-new", "-key", f"{name}.key", "-subj", subject)
            openssl(*request, "-out", f"{name}.csr")
            (self._pki / "extensions").write_text(f"extendedKeyUsage={use}\n{_NAMES}\n")
            openssl(
                *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key"),
                *("-CAcreateserial", "-extfile", "extensions", "-out", f"{name}.crt"),
            )
        openssl("genrsa", "-out", "sa.key", "2048")
        openssl("rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub")
