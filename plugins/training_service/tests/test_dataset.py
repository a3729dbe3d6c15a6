"""Data sets, and what is wrong with the bad ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from flyte_connectors_training_service import dataset
from flyte_connectors_training_service.sources import DatasetError
from pyarrow import parquet

if TYPE_CHECKING:
    from pathlib import Path

CSV = b"x,y,label\n1,2,a\n3,4.5,b\n5,6,a\n"


def read(tmp_path: Path, content: bytes, label: str = "label") -> dataset.Dataset:
    """Read `content` as a data set."""
    (tmp_path / "dataset").write_bytes(content)
    return dataset.read(tmp_path / "dataset", label)


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
        (b"x,label\n1,a\n,b\n", "column 1 has 1 missing values"),
        (b"x,label\n1,1\n2,\n", "column 'label' has 1 missing values"),
        (b"x,label\nred,a\nblue,b\n", "column 1 holds string: a feature must be a number"),
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
    b"x,label\ncanary-of-root,a\n2,b\n",
    b"canary-of-root,label\nz,a\n2,b\n",
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
