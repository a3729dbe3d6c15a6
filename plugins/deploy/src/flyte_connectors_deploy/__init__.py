"""Deploys a connector service: builds its image and applies its Kubernetes objects.

    ConnectorEnvironment -> sources -> Image -> ImageBuildEngine -> registry
            |                                                          |
            +-> manifests (+ routing) -> applying <------------- digest

environment.py        ConnectorEnvironment: what is deployed
image.py              Image: what goes into an image, and its name
engine.py             ImageBuildEngine: context, lock, build, push
applying.py           deploy(): show, build, apply
sources.py            `include`: which files are copied, which modules are served, their task types
registered.py         what a module registers when it is imported
shared_directories.py directories for connectors that keep jobs on the service's disk
kubernetes_values.py  validation of names, quantities and variables
containerfile.py      the Containerfile of an image
lock.py               the exact packages, pinned by hash
builders.py           buildah and docker, run as commands
remote_builder.py     builds in Flyte's back end, through the official SDK
manifests.py          the Kubernetes objects of an environment
batch_jobs.py         the rights to run batch jobs
routing.py            the configuration of Flyte's back end that sends tasks to it
kubernetes_yaml.py     plain data as YAML
kustomize.py          the objects as a kustomize base
cli/                  the commands `image` and `deploy`

Names are imported when they are first used: every list of commands imports this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flyte_connectors import hookimpl
from flyte_connectors._lazy_names import lazy_names

if TYPE_CHECKING:
    from flyte_connectors.hookspecs import Commands

__getattr__, __dir__ = lazy_names(__name__, "register_commands")


@hookimpl
def register_commands(commands: Commands) -> None:
    """Add `image` and `deploy`."""
    folder = f"{__name__}.cli"
    commands.add("image", help="build the image of a service", module=f"{folder}.image")
    commands.add("deploy", help="run a service in a Kubernetes cluster", module=f"{folder}.deploy")
