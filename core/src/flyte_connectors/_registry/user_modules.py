"""Imports a module that a user names, as a dotted name or as a file."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import pathlib
import sys
import traceback
import types
from collections.abc import Callable

from flyte_connectors._calls.suggestions import nearest
from flyte_connectors.errors import InvalidRequestError, OfficialSdkInstalledError


def import_module(name: str) -> types.ModuleType:
    """The module called `name`.

    Args:
        name: Dotted name of a module, or path of a Python file. A file's folder, or the working
            directory for a dotted name, is made importable, as `python file.py` would. Where the
            official SDK is absent, its names resolve to this package.

    Raises:
        InvalidRequestError: it does not exist, or fails while it is imported.
    """
    path = pathlib.Path(name)
    is_file = path.suffix == ".py"
    if not is_file and (os.sep in name or name.startswith(".")):
        raise InvalidRequestError("neither a Python file, NAME.py, nor the dotted name of a module", field=name)
    folder = str(path.resolve().parent) if is_file else str(pathlib.Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return with_official_names(lambda: _import_file(path) if is_file else importlib.import_module(name))
    except FileNotFoundError as error:
        meant = nearest(path.name, (file.name for file in path.parent.glob("*.py")))
        hint = f"; did you mean '{path.with_name(meant)}'?" if meant and not path.exists() else ""
        raise InvalidRequestError(f"{error.filename} does not exist{hint}", field=name) from error
    except (Exception, SystemExit) as error:
        text = f"{type(error).__name__} while importing it: {_reason(error)}"
        raise InvalidRequestError(text, field=name) from error


def _reason(error: BaseException) -> str:
    """What was raised and at which line of the code that was imported."""
    if isinstance(error, SyntaxError):
        return f"{error.msg} ({error.filename}:{error.lineno})"
    import sysconfig  # slow, and only for a module that fails

    libraries = (sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
    folders = (str(pathlib.Path(__file__).parents[1]), *libraries)
    not_the_users = ("<frozen ", *(folder + os.sep for folder in folders))
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(not_the_users)]
    return f"{error} ({own[-1].filename}:{own[-1].lineno})" if own else str(error)


def with_official_names(load: Callable[[], types.ModuleType]) -> types.ModuleType:
    """What `load` imports; its `import flyte` finds this package if the official SDK is absent."""
    try:
        return load()
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in {"flyte", "flytekit"} or name in sys.modules:
            raise
    from flyte_connectors._registry.flyte_names import install_as_flyte

    with contextlib.suppress(OfficialSdkInstalledError):
        install_as_flyte()
    return load()


def _import_file(path: pathlib.Path) -> types.ModuleType:
    module_name = path.stem
    loaded = sys.modules.get(module_name)
    if loaded is not None and _same_file(loaded, path):
        return loaded
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise InvalidRequestError("not a Python file", field=str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module


def _same_file(module: types.ModuleType, path: pathlib.Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and pathlib.Path(file).resolve() == path.resolve()
