"""The lazy registry: (stage, method) to "module:function" and its implementation version, as strings.

Nothing is imported until a method is asked for. Third parties add theirs as entry points of the group
`modelwright.<stage>`, in the same form. The table of those that come with the house is `modelwright/methods.py`.
"""

from __future__ import annotations

import importlib
import os
import warnings
from types import ModuleType
from typing import Any

from modelwright.core.errors import UserError, nearest
from modelwright.methods import BUILT_IN, Entry


def entries(stage: str) -> dict[str, Entry]:
    """All methods of a stage: built-in ones and those of installed plug-ins."""
    if stage not in BUILT_IN:
        raise UserError("registry.stage", f"there is no stage {stage!r}.", hint=nearest(stage, BUILT_IN))
    return {**_plug_ins(stage), **BUILT_IN[stage]}


def _plug_ins(stage: str) -> dict[str, Entry]:
    if os.environ.get("WRIGHT_PLUGINS") == "off":
        return {}
    from importlib.metadata import entry_points

    return {point.name: Entry(point.value) for point in entry_points(group=f"modelwright.{stage}")}


def entry(stage: str, name: str) -> Entry:
    """Where a method lives; plug-ins are looked for only when no built-in has the name."""
    built_in = BUILT_IN.get(stage, {})
    if name in built_in:
        return built_in[name]
    found = entries(stage)
    if name not in found:
        raise UserError("registry.name", f"{stage} has no method {name!r}.", hint=nearest(name, found))
    return found[name]


def versions(stage: str) -> dict[str, int]:
    """The version of every built-in method of a stage, for the keys of a stage that calls them by name."""
    return {name: entry.version for name, entry in BUILT_IN[stage].items()}


def get(stage: str, name: str) -> Any:
    """Import and return one method.

    >>> get("models", "forrest")
    Traceback (most recent call last):
    modelwright_runtime.errors.UserError: models has no method 'forrest'.
    Hint: did you mean `forest`? Known: bayes, boosting, ... [registry.name]
    """
    module, _, attribute = entry(stage, name).where.partition(":")
    return getattr(importlib.import_module(module), attribute)


def verbs(stage: str) -> ModuleType:
    """The public functions of a stage, for a stage that builds on it (training on features).

    >>> verbs("features").preset("plain").most_few
    10
    """
    if stage not in BUILT_IN:
        raise UserError("registry.stage", f"there is no stage {stage!r}.", hint=nearest(stage, BUILT_IN))
    return importlib.import_module(f"modelwright.{stage}")


def methods(stage: str) -> dict[str, Any]:
    """Every method of a stage, imported. A plug-in that does not import warns with its name and is skipped."""
    found = {}
    for name in entries(stage):
        try:
            found[name] = get(stage, name)
        except (ImportError, AttributeError) as problem:
            if name in BUILT_IN[stage]:
                raise
            warnings.warn(f"plug-in {name!r} of modelwright.{stage} is skipped: {problem}", stacklevel=2)
    return found
