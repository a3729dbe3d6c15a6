"""The choice of the platform by a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import AuthenticationError
from flyte_connectors.http import Client, basic, bearer, header

from flyte_connectors_model_training.config import CREDENTIAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors_model_training.config import Auth, TrainingConfig
    from flyte_connectors_model_training.platforms import TrainingPlatform


def platform_of(config: TrainingConfig, secrets: Mapping[str, Any], results_uri: str) -> TrainingPlatform:
    """Make the platform that a configuration names.

    Args:
        config: The configuration.
        secrets: Keyword arguments of the call, with the credential among them.
        results_uri: Where the model goes, if the platform does not choose.

    Raises:
        PermissionDeniedError: The operator does not allow its address.
        AuthenticationError: It wants a credential that the call does not bring.
        InvalidRequestError: The credential can't be sent.
    """
    auth = _headers(config.auth, secrets) if config.auth else None
    if config.ray:
        from flyte_connectors_model_training.ray_jobs import RayJobs

        client = Client(config.ray.address, field="custom.ray.address", auth=auth)
        return RayJobs(client, config.ray, results_uri)
    from flyte_connectors_model_training.training_service import TrainingService

    client = Client(config.endpoint, field="custom.endpoint", auth=auth)
    return TrainingService(client, config.api)


def _headers(auth: Auth, secrets: Mapping[str, Any]) -> dict[str, str]:
    secret = secrets.get(CREDENTIAL)
    if not secret:
        message = f"the secret {auth.secret!r} did not come as {CREDENTIAL}: see custom.secrets"
        raise AuthenticationError(message)
    if auth.scheme == "header":
        return header(auth.name, str(secret), field="custom.auth")
    if auth.scheme == "basic":
        return basic(auth.name, str(secret), field="custom.auth")
    return bearer(str(secret), field="custom.auth.secret")
