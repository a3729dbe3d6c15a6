"""The gRPC service that hosts all connectors.

server.py      one process: listen, report ready, drain
adapter.py     the RPCs of `flyteidl2.connector`
log_stream.py  many small log items to few large messages
health.py      health that follows the load report
exposition.py  what the service counts, as Prometheus metrics
http_endpoint.py  /metrics, /healthz, /readyz, and pages of plugins
"""
