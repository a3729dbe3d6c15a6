"""Train models behind an HTTP API, or on Ray, as a Flyte task."""
