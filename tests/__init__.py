"""Tests of the whole product: real services, real processes, real sockets.

connectors/   a job service whose jobs a test controls, and connectors for it
service/      the gRPC service and the loop that drives it
cli/          the commands as a person runs them
backend/      a model of Flyte's back end
interop/      the official SDK
"""
