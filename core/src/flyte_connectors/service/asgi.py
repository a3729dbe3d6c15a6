"""The service as an ASGI application, which the plugin flyte-connectors-asgi brings: `pip install flyte-connectors[fast]`."""

from typing import Any

from flyte_connectors.errors import SettingsError
from flyte_connectors.service.transport import installed_transport

try:
    ConnectorApplication: Any = installed_transport("asgi").application_type
except SettingsError as error:
    raise ImportError(error.message) from error

__all__ = ["ConnectorApplication"]
