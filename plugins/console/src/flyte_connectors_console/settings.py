"""What the operator sets: whether there are pages, where they are found, and who may read them."""

from __future__ import annotations

import dataclasses

from flyte_connectors.errors import SettingsError
from flyte_connectors.settings import PluginSettings, setting


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        message = f"invalid value {text!r}: give a URL such as https://connectors.example.com/console"
        raise SettingsError(message)
    return text.rstrip("/")


@dataclasses.dataclass(frozen=True)
class ConsoleSettings(PluginSettings, prefix="FLYTE_CONNECTORS_CONSOLE_"):
    """What the operator of the console sets."""

    enabled: bool = setting(
        default=False,
        help="serve pages about the jobs on the HTTP port, at /console/",
        variable="FLYTE_CONNECTORS_CONSOLE",
        option="--console",
    )
    url: str | None = setting(
        None,
        "URL that leads to /console/, for the links that tasks get to the pages of their jobs",
        _url,
        option="--console-url",
    )
    endpoint: str | None = setting(
        None,
        "HOST:PORT at which users reach the gRPC port, for the commands that the pages show; https://HOST:PORT for TLS",
        default_text="the gRPC port on the host of the pages",
        option="--console-endpoint",
    )
    token_file: str | None = setting(
        None,
        "show the pages only to browsers that know a line of this file",
        default_text="that of `--auth-token-file`",
        option="--console-token-file",
    )
