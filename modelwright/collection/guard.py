"""Polars' ways to fail, brought to one: a coded error, and nothing on the terminal."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from modelwright.core.errors import UserError

_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def guarded(code: str, what: str, hint: str) -> Iterator[None]:
    """Turn what a reader of damaged bytes raises into a `UserError` of `code`.

    A panic of Polars is a failed assertion in Rust, raised as a BaseException after its message went to the
    terminal; that message is kept away.

    >>> with guarded("collection.parquet", "`a.parquet` cannot be read", "write it again"):
    ...     raise ValueError("it was cut short")
    Traceback (most recent call last):
    modelwright_runtime.errors.UserError: `a.parquet` cannot be read: it was cut short.
    Hint: write it again [collection.parquet]
    """
    import polars as pl

    try:
        with _quiet():
            yield
    except pl.exceptions.PanicException as panic:
        raise UserError(code, f"{what}: its parts do not fit together.", hint=hint) from panic
    except (pl.exceptions.PolarsError, OSError, ValueError, OverflowError, TypeError) as problem:
        raise UserError(code, f"{what}: {one_line(problem)}.", hint=hint) from problem


def one_line(problem: BaseException) -> str:
    """What an exception says, on one line of at most 300 characters."""
    return " ".join(str(problem).split())[:300].rstrip(".")


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what the process writes to the standard error; given out at the end, unless Polars panicked."""
    import polars as pl

    with _ONE_AT_A_TIME, tempfile.TemporaryFile() as held:
        try:
            terminal = os.dup(2)
        except OSError:  # a process without a standard error
            yield
            return
        panicked = False
        os.dup2(held.fileno(), 2)
        try:
            yield
        except pl.exceptions.PanicException:
            panicked = True
            raise
        finally:
            os.dup2(terminal, 2)
            held.seek(0)
            if not panicked:
                os.write(terminal, held.read())
            os.close(terminal)
