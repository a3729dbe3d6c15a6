"""gRPC over ASGI: the service as an ASGI application, and the transport `asgi` of `serve`, which runs it on h2corn.

application.py  the ASGI application: which requests are gRPC calls, and who answers them
call.py         one call, as its handler sees it, and how it is run
stepping.py     a coroutine run by hand until it waits
messages.py     the messages in a request's body
metadata.py     headers and trailers
transport.py    the application on h2corn: sockets, certificates, shutdown
mounted.py      the application in another ASGI server
"""

from flyte_connectors_asgi.application import GrpcApplication
from flyte_connectors_asgi.mounted import ConnectorApplication

__all__ = ["ConnectorApplication", "GrpcApplication"]
