"""A module for the official service (`c0 --modules`) that brings connectors of this framework."""

from flyte_connectors_official.offering import in_official_service

from tests.official import our_jobs  # noqa: F401 - registers them

in_official_service.offer()
