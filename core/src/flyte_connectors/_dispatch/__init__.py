"""The path of a request, from message to connector and back, independent of the transport. Internal."""
