"""The commands `flyte-connectors image` and `flyte-connectors deploy`."""
