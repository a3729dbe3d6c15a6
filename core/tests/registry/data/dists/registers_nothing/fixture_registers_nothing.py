"""A plugin that forgot to register its connector."""
