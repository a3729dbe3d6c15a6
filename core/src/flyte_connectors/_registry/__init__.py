"""The registry: finds, loads and verifies connectors, and routes task types to them. Internal."""
