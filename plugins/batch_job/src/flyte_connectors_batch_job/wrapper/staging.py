"""Copies a job's files: inputs into its folder before its command starts, outputs from there after it.

The folder belongs to the job, which may have put anything there: outputs are opened without following
links, one part of the path after the other, from the descriptor of the folder.
"""

from __future__ import annotations

import contextlib
import os
import stat

from flyte_connectors_batch_job.backends.local import files
from flyte_connectors_batch_job.wrapper import storage, uris
from flyte_connectors_batch_job.wrapper.copying import Allowance, counted
from flyte_connectors_batch_job.wrapper.faults import TransferError
from flyte_connectors_batch_job.wrapper.plan import input_path, output_paths, quoted
from flyte_connectors_batch_job.wrapper.preparing import WORK

TYPE_CHECKING = False  # `typing` would cost each job some milliseconds
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from flyte_connectors_batch_job.wrapper.plan import Plan

_DEEPEST = 100  # folders


def fetch(plan: Plan, folder: str, limit: int) -> None:
    """Copy all inputs into the folder.

    Args:
        plan: What to copy.
        folder: The job's own folder.
        limit: Most bytes of each input.

    Raises:
        TransferError: One can't be copied; the text names it.
    """
    for reference in plan["inputs"]:
        name, uri = ".".join(map(str, reference["at"])), reference["uri"]
        try:
            _fetch(reference["kind"], uri, input_path(folder, reference), Allowance(limit))
        except TransferError as error:
            message = f"input '{name}': {error}"
            raise TransferError(message, may_retry=error.may_retry) from error
        except FileNotFoundError as error:
            message = f"input '{name}': {uris.shown(uri)} not found"
            raise TransferError(message) from error
        except IsADirectoryError as error:
            raise TransferError(f"input '{name}': {uris.shown(uri)} is a folder") from error
        except OSError as error:
            message = f"input '{name}': {uris.shown(uri)}: {error.strerror or error}"
            raise TransferError(message, may_retry=not isinstance(error, PermissionError)) from error


def _fetch(kind: str, uri: str, path: str, allowance: Allowance) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if kind == "file":
        storage.fetch_file(uri, path, allowance)
        return
    if kind == "table":  # a file, or a folder of parts
        try:
            storage.fetch_file(uri, path, allowance)
        except (FileNotFoundError, IsADirectoryError):
            os.unlink(path)
        else:
            return
    storage.fetch_folder(uri, path, allowance)


class Outputs:
    """Stores what a command has left.

    Args:
        plan: What to store, and where.
        folder: Descriptor of the job's own folder.
        path: Its path, as the command knew it.
        limit: Most bytes of each output.
    """

    def __init__(self, plan: Plan, folder: int, path: str, limit: int) -> None:
        self._plan = plan
        self._folder = folder
        self._path = path
        self._limit = limit

    def store(self, written: Mapping[str, Any]) -> dict[str, Any]:
        """Store the outputs that have files.

        Args:
            written: The outputs as the command wrote them, paths in place of files.

        Returns:
            All outputs, URIs in place of paths.

        Raises:
            TransferError: One is missing, or not what it should be, or can't be stored; the text names it.
        """
        results = dict(written)
        defaults = output_paths(self._plan, self._path)
        for name, form in self._plan["outputs"].items():
            try:
                value = written.get(name, defaults.get(name))
                results[name] = self._stored(form, value, [quoted(name)])
            except FileNotFoundError as error:
                raise TransferError(f"output '{name}': {error}") from error
            except TransferError as error:
                message = f"output '{name}': {error}"
                raise TransferError(message, may_retry=error.may_retry) from error
        return results

    def _stored(self, form: Any, value: Any, at: list[str]) -> Any:
        if form in ("file", "dir"):
            if not isinstance(value, str):
                raise TransferError(f"must be a path, not {_kind(value)}")
            if "://" in value and uris.scheme_of(value) != "file":
                return value  # the job has stored it by itself
            return self._store(form, uris.local_path(value), at)
        container, inner = form
        if container == "optional":
            is_default = value == output_paths(self._plan, self._path).get(at[0])
            if value is None or (is_default and not self._exists(value)):
                return None
            return self._stored(inner, value, at)
        if container == "list" and isinstance(value, list):
            numbered = enumerate(value)
            return [self._stored(inner, item, [*at, str(place)]) for place, item in numbered]
        if container == "map" and isinstance(value, dict):
            items = value.items()
            return {key: self._stored(inner, item, [*at, quoted(key)]) for key, item in items}
        raise TransferError(f"must be a {container} of paths, not {_kind(value)}")

    def _exists(self, path: str) -> bool:
        with self._opened_parent(self._parts(path)) as (parent, name):
            try:
                os.stat(name, dir_fd=parent, follow_symlinks=False)
            except FileNotFoundError:
                return False
            return True

    def _store(self, form: str, path: str, at: list[str]) -> str:
        parts = self._parts(path)
        allowance = Allowance(self._limit)
        with self._opened_parent(parts) as (parent, name):
            if form == "dir":
                uri = uris.join(self._plan["prefix"], *at)
                self._store_folder(parent, name, uri, allowance)
                return uri
            uri = uris.join(self._plan["prefix"], *at, quoted(name))
            _store_file(parent, name, name, uri, allowance)
            return uri

    def _parts(self, path: str) -> list[str]:
        """The parts of a path in the folder, from the folder on."""
        if os.path.isabs(path):
            for top in (self._path, os.path.realpath(self._path)):
                if path.startswith(top + os.sep):
                    path = path[len(top) :]
                    break
            else:
                raise TransferError(f"{path!r} is not in the job's folder")
        else:
            path = os.path.join(WORK, path)
        parts = [part for part in path.split(os.sep) if part not in ("", ".")]
        if ".." in parts:
            raise TransferError(f"{path!r} leads out of the job's folder")
        if "\0" in path or not parts:
            raise TransferError(f"{path!r} is not the path of a file")
        return parts

    @contextlib.contextmanager
    def _opened_parent(self, parts: Sequence[str]) -> Iterator[tuple[int, str]]:
        """A descriptor of the folder that holds a path, and the path's last part."""
        folder = os.dup(self._folder)
        try:
            for part in parts[:-1]:
                inner = _open_folder(folder, part, "/".join(parts))
                os.close(folder)
                folder = inner
            yield folder, parts[-1]
        finally:
            os.close(folder)

    def _store_folder(self, parent: int, name: str, uri: str, allowance: Allowance) -> None:
        """Store a folder, once all that is in it has been looked at."""
        found: list[tuple[str, ...]] = []
        size = 0
        pending: list[tuple[str, ...]] = [()]
        while pending:
            way = pending.pop()
            if len(way) > _DEEPEST:
                raise TransferError(f"holds folders more than {_DEEPEST} deep")
            with self._opened_inner(parent, name, way) as folder, os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    inside = (*way, _utf8(entry.name))
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(inside)
                        continue
                    counted(len(found))
                    size += entry.stat(follow_symlinks=False).st_size
                    allowance.check(size)
                    found.append(inside)
        storage.make_folder(uri)
        for *way_to, last in found:
            with self._opened_inner(parent, name, way_to) as folder:
                shown = "/".join([*way_to, last])
                _store_file(folder, last, shown, uris.join(uri, *way_to, last), allowance)

    @contextlib.contextmanager
    def _opened_inner(self, parent: int, name: str, way: Sequence[str]) -> Iterator[int]:
        folder = _open_folder(parent, name, name)
        try:
            for part in way:
                inner = _open_folder(folder, part, "/".join(way))
                os.close(folder)
                folder = inner
            yield folder
        finally:
            os.close(folder)


def _store_file(folder: int, name: str, shown: str, uri: str, allowance: Allowance) -> None:
    try:
        descriptor = files.open_regular(name, folder=folder)
    except files.DamagedFileError as error:
        raise TransferError(f"{shown!r} {error}") from error
    except OSError as error:
        raise TransferError(f"{shown!r} can't be read: {error.strerror}") from error
    if descriptor is None:
        raise TransferError(f"the job ended without writing {shown!r}")
    with open(descriptor, "rb") as file:
        allowance.take(os.fstat(descriptor).st_size)
        storage.store(file, uri, name)


def _open_folder(parent: int, name: str, shown: str) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=parent)
    except FileNotFoundError as error:
        raise TransferError(f"the job ended without writing {shown!r}") from error
    except OSError as error:
        with contextlib.suppress(OSError):
            if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                raise TransferError(f"{shown!r} is, or leads through, a symbolic link") from error
        raise TransferError(f"{shown!r} can't be opened as a folder: {error.strerror}") from error


def _kind(value: object) -> str:
    return "null" if value is None else f"a JSON {type(value).__name__}"


def _utf8(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError as error:  # undecodable bytes, which Python keeps as lone surrogates
        raise TransferError(f"{name!r} is not a name in UTF-8") from error
    return name
