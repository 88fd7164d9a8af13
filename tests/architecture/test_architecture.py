"""The rules of the house as tests: who may import whom, how heavy an import is, how big things may grow."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from modelwright.core import registry
from tests.architecture import fingerprint

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = sorted((ROOT / "modelwright").rglob("*.py"))
RUNTIME = sorted((ROOT / "runtime" / "modelwright_runtime").rglob("*.py"))
STAGES = (
    "collection",
    "cleaning",
    "profiling",
    "labelling",
    "sequences",
    "splitting",
    "tuning",
    "features",
    "models",
    "training",
    "unsupervised",
    "evaluation",
    "explanation",
    "fairness",
    "packaging",
    "monitoring",
    "tracking",
)
HEAVY = {
    "numpy",
    "scipy",
    "sklearn",
    "polars",
    "pyarrow",
    "onnx",
    "onnxruntime",
    "lightgbm",
    "pandas",
    "torch",
}
ALLOWED_IN_RUNTIME = {"numpy", "onnxruntime", "httptools", "msgspec", "modelwright_runtime"}
ALLOWED_FOR_MEDIA = {"images.py": "PIL", "audio.py": "soundfile"}  # the extra `media`, imported inside functions
ALLOWED_FOR_FORMATS = {"formats.py": "pyarrow", "telling.py": "opentelemetry"}  # the extras `arrow` and `traces`

# Every exception is a reviewed sentence: "file:function" -> the reason.
LONGER_THAN_80_LINES: dict[str, str] = {}
MORE_THAN_8_PARAMETERS: dict[str, str] = {}
BROAD_AT_THE_EDGE = {
    "modelwright/cli.py": "a person never sees a traceback: it is written to a file and told",
    "modelwright/collection/web/asking.py": "whatever a server does ends its own request only; it is told by a word",
    "modelwright/tracking/line.py": "a tracker's library may raise anything; it is told, and the run goes on",
    "modelwright/labelling/service.py": "a defect on one request is logged and answered 500; the server lives on",
    "runtime/modelwright_runtime/batching.py": "one request's defect must not take the others of its batch along",
    "runtime/modelwright_runtime/service.py": "a defect on one request is logged and answered 500; the server lives on",
    "runtime/modelwright_runtime/http.py": "a defect on one request is logged and answered 500; the server lives on",
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports_of(path: Path, *, at_run_time: bool = True) -> set[str]:
    """Modules that a file imports; those under TYPE_CHECKING do not count at run time."""
    tree = parsed(path)
    names: set[str] = set()
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if at_run_time and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            skipped |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("stage", STAGES)
def test_stages_do_not_import_each_other(stage: str) -> None:
    others = {f"modelwright.{other}" for other in STAGES if other != stage}
    above = {"modelwright.lifecycle", "modelwright.cli", "modelwright.recipe", "modelwright.adapters"}
    for path in (ROOT / "modelwright" / stage).rglob("*.py"):
        for module in imports_of(path, at_run_time=False):
            assert not any(module == name or module.startswith(f"{name}.") for name in others | above), (
                f"{name_of(path)} imports {module}: stages meet in lifecycle.py only"
            )


def test_core_imports_no_stage() -> None:
    for path in (ROOT / "modelwright" / "core").glob("*.py"):
        ours = {module for module in imports_of(path, at_run_time=False) if module.startswith("modelwright.")}
        # the table of methods, which is strings alone; the writer of graphs, for a type
        allowed = ("modelwright.core", "modelwright.methods", "modelwright.graph")
        assert all(module.startswith(allowed) for module in ours), name_of(path)


def test_the_runtime_is_small() -> None:
    for path in RUNTIME:
        outside = {module.split(".")[0] for module in imports_of(path)} - set(sys.stdlib_module_names)
        media = (
            {ALLOWED_FOR_MEDIA[path.name]} if path.parent.name == "arrays" and path.name in ALLOWED_FOR_MEDIA else set()
        )
        media |= {ALLOWED_FOR_FORMATS[path.name]} if path.name in ALLOWED_FOR_FORMATS else set()
        assert outside <= ALLOWED_IN_RUNTIME | {"__future__"} | media, f"{name_of(path)} imports {outside}"


def test_core_stays_small() -> None:
    lines = sum(len(path.read_text().splitlines()) for path in (ROOT / "modelwright" / "core").glob("*.py"))
    assert lines < 1900, f"core/ has {lines} lines; it is to be read in an evening"


def _modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("statement", ["import modelwright", "import modelwright.cli", "import modelwright.recipe"])
def test_imports_are_light(statement: str) -> None:
    assert not _modules_after(statement) & HEAVY


def test_pyarrow_is_not_needed() -> None:
    """The core does without its 165 MB; only a table that pyarrow made is read with it."""
    importers = {name_of(path) for path in LIBRARY if any(m.split(".")[0] == "pyarrow" for m in imports_of(path))}
    assert importers == {"modelwright/collection/frames.py"}


def test_no_torchvision() -> None:
    """Its mere presence breaks other packages here; nothing of ours may bring it."""
    assert "torchvision" not in _modules_after("import modelwright.models, modelwright.training")


@pytest.mark.parametrize("path", LIBRARY + RUNTIME, ids=name_of)
def test_sizes(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 800, f"{name_of(path)} is too long"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            where = f"{name_of(path)}:{node.name}"
            documentation = ast.get_docstring(node, clean=False) or ""
            length = (node.end_lineno or 0) - node.lineno + 1 - documentation.count("\n")
            assert length <= 80 or where in LONGER_THAN_80_LINES, f"{where} has {length} lines"
            arguments = node.args
            n_parameters = len(arguments.posonlyargs + arguments.args + arguments.kwonlyargs)
            n_parameters -= bool(arguments.args and arguments.args[0].arg in ("self", "cls"))
            assert n_parameters <= 8 or where in MORE_THAN_8_PARAMETERS, f"{where} has {n_parameters} parameters"


OPENS_PICKLES = "modelwright/packaging/exchange/_open_pickle.py"
"""The one program that does, asked for by `wright import --unsafe-pickle`, in a process of its own."""


def test_nothing_of_ours_imports_the_program_that_opens_pickles() -> None:
    for path in LIBRARY + RUNTIME:
        for node in ast.walk(parsed(path)):
            named = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            named += [item.name for item in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            assert not any("_open_pickle" in name for name in named), name_of(path)


@pytest.mark.parametrize("path", LIBRARY + RUNTIME, ids=name_of)
def test_no_code_from_data_and_nothing_swallowed(path: Path) -> None:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert name_of(path) == OPENS_PICKLES or called not in {
                "eval",
                "exec",
                "pickle.load",
                "pickle.loads",
                "joblib.load",
                "torch.load",
            }, name_of(path)
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "everything"
            broad = caught in ("everything", "Exception", "BaseException")
            raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            allowed = name_of(path) in BROAD_AT_THE_EDGE
            assert not broad or raises or allowed, f"{name_of(path)}:{node.lineno} swallows {caught}"


def test_every_error_code_has_its_page() -> None:
    page = (ROOT / "docs" / "errors.md").read_text()
    documented = set(re.findall(r"^\| `([a-z_.]+)`", page, re.M))
    raised: set[str] = set()
    for path in LIBRARY + RUNTIME:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in (
                "UserError",
                "SystemFault",
            ):
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    raised.add(first.value)
    assert raised - documented == set(), "add these to docs/errors.md"
    sources = "".join(path.read_text() for path in LIBRARY + RUNTIME)
    unused = {code for code in documented if f'"{code}"' not in sources}
    assert unused == set(), "these are raised nowhere: delete them from docs/errors.md"


def test_versions_follow_the_code() -> None:
    """A method whose code moved needs a new version, or a `make bless` that says its results did not move."""
    known = json.loads(fingerprint.KNOWN.read_text())
    now = fingerprint.present()
    assert now.keys() == known.keys(), "methods came or went: run `make bless`"
    moved = [name for name in now if now[name] != known[name]]
    assert not moved, (
        f"{', '.join(moved)}: the code moved. If results change, bump `version` in modelwright/methods.py; "
        "then, or if they do not, run `make bless`."
    )


def test_fingerprints_see_code_and_not_comments(tmp_path: Path) -> None:
    sources = [
        'def f(x):\n    """One."""\n    return x + 1\n',
        '# why\ndef f(x):\n    """Two."""\n\n    return x + 1\n',
    ]
    trees = []
    for index, source in enumerate([*sources, "def f(x):\n    return x + 2\n"]):
        path = tmp_path / f"{index}.py"
        path.write_text(source)
        trees.append(ast.dump(fingerprint._tree(path)))
    assert trees[0] == trees[1] != trees[2]


def test_registry_names_exist() -> None:
    for stage, methods in registry.BUILT_IN.items():
        for name, entry in methods.items():
            assert registry.get(stage, name) is not None, f"{stage}/{name}: {entry.where}"


def test_pyproject_says_what_each_dependency_is_for() -> None:
    for file in (ROOT / "pyproject.toml", ROOT / "runtime" / "pyproject.toml"):
        text = file.read_text()
        block = text[text.index("dependencies = [") : text.index("]", text.index("dependencies = ["))]
        lines = [line for line in block.splitlines()[1:] if line.strip()]
        assert all("#" in line for line in lines), f"{name_of(file)}: a dependency without its reason"
