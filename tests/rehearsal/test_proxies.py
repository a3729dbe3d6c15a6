"""The samples for operators are what is rehearsed, but for addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backend.replicas import Flavour, Replica

from . import proxies
from .proxies import ProxyError, haproxy_sample, nginx_sample


def replica(port: int) -> Replica:
    """One on a port."""
    return Replica(Flavour.OURS, Path("python"), [], Path("log"), port=port, metrics_port=port + 1000)


def test_nginx_knows_every_replica() -> None:
    """Each has the sample's own options."""
    text = nginx_sample(7000, [replica(8001), replica(8002)])
    assert "listen 127.0.0.1:7000 http2;" in text
    servers = [line.split() for line in text.splitlines() if line.startswith("    server ")]
    assert [server[1] for server in servers] == ["127.0.0.1:8001", "127.0.0.1:8002"]
    assert servers[0][2:] == servers[1][2:] != []


def test_haproxy_asks_each_replica_for_its_health() -> None:
    """On the port of its metrics."""
    text = haproxy_sample(7000, [replica(8001), replica(8002)])
    assert "bind 127.0.0.1:7000 proto h2" in text
    assert "server replica-1 127.0.0.1:8001 port 9001 check-proto h1\n" in text
    assert "server replica-2 127.0.0.1:8002 port 9002 check-proto h1\n" in text


def test_a_sample_that_has_changed_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than rehearsed with the addresses of nobody."""
    (tmp_path / "nginx.conf").write_text("server {}")
    monkeypatch.setattr(proxies, "SAMPLES", tmp_path)
    with pytest.raises(ProxyError, match="0 times in the sample"):
        nginx_sample(7000, [replica(8001)])


async def test_a_missing_proxy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the way to get it."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ProxyError, match="nginx is not installed: see `nox -s rehearse`"):
        async with proxies.proxy(proxies.Nginx, [replica(8001)]):
            pass
