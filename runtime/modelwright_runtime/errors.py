"""The two errors that ever reach a user, each with a code, a sentence and a way out."""

from __future__ import annotations


class WrightError(Exception):
    """An error that is told to the user as one sentence, never as a traceback.

    `code` names a section of `docs/errors.md`, `message` says parameter, rule and value received,
    `hint` says the way out.

    >>> str(UserError("split.size", "`size` must be between 0 and 1; got 20.", hint="for 20 % write 0.2"))
    '`size` must be between 0 and 1; got 20.\\nHint: for 20 % write 0.2 [split.size]'
    """

    exit_code = 1

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        hint = f"\nHint: {self.hint}" if self.hint else ""
        return f"{self.message}{hint} [{self.code}]"

    def as_plain(self) -> dict[str, str]:
        """The error as JSON-able data, for `--json` and for the server's answers."""
        return {"error": self.message, "code": self.code, "hint": self.hint}


class UserError(WrightError, ValueError):
    """What was given cannot be used; the user can mend it (exit code 2)."""

    exit_code = 2


class SystemFault(WrightError):
    """The system or its surroundings failed: disk, memory, a corrupted store (exit code 1)."""

    exit_code = 1
