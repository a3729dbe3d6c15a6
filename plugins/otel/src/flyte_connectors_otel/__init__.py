"""OpenTelemetry traces of the calls of Flyte connectors: a plugin with the hook `wrap_verb`."""

from flyte_connectors_otel.tracing import wrap_verb

__all__ = ["wrap_verb"]
