"""A package that imports little: its jobs start fast."""
