"""Fisher's irises, the public data set of the tests: 150 flowers of three species."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.cloud import bigquery

SIZES = ("sepal_length", "sepal_width", "petal_length", "petal_width")


def rows() -> list[dict[str, float | str]]:
    """The rows of the file."""
    with (Path(__file__).parents[1] / "data/iris.csv").open() as file:
        return [
            {name: text if name == "species" else float(text) for name, text in row.items()}
            for row in csv.DictReader(file)
        ]


def plant(vendor: bigquery.Client, dataset: str) -> None:
    """Put the irises into the table `iris` of a dataset."""
    columns = ", ".join([*(f"{size} FLOAT64" for size in SIZES), "species STRING"])
    vendor.query(f"CREATE TABLE {dataset}.iris ({columns})").result()
    values = ", ".join(str(tuple(row.values())) for row in rows())
    vendor.query(f"INSERT INTO {dataset}.iris ({', '.join(rows()[0])}) VALUES {values}").result()
