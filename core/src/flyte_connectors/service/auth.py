"""Bearer tokens: only clients that send `authorization: Bearer TOKEN` are accepted (RFC 6750).

Flyte's back end sends no token; this is for other clients and for services behind a sidecar that adds
one. Health checks need none, because probes can't send it.
"""

from __future__ import annotations

import hmac
import pathlib
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from flyte_connectors.errors import SettingsError

_OPEN = "/grpc.health.v1.Health/"


class TokenFile:
    """A file of tokens that is read again when it changes.

    Args:
        path: File with one token a line.
        setting: The flag that names it, for errors.

    Raises:
        SettingsError: the file can't be read or contains no token.
    """

    def __init__(self, path: str, setting: str = "--auth-token-file") -> None:
        self._path = pathlib.Path(path)
        self._setting = setting
        self._read_at = 0
        self._tokens: list[bytes] = []
        if not self.tokens():
            raise SettingsError(f"{path} contains no token", field=setting)

    def tokens(self) -> list[bytes]:
        """What the file holds now, or held before it was taken away."""
        try:
            changed_at = self._path.stat().st_mtime_ns
            if changed_at != self._read_at:
                lines = self._path.read_bytes().splitlines()
                self._tokens = [line.strip() for line in lines if line.strip()]
                self._read_at = changed_at
        except OSError as error:
            if not self._read_at:  # else it is being replaced
                message = f"can't read {self._path}: {error.strerror}"
                raise SettingsError(message, field=self._setting) from error
        return self._tokens

    def holds(self, token: str) -> bool:
        """Whether a token is one of the file's."""
        given = token.strip().encode()
        matches = [hmac.compare_digest(given, known) for known in self.tokens()]
        return any(matches)


class BearerAuth(grpc.aio.ServerInterceptor):
    """Refuses calls without a valid token.

    Args:
        path: File with one token a line; read again when it changes.

    Raises:
        SettingsError: the file can't be read or contains no token.
    """

    def __init__(self, path: str) -> None:
        self._known = TokenFile(path)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The call's handler, or one that refuses the call."""
        method: str = handler_call_details.method
        if method.startswith(_OPEN) or self._is_known(handler_call_details.invocation_metadata):
            return await continuation(handler_call_details)
        return grpc.unary_unary_rpc_method_handler(_refuse)

    def _is_known(self, metadata: Any) -> bool:
        sent = next((value for key, value in metadata if key == "authorization"), "")
        scheme, _, token = str(sent).partition(" ")
        return scheme.lower() == "bearer" and self._known.holds(token)


async def _refuse(_: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    text = "missing or invalid bearer token: send the metadata `authorization: Bearer TOKEN`"
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, text)
