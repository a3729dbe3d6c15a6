"""Beside the official SDK: its connectors hosted here, ours hosted there."""
