"""The Secret of a project's namespace, read for each call: nothing is kept, so a rotated secret is that of the next call.

Reference: https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

from flyte_connectors.errors import (
    AuthenticationError,
    ConnectorError,
    InvalidRequestError,
    PermissionDeniedError,
    ServiceUnavailableError,
)
from flyte_connectors.http import Client, Limits, Reply, bearer

from flyte_connectors_kubernetes.api_server import Access, access
from flyte_connectors_kubernetes.settings import KubernetesSettings

_LIMITS = Limits(reply_seconds=5.0, reply_bytes=2 * 1024**2, redirects=0)  # a Secret has at most 1 MiB, in base64
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_KEY = re.compile(r"(?!\.\.?\Z)[-._a-zA-Z0-9]{1,253}")
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404


def namespace_of(template: str, project: str, domain: str) -> str:
    """The namespace of a project and domain.

    Raises:
        InvalidRequestError: they have none, or one that another project and domain would have, too.
    """
    for kind, text in (("project", project), ("domain", domain)):
        if not _NAME.fullmatch(text):
            message = f"{kind} {text[:100]!r} has no namespace: use a-z, 0-9 and -"
            raise InvalidRequestError(message, field="task_execution_metadata")
    if "{domain}" in template and "-" in domain:  # a-b of c, and b-c of a, would share one
        message = f"domain '{domain}' has no separate namespace in '{template}': name it without '-'"
        raise InvalidRequestError(message, field="task_execution_metadata")
    namespace = template.replace("{project}", project).replace("{domain}", domain)
    if not _NAME.fullmatch(namespace):
        message = f"'{namespace}' is not a namespace: use at most 63 of a-z, 0-9 and -"
        raise InvalidRequestError(message, field="task_execution_metadata")
    return namespace


async def find(chosen: KubernetesSettings, project: str, domain: str, names: Sequence[str]) -> Mapping[str, str]:
    """The values of secrets of a project and domain, by name.

    Raises:
        AuthenticationError: one is not there, or the API server refuses the service's credentials.
        PermissionDeniedError: the service may not read them.
        ServiceUnavailableError: the API server does not answer, or not as one.
        InvalidRequestError: the project and domain have no namespace.
    """
    namespace = namespace_of(chosen.secrets_namespace or "", project, domain)
    where = f"Secret '{chosen.secrets_object}' in namespace '{namespace}'"
    said = f"secret '{names[0]}' was not sent, and " if names else ""
    reply = await _client(found := access()).get(
        *("api", "v1", "namespaces", namespace, "secrets", chosen.secrets_object), check=False
    )
    if reply.status == _NOT_FOUND:
        literal = f"{names[0] if names else 'NAME'}=..."
        create = f"kubectl -n {namespace} create secret generic {chosen.secrets_object} --from-literal={literal}"
        raise AuthenticationError(f"{said}there is no {where}: {create}")
    if reply.status == _FORBIDDEN:
        rule = f"get on secrets, with resourceNames [{chosen.secrets_object}]"
        message = f"{said}{found.name} may not read the {where}: grant it {rule}, by a Role and RoleBinding there"
        raise PermissionDeniedError(message)
    if not reply.is_success:
        raise _refused(reply, found)
    data = _data(reply, namespace, chosen.secrets_object)
    return {name: _value(data, name, where) for name in names}


async def check(chosen: KubernetesSettings) -> str:
    """Where secrets are read, in a line for `doctor`; which of the namespaces, each project's call shows.

    Raises:
        ConnectorError: there is no access to the API server, or it refuses the credentials.
    """
    found = access()
    attributes = {"verb": "get", "resource": "secrets", "name": chosen.secrets_object}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    path = ("apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews")
    reply = await _client(found).post(*path, body=review, repeatable=True, check=False)
    if not reply.is_success:
        raise _refused(reply, found)
    everywhere = reply.json_object(status=dict)["status"].get("allowed") is True
    which = (
        "every namespace" if everywhere else "the namespaces whose Roles grant it: --tenant PROJECT/DOMAIN tries one"
    )
    return f"Kubernetes at {found.server}, by {found.name}: Secret '{chosen.secrets_object}' in {which}"


def _client(found: Access) -> Client:
    token = found.token()
    auth = bearer(token, field=found.name) if token else None
    return Client(found.server, field=found.name, auth=auth, trusted=True, limits=_LIMITS, tls=found.tls)


def _refused(reply: Reply, found: Access) -> ConnectorError:
    if reply.status == _UNAUTHORIZED:
        text = f"Kubernetes refuses the credentials of {found.name}"
        return AuthenticationError(f"{text}: they are missing, invalid or expired")
    error = reply.error()
    if error.retryable:
        return error
    return ServiceUnavailableError(f"Kubernetes does not answer as its API does: {error.message}")


def _data(reply: Reply, namespace: str, name: str) -> dict[str, Any]:
    """The entries of a Secret, if it is the one that was asked for."""
    try:
        answer = reply.json_object(kind=str, metadata=dict)
    except ConnectorError as error:
        raise ServiceUnavailableError(error.message) from error
    metadata, data = answer["metadata"], answer.get("data") or {}
    is_it = (answer["kind"], metadata.get("namespace"), metadata.get("name")) == ("Secret", namespace, name)
    if not is_it or not isinstance(data, dict):
        message = f"{reply.where} answered something else than the Secret: is this the API server of Kubernetes?"
        raise ServiceUnavailableError(message)
    return data


def _value(data: Mapping[str, Any], name: str, where: str) -> str:
    if not _KEY.fullmatch(name):
        message = f"{name[:100]!r} can't be a key of a Secret: use letters, digits, -, _ and ."
        raise InvalidRequestError(message, field="custom.secrets")
    if name not in data:
        raise AuthenticationError(f"secret '{name}' was not sent, and the {where} has no such key: add it there")
    try:
        return base64.b64decode(data[name], validate=True).decode().rstrip("\n")
    except (ValueError, TypeError):
        message = f"secret '{name}' is not UTF-8 text: encode it in the {where}, for example as base64"
        raise AuthenticationError(message) from None
