"""One vendor client per identity, kept from call to call with its open connections.

Clients are found again by a fingerprint of the credentials; the credentials themselves are held by
nothing but the vendor's client.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from importlib.metadata import version

import requests
import requests.adapters
from google.api_core.client_info import ClientInfo
from google.cloud import bigquery

from flyte_connectors_bigquery.access.credentials import Identity
from flyte_connectors_bigquery.client import BigQuery
from flyte_connectors_bigquery.settings import EMULATOR_VARIABLE

DISTRIBUTION = "flyte-connectors-bigquery"
_MAX_CLIENTS = 64
_MAX_CONNECTIONS = 32

_SALT = os.urandom(16)
_clients: OrderedDict[tuple[str, ...], bigquery.Client] = OrderedDict()
_lock = threading.Lock()


def connect(identity: Identity) -> BigQuery:
    """BigQuery as `identity` sees it, over connections that are kept for the next call.

    Raises:
        AuthenticationError: the credentials are missing or malformed.
        PermissionDeniedError: the operator does not allow requests to use them.
    """
    return BigQuery(client_of(identity))


def client_of(identity: Identity) -> bigquery.Client:
    """The vendor's client for `identity`, the same one for the next call.

    Raises:
        AuthenticationError: the credentials are missing or malformed.
        PermissionDeniedError: the operator does not allow requests to use them.
    """
    key = _fingerprint(identity)
    with _lock:
        client = _clients.get(key)
        if client is not None:
            _clients.move_to_end(key)
    if client is None:
        client = _keep(key, _new_client(identity))
    return client


def close_all() -> None:
    """Close the connections of all identities; those that are used again are opened again."""
    with _lock:
        clients = list(_clients.values())
        _clients.clear()
    for client in clients:
        client.close()


def _keep(key: tuple[str, ...], client: bigquery.Client) -> bigquery.Client:
    """Keep `client` for the next call, unless another thread was faster; let the oldest go."""
    with _lock:
        kept = _clients.setdefault(key, client)
        _clients.move_to_end(key)
        surplus = [] if kept is client else [client]
        if len(_clients) > _MAX_CLIENTS:
            surplus.append(_clients.popitem(last=False)[1])
    for unwanted in surplus:
        unwanted.close()  # a call that still uses it opens its connection again
    return kept


def _fingerprint(identity: Identity) -> tuple[str, ...]:
    """A digest of an identity, which does not reveal its credentials."""
    secret = identity.secret
    mark = "" if secret is None else hashlib.blake2b(secret.encode(), key=_SALT).hexdigest()
    server = os.environ.get(EMULATOR_VARIABLE, "")
    return (identity.project, mark, identity.impersonate or "", server)


def _new_client(identity: Identity) -> bigquery.Client:
    client = bigquery.Client(
        project=identity.project,
        credentials=identity.load(),
        client_info=ClientInfo(user_agent=f"{DISTRIBUTION}/{version(DISTRIBUTION)}"),
    )
    session = client._http  # noqa: SLF001  (the vendor has no public way)
    # One connection for each thread of the connector; requests keeps 10 and drops the others.
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=_MAX_CONNECTIONS)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    _read_environment_once(session, client._connection.build_api_url(""))  # noqa: SLF001
    return client


def _read_environment_once(session: requests.Session, url: str) -> None:
    """Settle proxies and certificates now: requests goes through all variables for each call."""
    settings = session.merge_environment_settings(url, {}, None, None, None)
    session.proxies, session.verify = settings["proxies"], settings["verify"]
    session.trust_env = False
