"""The shared path of a request, from message to connector and back; knows no transport. Internal."""
