"""The documentation as a site: `nox -s docs` builds it, warnings being errors.

Its sources are the pages as they are in the repository, so a link that works there works here.
`contents.rst` orders them; a page that it does not name comes last.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

project = "flyte-connectors"
author = "The flyte-connectors authors"

extensions = ["myst_parser"]
root_doc = "docs/contents"
include_patterns = ["docs/**", "plugins/*/*.md", "core/*.md", "CONTRIBUTING.md", "SECURITY.md"]
exclude_patterns = [".*", "**/src", "**/tests", "**/changes", "benchmarks", "template", "tests"]
myst_heading_anchors = 4  # named as on GitHub
suppress_warnings = ["misc.highlighting_failure"]  # what is left out of an answer is shown as `...`

html_theme = "furo"
html_title = project
html_copy_source = False
html_extra_path = ["site"]


def setup(app: Sphinx) -> None:
    """Let new pages join by themselves."""
    app.connect("source-read", _add_pages)


def _add_pages(_: Sphinx, page: str, source: list[str]) -> None:
    if page == root_doc:
        named = set(re.findall(r"^   (\S+)$", source[0], re.MULTILINE))
        pages = {path.stem for path in Path(__file__).parent.glob("*.md")}
        source[0] += "".join(f"   {name}\n" for name in sorted(pages - named))
