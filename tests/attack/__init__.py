"""A hostile test bed: what must not happen, tried."""
