"""The gRPC service that hosts all connectors.

settings.py       every setting: flag, environment variable, key of the TOML file
server.py         one process: listen, report ready, shut down
transport.py      what brings calls to the handlers, by setting
grpcio.py         the transport by grpcio
asgi.py           the service as an ASGI application, from flyte-connectors-asgi
adapter.py        the RPCs of `flyteidl2.connector`
log_batches.py     batches small log items into large messages
auth.py           bearer tokens
tls.py            certificates, read again when their files change
grpc_threads.py   whether those of grpcio are behind
health.py         health by load status, of each connector and of the whole
standard_services.py
                  the RPCs of health and reflection
exposition.py     what the service counts, as Prometheus metrics
http_endpoint.py  /metrics, /healthz, /readyz, and pages of plugins
http_server.py    the server of these
calls.py          the calls that are being answered
drain.py          graceful shutdown
connections.py    the sockets of the port: paused, counted, closed
workers.py        several processes that share one port
shared_user.py    connectors whose user must own their directories alone
log_format.py     log lines for people and for machines
"""
