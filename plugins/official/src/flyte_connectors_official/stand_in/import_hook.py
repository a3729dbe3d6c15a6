"""`import flyte` in every process of an environment: two files beside its packages.

A `.pth` file imports the other at the start of Python. That puts a finder at the end of `sys.meta_path`, so it is asked
only where no package of the name is installed, and imports nothing of this project before that.
"""

from __future__ import annotations

MODULE = "_flyte_connectors_stand_in"

SOURCE = '''"""Written by flyte_connectors_official.stand_in: `import flyte` where it is not installed."""

import importlib.machinery
import sys


class _Finder:
    """Makes the packages importable when the first of them is imported."""

    is_asking = False

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name not in ("flyte", "flytekit") or cls.is_asking:
            return None
        cls.is_asking = True
        try:
            import flyte_connectors

            flyte_connectors.install_as_flyte()
        except ImportError:
            return None
        except flyte_connectors.errors.OfficialSdkInstalledError:
            pass
        finally:
            cls.is_asking = False
        made = sys.modules.get(name)
        return made and importlib.machinery.ModuleSpec(name, _Loader(made))


class _Loader:
    """Hands out a module that is there already."""

    def __init__(self, made):
        self.made = made

    def create_module(self, spec):
        return self.made

    def exec_module(self, module):
        pass


sys.meta_path.append(_Finder)
'''
