"""Jobs that move data: load, extract and copy. Read `config`, `request`, `connector`, `task`."""
