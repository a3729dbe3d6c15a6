"""A node of a test cluster: it runs the containers of pods as processes, in namespaces of their own (needs root).

    python kube_node.py --api URL --pki FOLDER --folder FOLDER [--port PORT]

What a kubelet does is done as it does it: `$(NAME)` is expanded, downward API volumes and empty folders are mounted,
SIGTERM goes to the first process and SIGKILL to all after the grace time, deadlines and limits of memory are enforced,
variables come from Secrets, for which containers wait, the termination message is read, and logs are served to the API server. There are no images: one whose name begins
with `missing` can't be pulled. Pods of arrays that an old job controller leaves without an index get one here.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import datetime as dt
import http.server
import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
from typing import Any
from urllib.parse import parse_qs, urlparse

import httpx

NAME = "node-1"
INDEX = "batch.kubernetes.io/job-completion-index"
MOST_MESSAGE_BYTES = 4096

# Bind mounts need a place; /run is a private one, of which the container sees what is mounted here alone.
ENTER = """\
mount -t tmpfs tmpfs /run || exit 126
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then mkdir -p "$2"; else mkdir -p "${2%/*}"; : > "$2"; fi
    mount --bind "$1" "$2" || exit 126
    shift 2
done
shift
cd "$1" || exit 126
shift
exec "$@"
"""


def now() -> str:
    return dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def expanded(text: str, values: dict[str, str]) -> str:
    """As https://pkg.go.dev/k8s.io/kubernetes/third_party/forked/golang/expansion does it."""
    found, at = "", 0
    while at < len(text):
        if text[at] == "$" and at + 1 < len(text):
            if text[at + 1] == "$":
                found, at = found + "$", at + 2
                continue
            end = text.find(")", at) if text[at + 1] == "(" else -1
            if end > 0:
                name = text[at + 2 : end]
                found, at = found + values.get(name, f"$({name})"), end + 1
                continue
        found, at = found + text[at], at + 1
    return found


def descendants(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
        children = [int(child) for child in path.read_text().split()]
        return children + [other for child in children for other in descendants(child)]
    return []


def resident(pids: list[int]) -> int:
    pages = 0
    for pid in pids:
        with contextlib.suppress(OSError, IndexError, ValueError):
            pages += int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def size_of(quantity: str) -> int:
    units = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
    return int(quantity[:-2]) * units[quantity[-2:]] if quantity[-2:] in units else int(quantity)


class Node:
    """The node, and its pods by uid."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.folder = pathlib.Path(arguments.folder)
        self.port = arguments.port
        pki = pathlib.Path(arguments.pki)
        tls = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        tls.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        limits = httpx.Limits(max_connections=30)
        self.client = httpx.Client(base_url=arguments.api, verify=tls, timeout=30, limits=limits)
        self.pods: dict[str, Pod] = {}
        self.indexes: dict[str, int] = {}
        self.lock = threading.Lock()

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request again and again until the API server answers: it is killed in tests."""
        while True:
            with contextlib.suppress(httpx.HTTPError):
                reply = self.client.request(method, path, **options)
                if reply.status_code < 500 and reply.status_code != 429:
                    return reply
            time.sleep(0.3)

    def patch(self, path: str, body: dict[str, Any]) -> httpx.Response:
        headers = {"content-type": "application/strategic-merge-patch+json"}
        return self.call("PATCH", path, content=json.dumps(body), headers=headers)

    def register(self) -> None:
        labels = {"kubernetes.io/hostname": NAME, "kubernetes.io/os": "linux"}
        self.call("POST", "/api/v1/nodes", json={"metadata": {"name": NAME, "labels": labels}})
        leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        while True:
            self.report_ready()  # also after it was taken for dead, while the API server was
            moment = dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            spec = {"holderIdentity": NAME, "leaseDurationSeconds": 40, "renewTime": moment}
            if self.patch(f"{leases}/{NAME}", {"spec": spec}).status_code == 404:
                self.call("POST", leases, json={"metadata": {"name": NAME}, "spec": spec})
            time.sleep(5)

    def report_ready(self) -> None:
        amounts = {"cpu": "64", "memory": "64Gi", "pods": "2000", "ephemeral-storage": "500Gi"}
        stamp = {"lastHeartbeatTime": now(), "lastTransitionTime": now()}
        good = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}
        status = {
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": [{**good, **stamp}],
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self.port}},
        }
        self.patch(f"/api/v1/nodes/{NAME}/status", {"status": status})

    def watch(self) -> None:
        """Follow the pods of this node for ever."""
        chosen = {"fieldSelector": f"spec.nodeName={NAME}"}
        while True:
            listed = self.call("GET", "/api/v1/pods", params=chosen).json()
            here = {item["metadata"]["uid"] for item in listed["items"]}
            for uid in set(self.pods) - here:
                self.see("DELETED", {"metadata": {"uid": uid}})
            for item in listed["items"]:
                self.see("ADDED", item)
            version = listed["metadata"]["resourceVersion"]
            query = {**chosen, "watch": "1", "resourceVersion": version}
            with contextlib.suppress(httpx.HTTPError):
                timeout = httpx.Timeout(30, read=None)
                stream = self.client.stream("GET", "/api/v1/pods", params=query, timeout=timeout)
                with stream as reply:
                    for line in reply.iter_lines():
                        event = json.loads(line)
                        if event["type"] == "ERROR":
                            break
                        self.see(event["type"], event["object"])
            time.sleep(0.2)

    def see(self, kind: str, item: dict[str, Any]) -> None:
        metadata = item["metadata"]
        pod = self.pods.get(metadata["uid"])
        if kind == "DELETED":
            if pod:
                pod.kill()
                del self.pods[metadata["uid"]]
            return
        phase = item.get("status", {}).get("phase", "Pending")
        if pod is None:
            if metadata.get("deletionTimestamp"):
                self.remove(item)
            elif phase == "Pending":
                self.pods[metadata["uid"]] = Pod(self, item)
            return
        pod.item = item
        if phase == "Failed" and not pod.has_ended:  # somebody has evicted it
            pod.kill()
        if metadata.get("deletionTimestamp") and not pod.is_deleted:
            pod.is_deleted = True
            threading.Thread(target=pod.delete, daemon=True).start()

    def remove(self, item: dict[str, Any]) -> None:
        metadata = item["metadata"]
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        self.call("DELETE", path, json=options)

    def index_of(self, item: dict[str, Any]) -> str | None:
        """The index of an array's pod, given here if its controller gave none."""
        if INDEX in item["metadata"].get("annotations", {}):
            return None
        (owner,) = [one["uid"] for one in item["metadata"].get("ownerReferences", [])] or [""]
        with self.lock:
            self.indexes[owner] = self.indexes.get(owner, -1) + 1
            return str(self.indexes[owner])

    def supervise(self) -> None:
        """Enforce deadlines and limits of memory."""
        while True:
            for pod in list(self.pods.values()):
                pod.check()
            time.sleep(0.1)


class Pod:
    """A pod with one container."""

    def __init__(self, node: Node, item: dict[str, Any]) -> None:
        self.node, self.item = node, item
        metadata = item["metadata"]
        self.name, self.uid = metadata["name"], metadata["uid"]
        self.path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{self.name}"
        self.namespace = metadata["namespace"]
        self.container = item["spec"]["containers"][0]
        self.folder = node.folder / self.uid
        self.folder.mkdir(parents=True)
        self.message = self.folder / "message"
        self.message.touch()
        self.message.chmod(0o666)
        self.log = self.folder / "log"
        self.log.touch()
        self.process: subprocess.Popen[bytes] | None = None
        self.state: dict[str, Any] = {"waiting": {"reason": "ContainerCreating"}}
        self.started, self.begun = time.time(), ""
        self.reason = ""
        self.index = ""
        self.secrets: dict[str, dict[str, str]] = {}
        self.is_deleted = self.has_ended = self.is_ending = self.is_oversized = False
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        if any("job-completion-index" in json.dumps(one) for one in self.container.get("env", [])):
            index = self.node.index_of(self.item)
            if index is not None:
                self.index = index
                self.node.patch(self.path, {"metadata": {"annotations": {INDEX: index}}})
        image = self.container["image"]
        if image.startswith("missing"):
            self.fail_to_pull(image)
            return
        if not self.read_secrets():
            return
        try:
            self.start()
        except OSError as error:
            self.state = {"terminated": self.ended(128, "StartError", str(error))}
            self.report("Failed")
            return
        assert self.process
        self.state = {"running": {"startedAt": self.begun}}
        self.report("Running")
        self.copy_log()
        code = self.process.wait()
        code = 128 - code if code < 0 else code
        reason = "OOMKilled" if self.is_oversized else "Error" if code else "Completed"
        self.state = {"terminated": self.ended(code, reason, self.said(code))}
        self.report("Failed" if code or self.reason else "Succeeded")

    def read_secrets(self) -> bool:
        """Fetch the Secrets that variables refer to, when they are there. False if the pod has ended before."""
        names = {one["valueFrom"]["secretKeyRef"]["name"] for one in self.secret_variables()}
        while not (self.is_deleted or self.reason):
            path = f"/api/v1/namespaces/{self.namespace}/secrets"
            found = {name: self.node.call("GET", f"{path}/{name}") for name in names}
            missing = [name for name, reply in found.items() if reply.status_code != 200]
            if not missing:
                self.secrets = {name: reply.json()["data"] for name, reply in found.items()}
                return True
            text = f'secret "{missing[0]}" not found'
            self.state = {"waiting": {"reason": "CreateContainerConfigError", "message": text}}
            self.report("Pending")
            time.sleep(0.5)
        if not self.is_deleted:
            self.report("Failed")
        return False

    def secret_variables(self) -> list[dict[str, Any]]:
        return [one for one in self.container.get("env", []) if "secretKeyRef" in one.get("valueFrom", {})]

    def fail_to_pull(self, image: str) -> None:
        for reason in ("ErrImagePull", "ImagePullBackOff"):
            text = f'failed to resolve "{image}": no such host'
            self.state = {"waiting": {"reason": reason, "message": text}}
            self.report("Pending")
            time.sleep(1)
        while not (self.is_deleted or self.reason):
            time.sleep(0.1)
        if not self.is_deleted:
            self.report("Failed")

    def start(self) -> None:
        environment = self.environment()
        mounts = [str(self.message), self.container["terminationMessagePath"]]
        for volume in self.item["spec"].get("volumes", []):
            source = self.volume(volume)
            for mount in self.container.get("volumeMounts", []):
                if mount["name"] == volume["name"]:
                    mounts += [str(source), mount["mountPath"]]
        words = [*self.container.get("command", []), *self.container.get("args", [])]
        words = [expanded(word, environment) for word in words]
        if "/" not in words[0] and not shutil.which(words[0], path=environment["PATH"]):
            message = f'exec: "{words[0]}": executable file not found in $PATH'
            raise OSError(message)
        folder = self.container.get("workingDir") or "/"
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self.process = subprocess.Popen(
            [*unshare, "/bin/sh", "-c", ENTER, "enter", *mounts, "--", folder, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        self.begun = now()

    def environment(self) -> dict[str, str]:
        values = {"PATH": os.environ["PATH"], "HOME": "/root", "HOSTNAME": self.name}
        for one in self.container.get("env", []):
            source = one.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath", "")
            if source:
                values[one["name"]] = self.field(source)
            else:
                values[one["name"]] = expanded(one.get("value", ""), values)
        for one in self.secret_variables():
            source = one["valueFrom"]["secretKeyRef"]
            values[one["name"]] = base64.b64decode(self.secrets[source["name"]][source["key"]]).decode()
        return values

    def field(self, path: str) -> str:
        kind, _, key = path.rpartition("['")
        if self.index and INDEX in path:
            return self.index
        return str(self.item["metadata"][kind.rpartition(".")[2]].get(key.rstrip("']"), ""))

    def volume(self, volume: dict[str, Any]) -> pathlib.Path:
        folder = self.folder / f"volume-{volume['name']}"
        folder.mkdir(mode=0o777)
        for item in volume.get("downwardAPI", {}).get("items", []):
            file = folder / item["path"]
            file.write_text(self.field(item["fieldRef"]["fieldPath"]))
            file.chmod(item["mode"])
        return folder

    def copy_log(self) -> None:
        """Write the container's lines with the time of each, until it has closed its output."""
        assert self.process
        assert self.process.stdout
        with self.log.open("ab", buffering=0) as log:
            for line in self.process.stdout:
                if line.startswith(b"unshare: "):  # its own, about a child that was killed
                    continue
                moment = time.time_ns()
                seconds = dt.datetime.fromtimestamp(moment // 10**9, dt.timezone.utc)
                stamp = f"{seconds:%Y-%m-%dT%H:%M:%S}.{moment % 10**9:09d}Z "
                log.write(stamp.encode() + line)

    def said(self, code: int) -> str:
        """The termination message, or the end of the log of a failed container without one."""
        text = self.message.read_bytes()[-MOST_MESSAGE_BYTES:].decode(errors="replace")
        if not text and code and self.container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            lines = self.log.read_bytes().splitlines(keepends=True)[-80:]
            said = b"".join(line.partition(b" ")[2] for line in lines)
            text = said[-2048:].decode(errors="replace")
        return text

    def ended(self, code: int, reason: str, message: str) -> dict[str, Any]:
        return {
            "exitCode": code,
            "reason": reason,
            "message": message,
            "startedAt": self.begun or now(),
            "finishedAt": now(),
        }

    def report(self, phase: str) -> None:
        if phase in ("Succeeded", "Failed"):
            self.has_ended = True
            if self.item.get("status", {}).get("phase") == "Failed":
                return  # it was evicted: that stays its reason
        container = {
            "name": self.container["name"],
            "image": self.container["image"],
            "imageID": "",
            "ready": phase == "Running",
            "restartCount": 0,
            "state": self.state,
        }
        status: dict[str, Any] = {
            "phase": phase,
            "startTime": dt.datetime.fromtimestamp(self.started, dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "containerStatuses": [container],
        }
        if self.reason:
            text = "Pod was active on the node longer than the specified deadline"
            status |= {"reason": self.reason, "message": text}
        self.node.patch(f"{self.path}/status", {"metadata": {"uid": self.uid}, "status": status})

    def check(self) -> None:
        if self.has_ended or self.is_ending:
            return
        limit = self.item["spec"].get("activeDeadlineSeconds")
        if limit is not None and time.time() - self.started > limit:
            self.is_ending, self.reason = True, "DeadlineExceeded"
            threading.Thread(target=self.terminate, daemon=True).start()
        memory = self.container.get("resources", {}).get("limits", {}).get("memory")
        if memory and self.process and resident(descendants(self.process.pid)) > size_of(memory):
            self.is_oversized = self.is_ending = True
            self.kill()

    def terminate(self) -> None:
        """SIGTERM to the first process; SIGKILL to all after the grace time."""
        if self.process is None:
            return
        first = descendants(self.process.pid)[:1]
        with contextlib.suppress(OSError):
            os.kill(first[0] if first else self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(self.item["spec"].get("terminationGracePeriodSeconds", 30))
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        if self.process and self.process.poll() is None:
            for pid in descendants(self.process.pid)[:1]:  # the first of a namespace takes all along
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()

    def delete(self) -> None:
        self.terminate()
        while self.process is not None and not self.has_ended:
            time.sleep(0.05)
        self.node.remove(self.item)


class Logs(http.server.BaseHTTPRequestHandler):
    """Serves logs as a kubelet: `/containerLogs/NAMESPACE/POD/CONTAINER`."""

    protocol_version = "HTTP/1.1"
    node: Node

    def log_message(self, *_: Any) -> None:
        """Nothing: the log of this process is read by people."""

    def do_GET(self) -> None:
        url = urlparse(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        words = url.path.strip("/").split("/")
        pods = list(self.node.pods.values())
        pod = next((one for one in pods if [one.namespace, one.name] == words[1:3]), None)
        data = b"no such container\n" if pod is None else self.part(pod.log, query)
        self.send_response(404 if pod is None else 200)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    @staticmethod
    def part(log: pathlib.Path, query: dict[str, str]) -> bytes:
        lines = log.read_bytes().splitlines(keepends=True)
        since = query.get("sinceTime", "").rstrip("Z").encode()
        lines = [line for line in lines if line[: len(since)] >= since]
        if "tailLines" in query:
            lines = lines[max(0, len(lines) - int(query["tailLines"])) :]
        if query.get("timestamps") != "true":
            lines = [line.partition(b" ")[2] for line in lines]
        data = b"".join(lines)
        return data[: int(query["limitBytes"])] if "limitBytes" in query else data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api", required=True)
    parser.add_argument("--pki", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    node = Logs.node = Node(arguments)
    pki = pathlib.Path(arguments.pki)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", arguments.port), Logs)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pki / "kubelet.crt", pki / "kubelet.key")
    tls.load_verify_locations(pki / "ca.crt")
    tls.verify_mode = ssl.CERT_REQUIRED
    server.socket = tls.wrap_socket(server.socket, server_side=True)

    def end(*_: Any) -> None:
        for pod in list(node.pods.values()):
            pod.kill()
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    for work in (server.serve_forever, node.register, node.supervise):
        threading.Thread(target=work, daemon=True).start()
    try:
        node.watch()
    finally:
        end()


if __name__ == "__main__":
    sys.exit(main())
