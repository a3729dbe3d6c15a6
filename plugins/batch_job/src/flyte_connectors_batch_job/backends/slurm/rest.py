"""The way to Slurm through slurmrestd, over TCP with a token, or its Unix socket.

Which versions of its API a slurmrestd offers is asked for: it is built with some of them, and an upgrade
changes which. Their forms differ in a few places, which `bodies` knows.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import (
    AuthenticationError,
    ConnectorError,
    InvalidRequestError,
    ServiceUnavailableError,
)
from flyte_connectors.http import Client, Limits, header

from flyte_connectors_batch_job.backends.slurm import bodies, faults, loop
from flyte_connectors_batch_job.backends.slurm.channel import (
    ACTION_SECONDS,
    QUESTION_SECONDS,
    Accounted,
    Record,
)
from flyte_connectors_batch_job.backends.slurm.order import NAME_PREFIX
from flyte_connectors_batch_job.backends.slurm.settings import (
    ADDRESS_VARIABLE,
    TOKEN_VARIABLE,
    claims,
    token,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from flyte_connectors.http import Reply

    from flyte_connectors_batch_job.backends.slurm.order import Order
    from flyte_connectors_batch_job.backends.slurm.settings import SlurmSettings

_VERSION = re.compile(r"/(slurm|slurmdb)/v0\.0\.([0-9]+)/")
_KEPT_SECONDS = 300.0  # Slurm's default of MinJobAge, which the API does not tell
_REPLY_BYTES = 256 * 1024 * 1024  # some 3 KB for each job of the cluster
_NOT_FOUND = 404
_UNAUTHORIZED = 401


class Rest:
    """The way through slurmrestd.

    Args:
        settings: Where it is, and the token's file.
    """

    def __init__(self, settings: SlurmSettings) -> None:
        self._settings = settings
        self._versions: dict[str, int] = {}
        self._accepted: str | None = None  # the last token that Slurm took, or that it needed none

    def jobs(self) -> list[Record]:
        """See `Channel`."""
        reply = self._ask("GET", "jobs", slash=True, seconds=QUESTION_SECONDS)
        user = self._user()
        return [
            record
            for job in reply.get("jobs") or ()
            if str(job.get("name") or "").startswith(NAME_PREFIX)
            and (not user or job.get("user_name") in (None, "", user))
            for record in bodies.records(job)
        ]

    def submit(self, order: Order) -> int:
        """See `Channel`."""
        body = bodies.submission(order, self._version("slurm"))
        reply = self._ask("POST", "job", "submit", body=body)
        number = reply.get("job_id")
        if not isinstance(number, int) or number <= 0:
            raise ServiceUnavailableError("slurmrestd names no id of the job that it was sent")
        return number

    def release(self, job_id: int) -> None:
        """See `Channel`."""
        self._ask("POST", "job", job_id, body=bodies.RELEASE)

    def cancel(self, name: str, job_ids: Collection[int]) -> None:
        """See `Channel`."""
        known = {record.job_id for record in self.jobs() if record.name == name}
        for job_id in sorted(known.intersection(job_ids)):  # another may have this id by now
            try:
                self._ask("DELETE", "job", job_id)
            except InvalidRequestError as error:
                if not faults.says(error.message, faults.ENDED):
                    raise

    def ended(self, job_ids: Collection[int]) -> list[Record]:
        """See `Channel`."""
        return [
            record
            for job_id in sorted(job_ids)
            for job in self._accounted(job_id)
            if (record := bodies.accounted_record(job))
        ]

    def accounted(self, job_id: int, name: str) -> Accounted:
        """See `Channel`."""
        return bodies.accounted([job for job in self._accounted(job_id) if job.get("name") == name])

    def kept_seconds(self) -> float:
        """See `Channel`."""
        return _KEPT_SECONDS

    def _accounted(self, job_id: int) -> list[dict[str, Any]]:
        if not self._version("slurmdb"):
            return []
        try:
            reply = self._ask("GET", "job", job_id, service="slurmdb", seconds=QUESTION_SECONDS)
        except InvalidRequestError:  # it does not know the job
            return []
        return list(reply.get("jobs") or ())

    def _ask(
        self,
        method: str,
        *parts: str | int,
        body: Any = None,
        service: str = "slurm",
        slash: bool = False,
        seconds: float = ACTION_SECONDS,
    ) -> dict[str, Any]:
        """The answer to a request; what Slurm complains of in it is raised."""
        path = (service, f"v0.0.{self._version(service)}", *parts)
        reply = self._send(method, *path, body=body, slash=slash, seconds=seconds)
        if reply.status == _NOT_FOUND:
            self._versions = {}  # upgraded: asked again next time
            raise ServiceUnavailableError(f"slurmrestd does not know {reply.where} any more")
        answer = reply.json_object()
        complaint, is_vague = bodies.complaint(answer)
        if answer.get("job_id") and faults.says(complaint, faults.NOT_NOW):
            return answer
        if is_vague:
            raise self._explained(complaint)
        if complaint:
            error = faults.error_of(complaint)
            is_token = isinstance(error, AuthenticationError) and token(self._settings)
            raise self._bad_token(complaint) if is_token else error
        if not reply.is_success:
            raise reply.error()
        self._accepted = token(self._settings)
        return answer

    def _explained(self, complaint: str) -> ConnectorError:
        """What an unspecific complaint means: slurmrestd says the same of a bad token and of no controller."""
        path = ("slurm", f"v0.0.{self._version('slurm')}", "ping")
        answer = self._send("GET", *path, seconds=QUESTION_SECONDS).json_object()
        is_down = any(not bodies.is_up(ping) for ping in answer.get("pings") or ())
        if is_down or not bodies.complaint(answer)[0]:
            return ServiceUnavailableError(f"Slurm's controller does not answer: {complaint}")
        sent = token(self._settings)
        if claims(sent).expires <= time.time():
            return self._bad_token(complaint)
        if sent == self._accepted:  # so it is busy, or was given another key
            return ServiceUnavailableError(f"Slurm gives no reason: {complaint}")
        if not sent and self._settings.address.startswith("unix:"):  # most of these want none
            hint = f"if slurmrestd wants a token, set {TOKEN_VARIABLE}"
            return ServiceUnavailableError(f"Slurm gives no reason: {complaint}; {hint}")
        return self._bad_token(complaint)

    def _bad_token(self, complaint: str) -> AuthenticationError:
        where = self._settings.token_file or "$SLURM_JWT"
        sent = token(self._settings)
        if not sent:
            return AuthenticationError(f"slurmrestd wants a token: set {TOKEN_VARIABLE}")
        if claims(sent).expires <= time.time():
            return AuthenticationError(f"the token in {where} has expired: renew it (scontrol token)")
        return AuthenticationError(f"Slurm refuses the token in {where}: {complaint}")

    def _version(self, service: str) -> int:
        """The newest version of the API that both sides know; 0 if the service is not offered."""
        if not self._versions:
            paths = self._send("GET", "openapi", "v3", seconds=QUESTION_SECONDS).json_object()["paths"]
            found: dict[str, list[int]] = {"slurm": [], "slurmdb": []}
            for path in paths:
                if match := _VERSION.match(path):
                    found[match[1]].append(int(match[2]))
            known = {name: [v for v in them if v in bodies.KNOWN] for name, them in found.items()}
            if not known["slurm"]:
                offered = ", ".join(f"v0.0.{v}" for v in sorted(set(found["slurm"]))) or "none"
                message = f"slurmrestd offers no API version that is known here (offered: {offered})"
                raise ServiceUnavailableError(message, outcome_unknown=False)
            self._versions = {name: max(them, default=0) for name, them in known.items()}
        return self._versions[service]

    def _send(
        self,
        method: str,
        *parts: str | int,
        body: Any = None,
        slash: bool = False,
        seconds: float,
    ) -> Reply:
        client = self._client(seconds)
        reply = loop.run(
            client.request(method, *parts, body=body, trailing_slash=slash, repeatable=True, check=False),
            seconds + 1,
            "slurmrestd",
        )
        if reply.status == _UNAUTHORIZED:
            raise self._bad_token("401")
        return reply

    def _client(self, seconds: float) -> Client:
        where, socket = self._settings.address, None
        if where.startswith("unix:"):
            where, socket = "http://localhost", where.removeprefix("unix:")
        return Client(
            where,
            field=ADDRESS_VARIABLE,
            auth=self._credentials(),
            headers=self._names(),
            trusted=True,
            limits=Limits(reply_seconds=seconds, reply_bytes=_REPLY_BYTES),
            socket=socket,
        )

    def _credentials(self) -> Mapping[str, str]:
        sent = token(self._settings)
        if not sent:
            return {}
        return header("X-SLURM-USER-TOKEN", sent, field=TOKEN_VARIABLE)

    def _names(self) -> Mapping[str, str]:
        """The token's user: not a credential, which would be masked wherever logs name it."""
        return {"X-SLURM-USER-NAME": self._user()} if token(self._settings) and self._user() else {}

    def _user(self) -> str:
        return self._settings.user or claims(token(self._settings)).user
