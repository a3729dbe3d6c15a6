"""`deploy()`: shows the objects, builds the image, applies all objects or none."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any

from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.tasks.calls import run_sync

from flyte_connectors_deploy.commands import CommandError, require, run_command
from flyte_connectors_deploy.engine import ImageBuildEngine
from flyte_connectors_deploy.environment import ConnectorEnvironment
from flyte_connectors_deploy.kubernetes_yaml import to_yaml
from flyte_connectors_deploy.manifests import manifests
from flyte_connectors_deploy.registered import is_looking
from flyte_connectors_deploy.routing import routing, served
from flyte_connectors_deploy.shared_directories import shared_directories
from flyte_connectors_deploy.sources import Sources


@dataclasses.dataclass(frozen=True)
class Deployment:
    """A service that was deployed, or would be with a dry run.

    Attributes:
        environment: What it was made from.
        objects: Its Kubernetes objects.
        back_end: The configuration of Flyte's back end for it.
        sources: The author's files.
        applied: Whether the cluster has it.
    """

    environment: ConnectorEnvironment
    objects: list[dict[str, Any]]
    back_end: dict[str, Any]
    sources: Sources = dataclasses.field(repr=False)
    applied: bool = False

    def __str__(self) -> str:
        state = "deployed" if self.applied else "planned"
        return f"{self.environment.name}: {state}, at {self.environment.endpoint}"

    def to_yaml(self) -> str:
        """The objects, with the configuration of the back end as comments."""
        lines = to_yaml(self.back_end).splitlines()
        comment = "".join(f"#   {line}\n" for line in lines)
        return f"{to_yaml(*self.objects)}# Merge into the configuration of Flyte's back end, lists too:\n{comment}"


def plan(environment: ConnectorEnvironment) -> Deployment:
    """What `deploy` would apply, with the image under its tag; nothing is built.

    Raises:
        InvalidRequestError: `include` names nothing that can be served, or several replicas would
            not share the directory of a connector's jobs.
    """
    sources = environment.sources()
    image = environment.built_image(sources)
    return _plan(environment, sources, image.uri(sources) if image else str(environment.image))


def deploy(
    *environments: ConnectorEnvironment,
    dry_run: bool = False,
    builder: str = "local",
    find_links: str | None = None,
) -> list[Deployment]:
    """Build the images of `environments`, push them, and apply the objects with `kubectl`.

    The objects are shown on standard error first, and the cluster validates all of them before any is
    applied. Everything is checked before the first image is built.

    Args:
        environments: What to deploy.
        dry_run: Only show the objects.
        builder: As of `ImageBuildEngine.build`.
        find_links: As of `ImageBuildEngine.build`.

    Returns:
        One deployment for each environment.

    Raises:
        InvalidRequestError: an environment can't be deployed as it is.
        CommandError: a program is missing or fails, or the cluster refuses an object.
    """
    if is_looking():
        message = "called while its file is imported: put the call under if __name__ == '__main__'"
        raise InvalidRequestError(message, field="deploy()")
    plans = [plan(environment) for environment in environments]
    for planned in plans:
        print(planned.to_yaml(), end="", file=sys.stderr)  # noqa: T201  (see above)
    if dry_run:
        return plans
    return run_sync(_deploy_all(plans, builder, find_links))


async def _deploy_all(plans: list[Deployment], builder: str, find_links: str | None) -> list[Deployment]:
    kubectl = require("kubectl", "https://kubernetes.io/docs/tasks/tools/")
    for planned in plans:
        image = planned.environment.built_image()
        if image and image.registry is None and builder != "remote":  # which has its own
            message = (
                f"{planned.environment.name}: the cluster can't pull an image without a registry: "
                "Image.from_debian_base(registry=...)"
            )
            raise CommandError(message)
    built = [await _build(planned, builder, find_links) for planned in plans]
    everything = [item for deployment in built for item in deployment.objects]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": everything})
    apply = [kubectl, "apply", "--filename", "-"]
    await run_command([*apply, "--dry-run=server"], what="validating in the cluster", stdin=text)
    print(await run_command(apply, what="applying", stdin=text), end="", file=sys.stderr)  # noqa: T201
    return [dataclasses.replace(deployment, applied=True) for deployment in built]


async def _build(planned: Deployment, builder: str, find_links: str | None) -> Deployment:
    image = planned.environment.built_image(planned.sources)
    if image is None:
        return planned
    built = await ImageBuildEngine.build(image, builder, sources=planned.sources, push=True, find_links=find_links)
    return _plan(planned.environment, planned.sources, built.reference)


def _plan(environment: ConnectorEnvironment, sources: Sources, image: str) -> Deployment:
    connectors = served(environment, sources)
    directories = shared_directories(environment, connectors)
    objects = manifests(environment, image, sources.modules, directories)
    types = sorted({connector.task_type for connector in connectors})
    return Deployment(environment, objects, routing(environment, types), sources)
