"""The documentation as a site: `nox -s docs` builds it, warnings being errors.

Its sources are the pages as they are in the repository, so a link that works there works here.
`contents.rst` orders them; a page that it does not name comes last.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

project = "flyte-connectors"
author = "The flyte-connectors authors"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
default_role = "code"  # docstrings are written as the pages are, with single backticks
autodoc_typehints = "signature"
napoleon_use_ivar = True  # a field of a named tuple is described by its class alone
autodoc_member_order = "bysource"
root_doc = "docs/contents"
include_patterns = [
    *(
        "docs/**",
        "plugins/*/*.md",
        "core/*.md",
        "examples/*/*.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    ),
]
exclude_patterns = [".*", "**/src", "**/tests", "**/changes", "benchmarks", "template", "tests"]
myst_heading_anchors = 4  # named as on GitHub
suppress_warnings = ["misc.highlighting_failure"]  # what is left out of an answer is shown as `...`

html_theme = "furo"
html_title = project
html_copy_source = False
html_extra_path = ["site"]


def setup(app: Sphinx) -> None:
    """Let new pages join by themselves, and the code in docstrings be code."""
    app.connect("source-read", _add_pages)
    app.connect("autodoc-process-docstring", _mark_code, priority=400)  # before napoleon


def _add_pages(_: Sphinx, page: str, source: list[str]) -> None:
    if page == root_doc:
        named = set(re.findall(r"^   (\S+)$", source[0], re.MULTILINE))
        pages = {path.stem for path in Path(__file__).parent.glob("*.md")}
        source[0] += "".join(f"   {name}\n" for name in sorted(pages - named))


def _mark_code(*arguments: Any) -> None:
    """Mark the code of a docstring: what is indented below `Example:`, or by itself.

    Sections such as `Args:` are indented, too, but below their headings, without an empty line.
    """
    lines: list[str] = arguments[-1]
    before = ""
    for number, line in reversed(list(enumerate(lines))):
        before = lines[number - 1] if number else ""
        if line == "Example:":
            lines[number + 1 :] = ["    ::", "", *(f"    {code}" for code in lines[number + 1 :])]
        elif line.startswith("    ") and not before:
            above = next((text for text in reversed(lines[:number]) if text), "")
            if above and not above.startswith(" "):
                lines[number:number] = ["::", ""]
