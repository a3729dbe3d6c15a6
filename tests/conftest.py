"""What every test of the product starts from."""

from __future__ import annotations

import signal

import hypothesis

# A shell's background jobs ignore SIGINT, and so would every process that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")
