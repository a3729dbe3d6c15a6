"""What can go wrong with a job's files."""

from __future__ import annotations


class TransferError(Exception):
    """Something can't be read or stored; the text is one line.

    Args:
        message: What, and why not.
        may_retry: Whether another attempt may succeed.
    """

    def __init__(self, message: str, *, may_retry: bool = False) -> None:
        super().__init__(" ".join(message.split()))
        self.may_retry = may_retry
