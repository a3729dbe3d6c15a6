"""The commands for authors of connectors: `new` and `check`."""
