"""A client in Go, with the library that Flyte's back end uses, against two replicas: `python -m tests.go`."""
