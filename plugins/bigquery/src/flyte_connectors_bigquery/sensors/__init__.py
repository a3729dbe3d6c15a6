"""Waiting for tables, partitions and rows. Read `config`, `connector`, `task`."""
