"""Who asks: the loop that sees a job through, with the connectors of this process or of a service."""
