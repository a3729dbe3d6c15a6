"""Runs the verbs of connectors: deadlines, isolation, retries, mapping of exceptions to errors. Internal."""
