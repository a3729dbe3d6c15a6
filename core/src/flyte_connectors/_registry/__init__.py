"""Which connectors there are: found, loaded, verified, and routed to by task type. Internal."""
