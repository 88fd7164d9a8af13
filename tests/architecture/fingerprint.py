"""Fingerprints of methods: the syntax tree of a method's module and of our modules that it imports.

Comments, docstrings and layout do not count. `python tests/architecture/fingerprint.py --bless` writes the
present ones, which says: the code moved and the results did not.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from functools import cache
from pathlib import Path

from modelwright.core import registry

ROOT = Path(__file__).resolve().parents[2]
KNOWN = Path(__file__).with_name("fingerprints.json")
# The frame around every method: values, stores and errors do not change what a method computes.
FRAME = {f"modelwright.core.{name}" for name in ("store", "codec", "record", "registry", "errors", "spec", "optional")}


def module_file(module: str) -> Path | None:
    base = ROOT / "runtime" if module.startswith("modelwright_runtime") else ROOT
    path = base / Path(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists()), None)


@cache
def _tree(path: Path) -> ast.Module:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                body[0].value = ast.Constant("")
    return tree


@cache
def _dumped(path: Path) -> str:
    return ast.dump(_tree(path))


@cache
def imported(path: Path) -> frozenset[str]:
    """Our own modules that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    ours = {name for name in names if name.split(".")[0] in ("modelwright", "modelwright_runtime")}
    return frozenset(name for name in ours if module_file(name) and name not in FRAME)


def fingerprint(module: str) -> str:
    """sha256 over the syntax trees of a module and of all that it reaches."""
    reached: set[Path] = set()
    waiting = [module]
    while waiting:
        path = module_file(waiting.pop())
        if path and path not in reached:
            reached.add(path)
            waiting += imported(path)
    parts = [f"{path.relative_to(ROOT)}\n{_dumped(path)}" for path in sorted(reached)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def present() -> dict[str, dict[str, object]]:
    """Version and fingerprint of every built-in method."""
    return {
        f"{stage}/{name}": {
            "version": entry.version,
            "fingerprint": fingerprint(entry.where.partition(":")[0]),
        }
        for stage, methods in registry.BUILT_IN.items()
        for name, entry in methods.items()
    }


if __name__ == "__main__" and "--bless" in sys.argv:
    KNOWN.write_text(json.dumps(present(), indent=1, sort_keys=True) + "\n")
