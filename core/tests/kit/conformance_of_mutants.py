"""The kit on every mutant, as a suite of its own: `test_mutants` runs it and judges the outcome."""

from __future__ import annotations

from flyte_connectors.testing import harness
from kit_suite import Suite
from mutants import MUTANTS

harness.WAIT_SECONDS = 2.0  # what mutants don't do in this time they never do

for _test, _mutant in MUTANTS.items():
    globals()[f"Test_{_test}"] = type(f"Test_{_test}", (Suite,), {"connector_class": _mutant})
