"""What the operator sets: whose jobs the service's own credentials may run, and an emulator for tests."""

from __future__ import annotations

import dataclasses

from flyte_connectors.settings import PluginSettings, setting

PREFIX = "FLYTE_CONNECTORS_BIGQUERY_"
ALLOWED_PROJECTS_VARIABLE = f"{PREFIX}ALLOWED_PROJECTS"
TOKEN_FILES_VARIABLE = f"{PREFIX}TOKEN_FILES"
UPLOAD_FROM_VARIABLE = f"{PREFIX}UPLOAD_FROM"
LOCATION_VARIABLE = f"{PREFIX}LOCATION"
EMULATOR_VARIABLE = "BIGQUERY_EMULATOR_HOST"
STORAGE_EMULATOR_VARIABLE = "BIGQUERY_STORAGE_EMULATOR_HOST"
"""HOST:PORT of an emulator's Storage API, beside the vendor's `BIGQUERY_EMULATOR_HOST`."""


@dataclasses.dataclass(frozen=True)
class BigQuerySettings(PluginSettings, prefix=PREFIX):
    """What the operator of the BigQuery connectors sets."""

    allowed_projects: tuple[str, ...] | None = setting(
        None,
        "projects that requests may bill with the service's own credentials; `*` for any",
        default_text="the project that the credentials belong to",
    )
    token_files: tuple[str, ...] = setting((), "files that `external_account` secrets may name")
    upload_from: tuple[str, ...] = setting((), "folders that loads and queries may send files from, as paths or URIs")
    location: str | None = setting(None, "location of tasks that name none")
    emulator: str | None = setting(
        None,
        "an emulator instead of Google's service; for tests",
        variable=EMULATOR_VARIABLE,
    )
    storage_emulator: str | None = setting(
        None, "the emulator's Storage API; for tests", variable=STORAGE_EMULATOR_VARIABLE
    )
