"""Data sets, and what is wrong with the bad ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from flyte_connectors_training_service import dataset
from flyte_connectors_training_service.sources import DatasetError
from flyte_connectors_training_service.training_spec import TrainingSpec
from pyarrow import parquet

if TYPE_CHECKING:
    from pathlib import Path

CSV = b"x,y,label\n1,2,a\n3,4.5,b\n5,6,a\n"


def read(tmp_path: Path, content: bytes, **fields: Any) -> dataset.Dataset:
    """Read `content` as a data set."""
    (tmp_path / "dataset").write_bytes(content)
    return dataset.read(tmp_path / "dataset", TrainingSpec("file:///data.csv", 1, **fields))


def test_csv_and_parquet_give_the_same_rows(tmp_path: Path) -> None:
    """The content decides on the format, not the name."""
    table = pa.table({"x": [1, 3, 5], "label": ["a", "b", "a"], "y": [2.0, 4.5, 6.0]})
    buffer = pa.BufferOutputStream()
    parquet.write_table(table, buffer)
    for content in (CSV, buffer.getvalue().to_pybytes()):
        rows = read(tmp_path, content)
        np.testing.assert_array_equal(rows.features, [[1, 2], [3, 4.5], [5, 6]])
        assert rows.labels.tolist() == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not readable as CSV: Empty CSV file"),
        (b"x,label\n", "empty: it has a header and no rows"),
        (b"x,label\n1\n2,a\n", "not readable as CSV: Expected 2 columns, got 1"),
        (b"PAR1 and nothing more", "not readable as Parquet"),
        (b"<html>Sign in</html>\n", "none of the 1 columns of the data set is named 'label'"),
        (b"x,class\n1,a\n2,b\n", "none of the 2 columns of the data set is named 'label'"),
        (b"label\na\nb\n", "no column besides 'label'"),
        (b"x,label\n1,a\n2,a\n", "one class only"),
        (b"x,y,label\n1,,a\n2,,b\n", "column 2 has no value at all"),
        (b"x,label\n1,1\n2,\n", "column 'label' has 1 missing values"),
        (b"x,label\n2020-01-01,a\n2020-01-02,b\n", "column 1 holds date32.*: a feature must be"),
        (b"x,label\n1,0.5\n2,0.7\n", "column 'label' holds double: a label must be a class"),
        (b"x,label\n1,a\ninf,b\n", "column 1 holds a value that is not finite"),
        (b"x,label\n\xff\xfe,a\n2,b\n", "column 1 holds"),
        (b"x,label,label\n1,a,b\n", "more than one column"),
    ],
)
def test_a_bad_data_set_says_what_is_wrong(tmp_path: Path, content: bytes, reason: str) -> None:
    """One line, naming the column where there is one."""
    with pytest.raises(DatasetError, match=reason) as caught:
        read(tmp_path, content)
    assert str(caught.value).isprintable()


SECRETS = (
    b"root:$6$canary-of-root$x:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n",
    b"canary-of-root,b\n1\n",
    b"x,label\n1,canary-of-root\n2\n",
    b"x,label\ncanary-of-root,a\n2,a\n",
    b"canary-of-root,label\n2020-01-01,a\n2020-01-02,b\n",
    b"x,label\n1,canary-of-root\n2,canary-of-root\n",
    b"PAR1canary-of-rootPAR1",
    b'x,label\n"canary-of-root\n',
)


@pytest.mark.parametrize("content", SECRETS)
def test_an_error_quotes_nothing_of_the_file(tmp_path: Path, content: bytes) -> None:
    """Whoever names a file may not be allowed to read it."""
    with pytest.raises(DatasetError) as caught:
        read(tmp_path, content)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_text_is_a_category_and_so_is_what_is_named_one(tmp_path: Path) -> None:
    """A missing text is a category of its own; missing numbers stay missing, to be imputed."""
    content = b"colour,size,weight,label\nred,1,0.5,a\n,2,,b\nblue,1,2,a\n"
    rows = read(tmp_path, content, categories=["size"])
    assert rows.names == ("colour", "size", "weight")
    assert rows.categories == (0, 1)
    assert rows.features[:, 0].tolist() == ["red", "", "blue"]
    assert rows.features[:, 1].tolist() == [1, 2, 1]
    assert rows.has_missing_numbers
    assert read(tmp_path, content + b"red,3,1,b\n", missing="drop").labels.tolist() == [
        "a",
        "a",
        "b",
    ]
    with pytest.raises(DatasetError, match="column 3 has 1 missing values"):
        read(tmp_path, content, missing="refuse")


def test_features_can_be_chosen(tmp_path: Path) -> None:
    """The others are not looked at, whatever is in them."""
    content = b"id,x,label\n2020-01-01,1,a\n2020-01-02,2,b\n"
    assert read(tmp_path, content, features=["x"]).names == ("x",)
    with pytest.raises(DatasetError, match="none of the 3 columns of the data set is named 'z'"):
        read(tmp_path, content, features=["x", "z"])


def test_too_many_categories_are_refused(tmp_path: Path) -> None:
    """It is an id, and each would become a feature."""
    rows = "".join(f"id-{number},{number % 2}\n" for number in range(dataset.MAX_CATEGORIES + 1))
    with pytest.raises(DatasetError, match="column 1 has more than 1000 categories"):
        read(tmp_path, f"x,label\n{rows}".encode())


def test_a_regression_predicts_numbers(tmp_path: Path) -> None:
    """Whole ones, too; a text is refused without being quoted."""
    rows = read(tmp_path, b"x,label\n1,1\n2,3\n", estimator="Ridge")
    assert rows.labels.dtype == np.float64
    with pytest.raises(DatasetError, match="holds string: a regression predicts numbers"):
        read(tmp_path, b"x,label\n1,canary\n2,b\n", estimator="Ridge")
