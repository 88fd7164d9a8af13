"""A request that is refused, with the status that says so."""

from __future__ import annotations


class RequestError(Exception):
    """Raised while a request is read; `plain` is the body of the refusal."""

    def __init__(self, status: int, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.plain = {"error": message, "code": code, "hint": hint}
