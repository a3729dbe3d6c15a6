"""Examples of properties may take long where the machine does something else, too."""

from __future__ import annotations

import hypothesis

hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")
