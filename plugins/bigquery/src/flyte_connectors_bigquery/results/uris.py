"""The URI of a table: `bq://project:dataset.table`, and the account that may read it.

    bq://p:d.t                                   read with the default credentials
    bq://p:d.t?secret=bq-key                     the query ran with the secret of that name
    bq://p:d.t?impersonate=etl@p.iam.gserv...    the query ran as that service account
    bq://p:d.t?...&project=q                     the query ran in another project
    bq://p:d.t?write=append                      for a frame that is written; or replace

The names are not secret; the reader has to have the secret itself, or the right to impersonate.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

from flyte_connectors.errors import FrameError

_URI = re.compile(r"bq://(?P<project>[^?]+):(?P<dataset>[^.:?]+)\.(?P<table>[^.:?]+)(\?(?P<access>.*))?")


@dataclass(frozen=True)
class TableUri:
    """A table, and how it can be read.

    Attributes:
        project: Project of the table.
        dataset: Dataset in it.
        table: Table in that.
        secret: Name of the secret that the query ran with.
        impersonate: Service account that the query ran as, as in `BigQueryConfig`.
        job_project: Project that the query ran in; None for that of the table.
        write: What happens to rows that are there when a frame is written: `append`, `replace`, or None
            to refuse.
    """

    project: str
    dataset: str
    table: str
    secret: str | None = None
    impersonate: str | None = None
    job_project: str | None = None
    write: str | None = None

    @classmethod
    def parse(cls, uri: str) -> TableUri:
        """The parts of `uri`.

        Raises:
            FrameError: it is not the URI of a table.
        """
        match = _URI.fullmatch(uri)
        access = dict(parse_qsl(match["access"] or "")) if match else {}
        known = {"secret", "impersonate", "project", "write"}
        written = access.get("write") in {None, "append", "replace"}
        if match is None or access.keys() - known or not written:
            message = f"{uri!r} is not a table: write bq://project:dataset.table"
            raise FrameError(message)
        return cls(
            project=match["project"],
            dataset=match["dataset"],
            table=match["table"],
            secret=access.get("secret"),
            impersonate=access.get("impersonate"),
            job_project=access.get("project"),
            write=access.get("write"),
        )

    def __str__(self) -> str:
        access = {"secret": self.secret, "impersonate": self.impersonate, "write": self.write}
        known = {key: value for key, value in access.items() if value}
        if known and self.job_project and self.job_project != self.project:
            known["project"] = self.job_project
        query = f"?{urlencode(known, quote_via=quote, safe='@,')}" if known else ""
        return f"bq://{self.project}:{self.dataset}.{self.table}{query}"
