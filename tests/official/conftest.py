"""These tests need the official SDKs; `nox -s official` installs them."""

from __future__ import annotations

import importlib.util
import warnings

if importlib.util.find_spec("flyte") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK's own, when it is imported
        import flyte.connectors
        import flyte.io  # noqa: F401
    if importlib.util.find_spec("flytekit") is None:
        collect_ignore = ["test_flytekit.py"]
