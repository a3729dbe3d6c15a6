"""Validation of names, quantities and variables by the rules of Kubernetes, before anything is built.

Sources: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import decimal
import re
from typing import Any

from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.tasks.resources import Resources

_SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-.a-z0-9]*[a-z0-9])?")
_SECRET_KEY = re.compile(r"(?!\.\.?\Z)[-._a-zA-Z0-9]{1,253}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(m|k|[KMGTPE]i|[MGTPE]|[eE][-+]?[0-9]{1,2})?")

_BINARY = {f"{prefix}i": 1024**power for power, prefix in enumerate("KMGTPE", start=1)}
_DECIMAL = {prefix: 1000**power for power, prefix in enumerate("kMGTPE", start=1)}
_LEAST_MEMORY = 64 * 1024**2  # bytes; an idle service takes about 45 MiB


def check_service_name(name: str, field: str) -> str:
    """A name that Service, Deployment and labels take (RFC 1035 label).

    Raises:
        InvalidRequestError: it is not valid.
    """
    if not isinstance(name, str) or not _SERVICE_NAME.fullmatch(name):
        message = (
            f"{name!r} is not a valid Kubernetes name: use at most 63 of a-z, 0-9 and -, "
            "beginning with a letter and not ending with -"
        )
        raise InvalidRequestError(message, field=field)
    return name


def check_namespace(name: str, field: str) -> str:
    """A name that a namespace has (RFC 1123 label).

    Raises:
        InvalidRequestError: it is not valid.
    """
    if not _NAMESPACE.fullmatch(name):
        message = f"{name!r} is not a valid namespace: use at most 63 of a-z, 0-9 and -"
        raise InvalidRequestError(message, field=field)
    return name


def check_object_name(name: str, field: str) -> str:
    """A name that objects such as Secrets take (RFC 1123 subdomain).

    Raises:
        InvalidRequestError: it is not valid.
    """
    if not _SUBDOMAIN.fullmatch(name):
        message = f"{name!r} is not a valid Kubernetes name: use a-z, 0-9, - and ."
        raise InvalidRequestError(message, field=field)
    return name


def check_secret_key(key: str, field: str) -> str:
    """A key of a Secret, which is a file name too.

    Raises:
        InvalidRequestError: it is not valid.
    """
    if not _SECRET_KEY.fullmatch(key):
        message = f"{key!r} is not a valid key of a Secret: use letters, digits, -, _ and ."
        raise InvalidRequestError(message, field=field)
    return key


def check_variable(name: str, field: str) -> str:
    """A name of an environment variable.

    Raises:
        InvalidRequestError: it is not valid.
    """
    if not _VARIABLE.fullmatch(name):
        message = f"{name!r} is not a valid environment variable name: use letters, digits and _"
        raise InvalidRequestError(message, field=field)
    return name


def container_resources(resources: Resources) -> dict[str, dict[str, str]]:
    """The `resources` of a container; a single amount of memory or disk is its limit as well.

    Raises:
        InvalidRequestError: an amount is not a valid quantity, not above zero, or its request is above its limit.
    """
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    for field, resource, given in (
        ("cpu", "cpu", resources.cpu),
        ("memory", "memory", resources.memory),
        ("disk", "ephemeral-storage", resources.disk),
    ):
        if given is None:
            continue
        request, limit = _pair(given, f"resources.{field}")
        requests[resource] = request
        # No limit on CPU: it would throttle the service under load.
        if isinstance(given, tuple) or field != "cpu":
            limits[resource] = limit
    if resources.gpu is not None:
        _check_gpu(resources.gpu)
        limits["nvidia.com/gpu"] = str(resources.gpu)
    return {"requests": requests, "limits": limits}


def _pair(given: Any, field: str) -> tuple[str, str]:
    if isinstance(given, tuple) and len(given) != 2:  # noqa: PLR2004
        raise InvalidRequestError(f"{given!r} is not a pair of request and limit", field=field)
    pair = given if isinstance(given, tuple) else (given, given)
    request, limit = (_amount(quantity, field) for quantity in pair)
    if request > limit:
        message = f"the request {pair[0]} is over the limit {pair[1]}: swap or raise the limit"
        raise InvalidRequestError(message, field=field)
    if field == "resources.memory" and request < _LEAST_MEMORY:
        message = f"{pair[0]} is too little for the service to start: use 64Mi or more"
        raise InvalidRequestError(message, field=field)
    return str(pair[0]), str(pair[1])


def _amount(quantity: Any, field: str) -> decimal.Decimal:
    match = None if isinstance(quantity, bool) else _QUANTITY.fullmatch(str(quantity))
    if not match:
        example = '"500m" or 2' if field == "resources.cpu" else '"512Mi" or "1Gi"'
        raise InvalidRequestError(f"{quantity!r} is not a valid quantity: use a form like {example}", field=field)
    number, suffix = decimal.Decimal(match[1]), match[2] or ""
    if suffix == "m" and field != "resources.cpu":
        message = f"{quantity!r} is in thousandths of a byte: use M or Mi"
        raise InvalidRequestError(message, field=field)
    if suffix[:1] in ("e", "E") and suffix[1:] not in ("", "i"):
        amount = number.scaleb(int(suffix[1:]))
    elif suffix == "m":
        amount = number / 1000
    else:
        amount = number * (_BINARY.get(suffix) or _DECIMAL.get(suffix) or 1)
    if amount <= 0:
        raise InvalidRequestError(f"{quantity!r}: must be greater than zero", field=field)
    return amount


def _check_gpu(count: Any) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        message = f"{count!r} is not a number of GPUs: use 1 or more, or leave it out"
        raise InvalidRequestError(message, field="resources.gpu")
