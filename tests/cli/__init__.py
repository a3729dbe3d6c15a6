"""The commands as a person runs them: real processes, their output, their exit codes."""
