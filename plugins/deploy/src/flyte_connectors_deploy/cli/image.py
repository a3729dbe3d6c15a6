"""`flyte-connectors image build`: build the image of a service."""

from __future__ import annotations

import argparse
import asyncio
import pathlib

from flyte_connectors_deploy.engine import ImageBuildEngine
from flyte_connectors_deploy.image import DEFAULT_NAME, DISTRIBUTION, Image, plugin_packages
from flyte_connectors_deploy.sources import find_sources


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `image`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    build = actions.add_parser("build", help="build an image")
    build.add_argument(
        "--plugin", action="append", default=[], metavar="P",
        help=f"extra of {DISTRIBUTION} to install, such as bigquery; repeatable",
    )  # fmt: skip
    build.add_argument(
        "--package", action="append", default=[], metavar="R",
        help="requirement to install, such as flyteplugins-bigquery>=2; repeatable",
    )  # fmt: skip
    build.add_argument(
        "--include", action="append", default=[], metavar="M",
        help="package or file to copy into the image; repeatable",
    )  # fmt: skip
    build.add_argument("--registry", metavar="R", help="registry, such as ghcr.io/my-org")
    build.add_argument("--name", default=DEFAULT_NAME, metavar="N", help="default %(default)s")
    build.add_argument("--base", metavar="IMAGE", help="base image (default: Python on Debian 12)")
    build.add_argument(
        "--python",
        type=_version,
        metavar="X.Y",
        help="Python version of the base image (default: the running one)",
    )
    build.add_argument(
        "--builder",
        default="local",
        metavar="B",
        help="buildah, docker, local (default: the first installed one), or remote (Flyte's back end)",
    )
    build.add_argument("--find-links", metavar="D", help="folder with wheels that are not on a package index")
    build.add_argument("--push", action="store_true", help="push the image to the registry")


def run(options: argparse.Namespace) -> int:
    """Build, and print the reference of the image."""
    base = (options.python, options.registry, options.name)
    image = Image.from_base(options.base, *base) if options.base else Image.from_debian_base(*base)
    built = asyncio.run(
        ImageBuildEngine.build(
            image.with_pip_packages(*plugin_packages(options.plugin), *options.package),
            options.builder,
            sources=find_sources(pathlib.Path.cwd(), options.include),
            push=options.push,
            find_links=options.find_links,
        )
    )
    print(built.reference)
    return 0


def _version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    if not (major.isdecimal() and minor.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a Python version: use a form like 3.12")
    return int(major), int(minor)
