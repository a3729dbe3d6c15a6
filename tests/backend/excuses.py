"""Why there may be a job that the back end does not know, whatever the service does."""

from __future__ import annotations

NO_ANSWER = "their creates' callers had no answer, and a vendor without keys can't be asked again"
"""At most one job for each create that ended with an error."""

KILLED = "a replica was killed before it could answer, and the next attempt has another key"
"""At most one job for each kill."""

CRASHED = "the executor crashed in mid-create, and asked the other replica again"
"""At most one job for each create that was cut off, and what `NO_ANSWER` allows."""
