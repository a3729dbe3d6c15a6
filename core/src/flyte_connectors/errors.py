"""Every error that a connector raises or a person sees.

The class decides the gRPC status code and whether a retry may help, so clients need not parse messages.
Connectors raise these; whatever else they raise becomes `InternalError`.

Whether a failed `create` may have started a job is a separate attribute, `outcome_unknown`: a vendor that
refuses (400, 401, 403, 409, 429) has started none, a connection that breaks off may have. Raise
`ServiceUnavailableError(text, outcome_unknown=False)` for what certainly never reached the vendor, such
as a refused connection; only then is a create that may not be repeated tried again.

    ConnectorError
    ├── ConnectorNotFoundError     NOT_FOUND            no connector serves this task type
    ├── InvalidRequestError        INVALID_ARGUMENT     a field of the request is wrong
    │   ├── InvalidResourceMetaError                    `resource_meta` can't be read
    │   └── SettingsError          (at start-up)        a setting of the service is wrong
    ├── UnsupportedVerbError       UNIMPLEMENTED        the connector lacks this verb
    ├── AuthenticationError        UNAUTHENTICATED      credentials are missing or refused
    ├── PermissionDeniedError      PERMISSION_DENIED    credentials are good, the action is not allowed
    ├── JobNotFoundError           NOT_FOUND            the external system does not know the job
    ├── ConflictError              ALREADY_EXISTS       the job's name is taken by something else
    │   └── UncertainOutcomeError                       a request may have come through; do not repeat it
    ├── RateLimitedError           RESOURCE_EXHAUSTED   slow down, then retry
    ├── ServiceUnavailableError    UNAVAILABLE          the external system is down, retry
    │   └── NotJsonError                                a reply is not the JSON that was expected
    ├── DeadlineExceededError      DEADLINE_EXCEEDED    no answer within the caller's time
    ├── InternalError              INTERNAL             anything unexpected; fixed text, cause only logged
    │   └── ContractError                               the connector broke its contract; no retry helps
    ├── CreateOutcomeUnknownError  FAILED_PRECONDITION  a create that may not be repeated may have worked
    ├── RegistrationError          (at start-up)        a connector can't be registered
    │   └── DuplicateTaskTypeError                      another connector serves its task type
    ├── TaskFailedError            (task side)          the task's job ended without success
    ├── ServiceStartError          (at start-up)        the service can't start
    └── OfficialSdkInstalledError  (task side)          `import flyte` is left to the official SDK

Values and stored data have errors of Python's own kinds: `ConversionError` is a ValueError, `StorageError` an
OSError, `FrameError` a ValueError. `OutputError` never leaves: the job becomes FAILED and says it.
"""

from __future__ import annotations

from typing import ClassVar

MASK = "***"
"""What stands for a secret in the text of an error, a reply or a log line."""


class ConnectorError(Exception):
    """Base of all errors of this framework.

    Attributes:
        code: Name of the gRPC status code that this error becomes on the wire
            (https://grpc.io/docs/guides/status-codes/).
        retryable: Whether the same call may succeed later without a change.
        outcome_unknown: Whether the failed call may have taken effect in the external system.
        message: One line for people: what is wrong, where, and what to do.
        retry_after: Seconds before which no try helps, as where the external system says so; None if
            that is not known. A call that ends sooner is answered at once.

    Args:
        message: The text.
        outcome_unknown: Overrides what the class says.
    """

    code: ClassVar[str] = "INTERNAL"
    retryable: ClassVar[bool] = False
    outcome_unknown: bool = True
    retry_after: float | None = None

    def __init__(self, message: str, *, outcome_unknown: bool | None = None) -> None:
        self.message = " ".join(message.split())
        if outcome_unknown is not None:
            self.outcome_unknown = outcome_unknown
        super().__init__(self.message)


class ConnectorNotFoundError(ConnectorError, LookupError):
    """No registered connector serves the task type and version that were asked for."""

    code = "NOT_FOUND"
    outcome_unknown = False


class InvalidRequestError(ConnectorError):
    """A field of the request is missing, undeclared or wrong.

    Args:
        message: What is wrong with the field and what would be right.
        field: Dotted name of the field, such as `inputs.epochs` or `custom.endpoint`.
    """

    code = "INVALID_ARGUMENT"
    outcome_unknown = False

    def __init__(self, message: str, *, field: str | None = None) -> None:
        self.field = field
        super().__init__(f"{field}: {message}" if field else message)


class InvalidResourceMetaError(InvalidRequestError):
    """The `resource_meta` bytes of a request are empty, damaged or another connector's."""


class UnsupportedVerbError(ConnectorError):
    """The connector has no such verb, for example no `get_logs`."""

    code = "UNIMPLEMENTED"
    outcome_unknown = False


class AuthenticationError(ConnectorError):
    """The external system wants credentials, or refuses those it got."""

    code = "UNAUTHENTICATED"
    outcome_unknown = False


class PermissionDeniedError(ConnectorError):
    """The credentials are valid but may not do this, or the operator forbids the target."""

    code = "PERMISSION_DENIED"
    outcome_unknown = False


class JobNotFoundError(ConnectorError):
    """The external system does not know the job.

    From `delete` it counts as success; from `get` it means that the job is lost.
    """

    code = "NOT_FOUND"
    outcome_unknown = False


class ConflictError(ConnectorError):
    """The job's name or key belongs to a different job already."""

    code = "ALREADY_EXISTS"
    outcome_unknown = False


class UncertainOutcomeError(ConflictError):
    """A request may have come through, and sending it again may do its work twice."""

    outcome_unknown = True


class RateLimitedError(ConnectorError):
    """The external system, or a full queue here, asks to slow down."""

    code = "RESOURCE_EXHAUSTED"
    outcome_unknown = False
    retryable = True


class ServiceUnavailableError(ConnectorError):
    """The external system can't be reached, or answers with a transient error.

    Args:
        message: What is wrong.
        outcome_unknown: False if the request certainly never reached the external system.
    """

    code = "UNAVAILABLE"
    retryable = True


class NotJsonError(ServiceUnavailableError):
    """A reply is not the expected JSON. It may be the error page of a proxy, so a retry may help."""


class DeadlineExceededError(ConnectorError):
    """The connector did not answer within the caller's time."""

    code = "DEADLINE_EXCEEDED"
    retryable = True


class InternalError(ConnectorError):
    """An unexpected exception in a connector; the message never contains the cause.

    Args:
        message: Fixed text with a correlation id, under which the log has the traceback.
    """


class ContractError(InternalError):
    """A connector broke its contract; a retry would not help.

    The job that it started was deleted.
    """

    outcome_unknown = False


class CreateOutcomeUnknownError(ConnectorError):
    """A create that may not be repeated has failed, and may have started a job."""

    code = "FAILED_PRECONDITION"


class RegistrationError(ConnectorError, ValueError):
    """A connector can't be registered: the text says which, what is wrong and how to fix it."""

    code = "FAILED_PRECONDITION"


class DuplicateTaskTypeError(RegistrationError):
    """Two connectors want to serve one task type and version."""


class TaskFailedError(ConnectorError):
    """A task's job ended without success; raised where the task was run.

    Args:
        message: What the connector said about the end.
        phase: Name of the last phase, such as `FAILED`.
    """

    def __init__(self, message: str, *, phase: str = "FAILED") -> None:
        self.phase = phase
        super().__init__(message)


class SettingsError(InvalidRequestError):
    """A setting has an invalid value or does not exist."""


class ServiceStartError(ConnectorError):
    """The service can't start; the message says why."""

    code = "FAILED_PRECONDITION"


class OfficialSdkInstalledError(ConnectorError):
    """The official SDK is installed, so `import flyte` is not replaced."""


class ConversionError(ValueError):
    """A value does not fit its declared type, or a type has no form on the wire.

    The text is one line. For a value inside another one it starts with the way to it
    (``[2].when: expected ...``); the caller puts the task and the field in front.

    Attributes:
        reason: What is wrong, without the path.
        path: The way from the whole value to the wrong part, such as ``[2].when``; empty at the
            top.
    """

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.reason = reason
        self.path = path

    def within(self, step: str) -> ConversionError:
        """Return the same error seen from one level further out; a step is ``[2]`` or ``.when``."""
        return ConversionError(self.reason, step + self.path)


class OutputError(Exception):
    """An output is missing, undeclared, or does not fit its declared type."""


class StorageError(OSError):
    """A URI can't be read or written; the text names the URI and the reason."""


class FrameError(ValueError):
    """A table can't be read or written as asked; the text says what can be."""
