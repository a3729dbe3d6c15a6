"""What a function costs as a job on this machine: `python -m benchmarks.functions`."""
