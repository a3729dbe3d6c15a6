"""Commands and imports of the official SDK, for an environment where it is not installed.

__main__.py      `python -m flyte_connectors_official.stand_in` puts them there, and takes them away
c0.py            `c0`, the service, with the options of the SDK's
flyte.py         `flyte run` and `flyte deploy`
import_hook.py   `import flyte` in every process of the environment

They are written on demand: a console script of the wheel would take the place of the SDK's own.
"""
