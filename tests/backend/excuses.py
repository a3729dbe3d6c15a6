"""Why there may be a job that the back end does not know, whatever the service does."""

from __future__ import annotations

NO_ANSWER = "their creates had no answer in time, and may not be repeated"
"""At most one job for each create that ended with an error."""

KILLED = "a replica was killed before it could answer"
"""At most one job for each kill."""

CRASHED = "the executor crashed in mid-create, and asked the other replica"
"""At most one job for each create that was cut off, and what `NO_ANSWER` allows."""
