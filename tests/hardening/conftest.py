"""The job service behind the fake connectors."""

from __future__ import annotations

from tests.service.conftest import client, jobs, strict_client

__all__ = ["client", "jobs", "strict_client"]
