"""The Containerfile of an image: the same description gives the same bytes.

Two stages: the first installs, without a network, what the context holds (`requirements.lock`, `wheels/`
and `app/`); the second gets what was installed. Both buildah and docker read it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

USER = 1000
"""User and group that the service runs as; no account of that number has to exist."""

APP = "/app"
"""Where the author's files are."""

_PROBE = (
    "import os, urllib.request as r; "
    "r.urlopen('http://127.0.0.1:' + os.environ['FLYTE_CONNECTORS_METRICS_PORT'] + '/readyz', timeout=2)"
)


class Contents(Protocol):
    """What a Containerfile says of an image; see `flyte_connectors_deploy.Image`."""

    @property
    def base(self) -> str:
        """The image that it is built on."""
        ...

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels by name."""
        ...

    @property
    def env_vars(self) -> Iterable[tuple[str, str]]:
        """Environment variables and their values."""
        ...


def variables_of(image: Contents) -> dict[str, str]:
    """The environment variables of the service in `image`, for every builder."""
    return {
        "PYTHONPATH": APP,
        "PYTHONUNBUFFERED": "1",
        "HOME": "/tmp",  # noqa: S108  (the one writable place on a read-only root file system)
        "FLYTE_CONNECTORS_HOST": "0.0.0.0",  # noqa: S104  (others than the container ask it)
        "FLYTE_CONNECTORS_METRICS_PORT": "9090",  # the probe's, too
        **dict(image.env_vars),
    }


def containerfile(image: Contents) -> str:
    """The Containerfile of `image`."""
    path = "/opt/flyte-connectors/bin:/usr/local/bin:/usr/bin:/bin"
    variables = {"PATH": path, **variables_of(image)}
    lines = [
        f"FROM {image.base} AS build",
        "COPY . /build",
        "RUN python3 -m venv --without-pip /opt/flyte-connectors \\",
        "    && python3 -m pip --python /opt/flyte-connectors/bin/python install \\",
        "    --no-cache-dir --disable-pip-version-check --no-compile --no-index --no-deps \\",
        "    --find-links /build/wheels --require-hashes -r /build/requirements.lock \\",
        # What no program reads: the sources of generated messages, and their type stubs.
        "    && find /opt/flyte-connectors/lib -name '*_pb2*.pyi' -delete -o -name '*.proto' -delete \\",
        # Byte code that names no time: the same from each build, and good on a read-only disk.
        # Files that do not compile, such as templates, stay as they are.
        "    && { python3 -m compileall -qq --invalidation-mode unchecked-hash \\",
        "    /opt/flyte-connectors/lib /build/app || true; } \\",
        # A package that is missing is noticed here, not in the cluster.
        "    && /opt/flyte-connectors/bin/python -B -c 'import flyte_connectors.service.server' \\",
        # The command of the official chart, in the place of the SDK's own if that is installed, too.
        "    && /opt/flyte-connectors/bin/python -B -m flyte_connectors_official.stand_in c0 --replace",
        "",
        f"FROM {image.base}",
        *(f"LABEL {key}={json.dumps(value)}" for key, value in sorted(image.labels.items())),
        *(f"ENV {key}={json.dumps(value)}" for key, value in variables.items()),
        "COPY --from=build /opt/flyte-connectors /opt/flyte-connectors",
        f"COPY --from=build /build/app {APP}",
        f"WORKDIR {APP}",
        f"USER {USER}:{USER}",
        "EXPOSE 8000 9090",
        "STOPSIGNAL SIGTERM",
        f"HEALTHCHECK --interval=10s --timeout=3s CMD {json.dumps(['python', '-c', _PROBE])}",
        'ENTRYPOINT ["flyte-connectors"]',
        'CMD ["serve"]',
    ]
    return "\n".join(lines) + "\n"
