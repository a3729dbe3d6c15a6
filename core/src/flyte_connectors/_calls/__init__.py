"""How a verb of a connector runs: guarded, in time, where it cannot block others. Internal."""
