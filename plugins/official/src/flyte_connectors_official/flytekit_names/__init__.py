"""What `flytekit` means where it is not installed: its names of connectors and tasks, as far as we have them.

modules.py       which name of which module is where
connectors.py    the base classes of connectors, and their registry
services.py      the services, for a gRPC server of one's own
tasks.py         `task`, `workflow`, the executor mixins, and tasks that bring their own container
values.py        `LiteralMap`, `TypedInterface`, `TypeEngine`: values as Flyte's messages

`flyte_connectors.install_as_flyte` makes them importable.
"""
