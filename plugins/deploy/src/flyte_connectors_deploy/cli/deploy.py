"""`flyte-connectors deploy APP.PY NAME`: build the image of a service and apply it to a cluster."""

from __future__ import annotations

import argparse
import pathlib
import types

from flyte_connectors._registry.user_modules import import_module
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.tasks.running import init_from_config

from flyte_connectors_deploy.applying import deploy, plan
from flyte_connectors_deploy.environment import ConnectorEnvironment
from flyte_connectors_deploy.kustomize import write_kustomization


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `deploy`."""
    parser.add_argument("file", metavar="APP.PY", help="file with a ConnectorEnvironment")
    parser.add_argument("name", metavar="NAME", help="its variable, or its name")
    parser.add_argument("--dry-run", action="store_true", help="show the manifests without applying them")
    parser.add_argument(
        "-o", "--output", choices=("yaml", "kustomize"),
        help="print YAML or write a kustomize base, without applying anything",
    )  # fmt: skip
    parser.add_argument("--root-dir", metavar="D", help="root folder of your code (default: the folder of APP.PY)")
    parser.add_argument("--output-dir", metavar="D", help="folder of the kustomize base (default: ./NAME)")
    parser.add_argument(
        "--builder",
        default="local",
        metavar="B",
        help="buildah, docker, local (default: the first installed one), or remote (Flyte's back end)",
    )
    parser.add_argument("--find-links", metavar="D", help="folder with wheels that are not on a package index")


def run(options: argparse.Namespace) -> int:
    """Deploy, or show what would be."""
    init_from_config(root_dir=options.root_dir)
    environment = _find(import_module(options.file), options)
    if options.output == "kustomize":
        folder = pathlib.Path(options.output_dir or environment.name)
        for file in write_kustomization(plan(environment), folder):
            print(file)
    elif options.dry_run or options.output:
        print(plan(environment).to_yaml(), end="")
    else:
        for done in deploy(environment, builder=options.builder, find_links=options.find_links):
            print(done)
    return 0


def _find(module: types.ModuleType, options: argparse.Namespace) -> ConnectorEnvironment:
    found = {k: v for k, v in vars(module).items() if isinstance(v, ConnectorEnvironment)}
    named = {environment.name: environment for environment in found.values()}
    environment = found.get(options.name) or named.get(options.name)
    if environment is None:
        known = ", ".join(sorted({*found, *named})) or "none"
        message = f"no ConnectorEnvironment named {options.name!r} in {options.file} (found: {known})"
        raise InvalidRequestError(message)
    return environment
