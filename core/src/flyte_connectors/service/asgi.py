"""The service as an ASGI application, which the plugin flyte-connectors-asgi brings: `pip install flyte-connectors[fast]`."""

from typing import Any

from flyte_connectors import errors as _errors
from flyte_connectors.service import transport as _transport

try:
    ConnectorApplication: Any = _transport.installed_transport("asgi").application_type
except _errors.SettingsError as error:
    raise ImportError(error.message) from error

__all__ = ["ConnectorApplication"]
