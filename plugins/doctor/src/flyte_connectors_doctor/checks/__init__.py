"""The checks, one file for each subject; each yields findings."""
