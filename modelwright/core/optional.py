"""Optional packages: imported where they are used, missed with the line that installs them."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from modelwright.core.errors import UserError


def need(package: str, *, extra: str, why: str) -> ModuleType:
    """Import `package`, or say which extra brings it.

    >>> need("json", extra="none", why="this example").__name__
    'json'
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as missing:
        raise _missing(package, extra, why) from missing


def need_later(package: str, *, extra: str, why: str) -> None:
    """Refuse at once what would miss a package, without the seconds that its import takes."""
    if importlib.util.find_spec(package) is None:
        raise _missing(package, extra, why)


def _missing(package: str, extra: str, why: str) -> UserError:
    return UserError(
        "optional.missing",
        f"{why} needs the package `{package}`, which is not installed.",
        hint=f'pip install "modelwright[{extra}]"',
    )
