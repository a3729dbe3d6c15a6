"""Writes docs/plugin-settings.md from the settings classes of the installed plugins.

python docs/plugin_settings.py
"""

from __future__ import annotations

from pathlib import Path

from flyte_connectors._registry.installed import Selection
from flyte_connectors.service.plugin_settings import installed_settings
from flyte_connectors.settings import Declared, as_text, declared

PAGE = Path(__file__).parent / "plugin-settings.md"

HEAD = """\
# Settings of plugins

For those who operate a service: all settings of the plugins, with their defaults. The page is generated from the plugins by
`python docs/plugin_settings.py`.

Each setting of a plugin is a key of the plugin's table in the TOML file of the
[service](configuration.md), and an environment variable. The variable wins over the file, the file over the
default. Local runs read the variables. Lists are arrays in the file, and separated by commas in a variable.

```toml
# service.toml
[plugins.batch-job]
backend = ["local"]
spool = "/var/lib/flyte-connectors/spool"
```

An unknown table or key, a variable whose name is nearly that of a setting, and an invalid value are errors at the
start, which name it. `--print-config` prints the settings of the plugins after those of the service:

```console
$ FLYTE_BATCH_JOB_SLOTS=8 flyte-connectors serve --config service.toml --print-config
...
[plugins.batch-job]
backend = ["local"]  # service.toml
slots = 8  # FLYTE_BATCH_JOB_SLOTS
# memory is not set
spool = "/var/lib/flyte-connectors/spool"  # service.toml
...
```
"""

FOOT = """
## Settings in a plugin of your own

Declare a frozen dataclass, and read it where the values are needed:

```python
# acme_settings.py
import dataclasses

from flyte_connectors.settings import PluginSettings, setting


@dataclasses.dataclass(frozen=True)
class AcmeSettings(PluginSettings, prefix="ACME_"):
    region: str = setting("eu", "region of new jobs", choices=("eu", "us"))
    jobs: int = setting(4, "jobs that run at once", minimum=1)


region = AcmeSettings.read().region
```

The package's entry point makes it the table `[plugins.acme]`, and `ACME_REGION` and `ACME_JOBS` its variables:

```toml
# pyproject.toml
[project.entry-points."flyte.connectors.settings"]
acme = "acme_settings:AcmeSettings"
```

Fields are booleans, numbers, texts, tuples of these, `dict[str, str]`, or a `table`: another dataclass, whose
settings are a table within the table. Keep the module light, since it is imported whether or not the plugin is used.
Settings are printed, so let them name a secret, and not hold it.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for name, settings in installed_settings(Selection()).items():
        rows = [_row(one) for one in declared(settings)]
        head = "| key | variable | default | meaning |\n|---|---|---|---|\n"
        parts.append(f"\n## `[plugins.{name}]`\n\n{settings.__doc__}\n\n{head}{''.join(rows)}")
    return "".join([*parts, FOOT])


def _row(one: Declared) -> str:
    metadata = one.metadata
    meaning = metadata["help"]
    if metadata["choices"]:
        meaning += " (" + ", ".join(f"`{choice}`" for choice in metadata["choices"]) + ")"
    if metadata["option"]:
        meaning += f"; `{metadata['option']}` of `serve`"
    return f"| `{one.key}` | `{one.variable}` | {_default(one)} | {meaning} |\n"


def _default(one: Declared) -> str:
    if one.metadata["default_text"]:
        return str(one.metadata["default_text"])
    value = list(one.default) if isinstance(one.default, tuple) else one.default
    return "none" if value in (None, [], "") else f"`{as_text(value)}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
