"""Whether the platforms that the operator names in the settings answer."""

from __future__ import annotations

import asyncio

from flyte_connectors.errors import ConnectorError, JobNotFoundError
from flyte_connectors.http import Client

from flyte_connectors_model_training.settings import ModelTrainingSettings


def check_all() -> list[str | Exception]:
    """A line, or an error, for each."""
    return asyncio.run(_check_all())


async def _check_all() -> list[str | Exception]:
    settings = ModelTrainingSettings.read()
    asked = [_service(url) for url in settings.services] + [_ray(url) for url in settings.ray]
    return list(await asyncio.gather(*asked))


async def _service(url: str) -> str | Exception:
    """A training service: any answer but that of a broken one, since its API is the task's to describe."""
    try:
        client = Client(url, field="plugins.model-training.services", trusted=True)
        reply = await client.get(check=False)
    except ConnectorError as error:
        return error
    if reply.status == 404:  # noqa: PLR2004
        return JobNotFoundError(f"{url} answered 404: is this where trainings are submitted?")
    if reply.status >= 500:  # noqa: PLR2004
        return ConnectorError(f"{url} answered {reply.status}")
    return f"training service {url} answered {reply.status}"


async def _ray(url: str) -> str | Exception:
    try:
        client = Client(url, field="plugins.model-training.ray", trusted=True)
        version = (await client.get("api", "version")).json()
    except ConnectorError as error:
        return error
    return f"Ray {version.get('ray_version', '')} at {url}"
