"""Kubernetes for connectors: the secrets of a project in its namespace, and access to the API server.

hooks.py        what the service calls
secrets.py      the Secret of a namespace, read for each call
access.py       where the API server is, and what to authenticate with; for other plugins, too
settings.py     what the operator sets
"""

from flyte_connectors_kubernetes.api_server import Access, access

__all__ = ["Access", "access"]
