"""What is deployed: a connector service, described in Python."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.secrets import Secret
from flyte_connectors.tasks.resources import Resources
from flyte_connectors.tasks.running import code_root

from flyte_connectors_deploy.image import Image, plugin_packages
from flyte_connectors_deploy.kubernetes_values import (
    check_namespace,
    check_object_name,
    check_secret_key,
    check_service_name,
    check_variable,
    container_resources,
)
from flyte_connectors_deploy.sources import Sources, find_sources


def _default_resources() -> Resources:
    return Resources(cpu="500m", memory="512Mi")


@dataclasses.dataclass(frozen=True)
class ConnectorEnvironment:
    """A connector service and how it runs in a cluster.

    Args:
        name: Of the Deployment, the Service and what belongs to them.
        image: An `Image` to build, or the reference of a finished one; by default the service with
            `plugins` on Debian.
        resources: Of each replica; the CPU request is what the autoscaler compares with.
        include: The author's packages and Python files, as folder, file or dotted name beside the
            deployment script. All are copied into the image; those that register are served.
        secrets: Keys that the service may read. Each is mounted as the file
            `/etc/flyte/secrets/<key>` and set as an environment variable, from the Kubernetes Secret
            named by `group`, or `<name>-secrets`.
        replicas: Their number, or the least and the most for an autoscaler.
        port: Of gRPC.
        metrics_port: Of /metrics, /healthz and /readyz.
        plugins: Extras of `flyte-connectors` to install, such as `bigquery`.
        env_vars: Environment variables and their values; not for secrets.
        namespace: Where it runs.
        clients: Namespaces whose pods may connect to it.
        grace: Shutdown grace period, in seconds.
        shared_volume: A PersistentVolumeClaim in `namespace` that all replicas mount (ReadWriteMany), for
            connectors whose jobs live on the service's own disk.
        service_account: Kubernetes service account, for a cloud's workload identity and for batch jobs.
        batch_jobs_namespace: Namespace in which the batch-job plugin may run jobs, with `service_account`.
        secret_namespaces: Namespaces of projects, as `{project}-{domain}`, in which the plugin `kubernetes` may read
            the Secret `connector-secrets`, with `service_account`.
        service_monitor: Whether the Prometheus operator shall scrape it.
        root: Folder that `include` is relative to; that of the file which says
            `ConnectorEnvironment(...)` by default. The modules' names are relative to the `root_dir` of
            `init_from_config` where that was called.

    Raises:
        InvalidRequestError: a value is not valid for Kubernetes, or contradicts another.
    """

    name: str
    image: Image | str | None = None
    resources: Resources = dataclasses.field(default_factory=_default_resources)
    include: Sequence[str] = ()
    secrets: str | Secret | Sequence[str | Secret] = ()
    replicas: int | tuple[int, int] = (2, 4)
    port: int = 8000
    metrics_port: int = 9090
    plugins: Sequence[str] = ()
    env_vars: Mapping[str, str] = dataclasses.field(default_factory=dict)
    namespace: str = "flyte"
    clients: Sequence[str] = ("flyte",)
    grace: float = 30.0
    shared_volume: str | None = None
    service_account: str | None = None
    batch_jobs_namespace: str | None = None
    secret_namespaces: Sequence[str] = ()
    service_monitor: bool = False
    root: pathlib.Path | None = None

    def __post_init__(self) -> None:
        self._check_names()
        for variable in self.env_vars:
            check_variable(variable, "env_vars")
        container_resources(self.resources)
        _check_replicas(self.replicas)
        if isinstance(self.replicas, tuple) and self.resources.cpu is None:
            message = f"the autoscaler of replicas={self.replicas} compares with a request: set it"
            raise InvalidRequestError(message, field="resources.cpu")
        _check_ports(self.port, self.metrics_port)
        if not 1 <= self.grace <= 3600:  # noqa: PLR2004  (an hour: longer holds up every node's drain)
            raise InvalidRequestError(f"{self.grace!r}: give 1 to 3600 seconds", field="grace")
        self._check_image()
        if self.root is None:
            # The frames above: the generated __init__, then its caller.
            script = sys._getframe(2).f_globals.get("__file__")  # noqa: SLF001
            folder = pathlib.Path(script).resolve().parent if script else pathlib.Path.cwd()
            object.__setattr__(self, "root", folder)

    def _check_names(self) -> None:
        check_service_name(self.name, "name")
        check_service_name(self.namespace, "namespace")
        for client in _several(self.clients, "clients"):
            check_service_name(client, "clients")
        if not self.clients:  # which Kubernetes would read as everybody
            raise InvalidRequestError("must name at least one namespace", field="clients")
        if self.shared_volume is not None:
            check_object_name(self.shared_volume, "shared_volume")
        if self.service_account is not None:
            check_object_name(self.service_account, "service_account")
        self._check_granted(
            "batch_jobs_namespace", () if self.batch_jobs_namespace is None else [self.batch_jobs_namespace]
        )
        self._check_granted("secret_namespaces", self.secret_namespaces)
        for secret in self.mounted_secrets:
            check_secret_key(secret.key, "secrets")
            check_object_name(self.secret_group(secret), "secrets")
            check_variable(variable_of(secret), "secrets")

    def _check_granted(self, field: str, namespaces: Sequence[str]) -> None:
        for namespace in _several(namespaces, field):
            check_namespace(namespace, field)
        if namespaces and self.service_account is None:
            message = "needs a service_account, which gets the rights there: name one"
            raise InvalidRequestError(message, field=field)

    def _check_image(self) -> None:
        plugin_packages(_several(self.plugins, "plugins"))
        added = "include" if _several(self.include, "include") else "plugins"
        if isinstance(self.image, str) and (self.include or self.plugins):
            message = (
                f"{self.image!r} is already built, so {added} can't be added to it: use Image.from_base({self.image!r})"
            )
            raise InvalidRequestError(message, field="image")

    @property
    def mounted_secrets(self) -> tuple[Secret, ...]:
        """`secrets` in one form."""
        given = [self.secrets] if isinstance(self.secrets, (str, Secret)) else self.secrets
        return tuple(one if isinstance(one, Secret) else Secret(one) for one in given)

    def secret_group(self, secret: Secret) -> str:
        """Name of the Kubernetes Secret that has it."""
        return secret.group or f"{self.name}-secrets"

    def sources(self) -> Sources:
        """The files that `include` names.

        Raises:
            InvalidRequestError: one does not exist, or none registers a connector.
        """
        return find_sources(self.root or pathlib.Path.cwd(), self.include, code_root())

    def built_image(self, sources: Sources | None = None) -> Image | None:
        """The image to build; None where a finished one is named.

        Args:
            sources: The author's files, if they go along.
        """
        if isinstance(self.image, str):
            return None
        image = self.image or Image.from_debian_base()
        packages = plugin_packages([*self.plugins, *(["kubernetes"] if self.secret_namespaces else [])])
        if sources is not None and sources.describe_deployments:
            packages += plugin_packages(["deploy"])
        return image.with_pip_packages(*packages) if packages else image

    @property
    def endpoint(self) -> str:
        """Where Flyte's back end finds the service; resolves to every replica."""
        return f"dns:///{self.name}.{self.namespace}.svc.cluster.local:{self.port}"


def variable_of(secret: Secret) -> str:
    """The environment variable of a secret, by default its name in capitals as in the official SDK."""
    name = f"{secret.group}_{secret.key}" if secret.group else secret.key
    return secret.as_env_var or re.sub(r"[-.]", "_", name).upper()


def _several(values: Any, field: str) -> Sequence[str]:
    if isinstance(values, str) or not all(isinstance(value, str) for value in values):
        raise InvalidRequestError(f"{values!r} is not a list of names", field=field)
    return tuple(values)


def _check_replicas(replicas: Any) -> None:
    pair = replicas if isinstance(replicas, tuple) else (replicas, replicas)
    is_pair = len(pair) == 2 and all(type(number) is int for number in pair)  # noqa: PLR2004
    if not is_pair or not 1 <= pair[0] <= pair[1]:
        message = f"{replicas!r}: give a number from 1, or (least, most)"
        raise InvalidRequestError(message, field="replicas")


def _check_ports(port: Any, metrics_port: Any) -> None:
    for field, value in (("port", port), ("metrics_port", metrics_port)):
        # An unprivileged user can't listen below 1024.
        if type(value) is not int or not 1024 <= value <= 65535:  # noqa: PLR2004
            raise InvalidRequestError(f"{value!r}: give 1024 to 65535", field=field)
    if port == metrics_port:
        message = f"{metrics_port} is the gRPC port already: give another"
        raise InvalidRequestError(message, field="metrics_port")
