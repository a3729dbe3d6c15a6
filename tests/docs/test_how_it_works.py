"""docs/how-it-works.md and its pictures name what there is."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from flyte_connectors import Phase
from flyte_connectors.hookspecs import VERBS
from flyteidl2.connector import service_pb2

from tests.docs.markdown import DOCS, ROOT, plain, sections, tables

PAGE = DOCS / "how-it-works.md"
SOURCE = ROOT / "core" / "src" / "flyte_connectors"
CALLS = service_pb2.DESCRIPTOR.services_by_name["AsyncConnectorService"].methods_by_name
SVG = "{http://www.w3.org/2000/svg}"
PICTURES = sorted((DOCS / "pictures").glob("*.svg"))


def written(picture: str, kind: str) -> list[str]:
    """The texts of a kind in a picture, from top to bottom as they stand in it."""
    drawing = ElementTree.parse(DOCS / "pictures" / picture)
    texts = [*drawing.findall(f".//{SVG}text[@class='{kind}']"), *drawing.findall(f".//*[@class='{kind}']/{SVG}text")]
    return [text.text or "" for text in texts]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_a_picture_needs_nothing_from_elsewhere(picture: Path) -> None:
    """It is well-formed, says what it shows to those who can't see it, and loads no other file."""
    drawing = ElementTree.parse(picture).getroot()
    assert drawing.get("role") == "img"
    assert drawing.get("aria-label")
    assert not re.search(r"href|@import|url\((?!#)", picture.read_text())


def test_the_picture_of_a_request_names_calls_verbs_and_rooms() -> None:
    """All three as they are in the code."""
    code = written("request.svg", "code")
    words = [word for text in code for word in text.split()]
    rooms = [word for word in words if word.endswith("/")]
    assert {"service/", "_dispatch/", "_registry/", "_calls/", "types/", "http/"} == set(rooms)
    assert all((SOURCE / room).is_dir() for room in rooms)
    calls = {word for word in words if word[0].isupper()}
    assert {"CreateTask", "GetTask", "DeleteTask"} == calls <= set(CALLS)
    verbs = {word for word in words if re.fullmatch(r"[a-z_]+", word)} - {"run"}
    assert verbs == set(VERBS) - {"get_many"}


def test_the_picture_of_a_job_has_the_steps_of_its_text() -> None:
    """With the same numbers and names; its calls and phases exist."""
    listed = dict(re.findall(r"^(\d)\. \*\*(\w+)\.\*\*", sections(PAGE)["A job's life"], re.MULTILINE))
    numbers = written("job.svg", "digit")
    assert numbers == list(listed) == [str(number) for number in range(1, len(listed) + 1)]
    drawing = (DOCS / "pictures" / "job.svg").read_text()
    names = re.findall(r'<text x="88" [^>]*>(\w+)<', drawing)
    assert names == [name.lower() for name in listed.values()]
    for text in written("job.svg", "code"):
        assert text.split(",")[0] in {*CALLS, *Phase.__members__}


def test_the_terms_are_in_order_and_have_every_verb() -> None:
    """One table, by the alphabet."""
    (terms,) = tables(sections(PAGE)["Terms"])
    names = [row["term"] for row in terms]
    assert names == sorted(set(names), key=str.lower)
    assert {"back end", "action", "run", "attempt", "idempotency key", "resource meta", "verb"} <= set(names)
    verb = next(row["meaning"] for row in terms if row["term"] == "verb")
    assert {plain(word) for word in re.findall(r"`\w+`", verb)} == set(VERBS)
