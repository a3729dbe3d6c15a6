"""A package whose functions run as jobs."""
