"""Clients: the job loop that runs a task to its end, with the connectors of this process or of a service."""
