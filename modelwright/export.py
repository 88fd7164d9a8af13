"""`wright export` and `wright import`: a package to other places, and from other houses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError, nearest

if TYPE_CHECKING:
    from modelwright.lifecycle import Made
    from modelwright.packaging.targets import TargetFile
    from modelwright.recipe import Recipe
    from modelwright.terminal import Terminal

TARGETS = {
    "mobile": "an .ort file for ONNX Runtime on phones and small boards; of a network also a .pte",
    "executorch": "a network as a .pte file for ExecuTorch",
    "embedded": "one C99 file and its header: no heap, no library",
    "docker": "a Dockerfile and all that it needs, from the package alone",
    "systemd": "a unit for systemd",
    "mlflow": "an MLflow model directory (to and from)",
    "layers": "an OCI image layout, as container registries keep it (to and from)",
}


def export(arguments: list[str], terminal: Terminal) -> None:
    """`wright export NAME --target TARGET -o DIR`."""
    from modelwright.cli import _package_path, _parser

    parser = _parser(
        "export", "A package for another place, proved there where it can be run here.",
        "wright export income --target embedded -o firmware/", "wright export income --target docker -o deploy/",
        "wright export income.wright --target mobile --target embedded",
    )  # fmt: skip
    parser.add_argument("name", help="a run's name or a .wright file")
    told = "; ".join(f"{name}: {about}" for name, about in TARGETS.items())
    parser.add_argument("--target", action="append", required=True, metavar="TARGET", help=told)
    parser.add_argument("-o", "--output", default=".", metavar="DIR", help="where the files go [.]")
    options = parser.parse_args(arguments)
    for target in options.target:
        if target not in TARGETS:
            raise UserError("target.name", f"there is no target {target!r}.", hint=nearest(target, TARGETS))
    path = _package_path(options)
    for target in dict.fromkeys(options.target):
        for line in _exported(path, target, Path(options.output)):
            if terminal.as_json:
                terminal.emit({"event": "exported", **line})
            else:
                terminal.note(str(line["told"]))


def _exported(package: Path, target: str, folder: Path) -> list[dict[str, Any]]:
    from modelwright_runtime import load

    if target in ("mobile", "executorch", "embedded"):
        from modelwright.packaging.targets import write_targets

        return [_line(file) for file in write_targets(load(package), (target,), folder)]  # type: ignore[arg-type]
    if target in ("docker", "systemd"):
        from modelwright.packaging.supply import write_docker, write_systemd

        write = write_docker if target == "docker" else write_systemd
        return [_plain_line(path, target) for path in write(package, folder)]
    from modelwright.packaging.exchange import write_layers, write_mlflow

    return [_plain_line((write_mlflow if target == "mlflow" else write_layers)(package, folder), target)]


def _plain_line(path: Path, target: str) -> dict[str, Any]:
    return {"path": str(path), "target": target, "told": str(path)}


def _line(file: TargetFile) -> dict[str, Any]:
    about = [f"{file.size_bytes:,} bytes"]
    if file.flash_bytes is not None:
        about.append(f"flash {file.flash_bytes:,}, RAM {file.ram_bytes:,}")
    if file.stack_bytes is not None:
        about.append(f"stack {file.stack_bytes:,}")
    if file.largest_difference is not None:
        about.append(f"golden rows {file.largest_difference:.0e} apart")
    elif file.path.suffix == ".c":
        about.append("not proved: there is no C compiler here")
    if file.note:
        about.append(file.note)
    return {
        "path": str(file.path), "target": file.target, "size_bytes": file.size_bytes,
        "flash_bytes": file.flash_bytes, "ram_bytes": file.ram_bytes, "stack_bytes": file.stack_bytes,
        "largest_difference": file.largest_difference, "note": file.note, "told": f"{file.path}: {', '.join(about)}",
    }  # fmt: skip


# From other houses --------------------------------------------------------------------------------------------


def import_(arguments: list[str], terminal: Terminal) -> None:
    """`wright import PLACE -o NAME.wright`."""
    from modelwright.cli import _parser

    parser = _parser(
        "import", "A package from an MLflow directory or layers of ours; or a model of others with rows to read by.",
        "wright import mlflow_dir/ -o income.wright", "wright import layers_dir/ -o income.wright",
        "wright import model.onnx --rows rows.csv --target price -o homes.wright",
        "wright import --unsafe-pickle model.joblib --rows rows.csv --target price -o homes.wright",
    )  # fmt: skip
    parser.add_argument("place", nargs="?", help="a directory of ours, or an .onnx file")
    parser.add_argument(
        "--unsafe-pickle", metavar="FILE",
        help="open a pickled estimator of scikit-learn or LightGBM. A pickle runs whatever its maker wrote: it is "
        "opened in a process of its own without network, which does not make it safe",
    )  # fmt: skip
    parser.add_argument("--rows", metavar="TABLE", help="rows that the model was trained on, with the target")
    parser.add_argument("--target", metavar="COLUMN", help="the column that the model predicts")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the .wright file to write")
    options = parser.parse_args(arguments)
    if (options.place is None) == (options.unsafe_pickle is None):
        raise UserError("cli.option", "give one place to import from, or --unsafe-pickle FILE.",
                        hint="`wright import --help` shows both")  # fmt: skip
    path = _imported(options.place, options.unsafe_pickle, options.rows, options.target, Path(options.output))
    if terminal.as_json:
        terminal.emit({"event": "imported", "path": str(path)})
    else:
        terminal.note(f"{path}: its golden rows are replayed; `wright serve {path}` answers")


def _imported(place: str | None, pickled: str | None, rows: str | None, target: str | None, output: Path) -> Path:
    if pickled is None and place is not None and Path(place).is_dir():
        from modelwright.packaging.exchange import read_layers, read_mlflow

        read = read_layers if (Path(place) / "index.json").exists() else read_mlflow
        return read(place, output)
    source = Path(pickled or place or "")
    if not source.exists():
        raise UserError("exchange.missing", f"there is nothing at {source}.", hint="check the path")
    if rows is None or target is None:
        raise UserError("cli.option", "a model of others needs --rows and --target, which say how its cells are read.")
    from modelwright.foreign import package_foreign

    return package_foreign(source, rows, target, output, unsafe_pickle=pickled is not None)


# In a run -----------------------------------------------------------------------------------------------------


def lay_out_targets(recipe: Recipe, work: Any, package: Made, folder: Path) -> None:
    """Write the targets that a recipe asks for beside its package; what is in the store is not made again."""
    from modelwright.lifecycle import _lay_out

    targets = tuple(target for target in recipe.package.targets if target != "server")
    if not targets:
        return
    made = work.stage(
        "packaging", "targets", recipe.package, [package],
        lambda write: _kept(write, work.store, package.plain["file"], targets), _tell, keep=lambda _, plain: plain,
    )  # fmt: skip
    for file in made.plain["files"]:
        _lay_out(work.store, file["digest"], folder / file["name"])


def _kept(write: Any, store: Any, digest: str, targets: tuple[str, ...]) -> dict[str, Any]:
    """Write the targets aside and put them into the store."""
    import tempfile

    from modelwright_runtime import load

    with tempfile.TemporaryDirectory() as aside:
        files = write(load(store.path(digest)), targets, aside)
        lines = [{**_line(file), "name": file.path.name, "digest": store.put(file.path.read_bytes())} for file in files]
    for line in lines:
        line["told"] = str(line["told"]).replace(f"{line['path']}: ", f"{line['name']}: ")
        del line["path"]
    return {"files": lines}


def _tell(plain: Mapping[str, Any]) -> dict[str, Any]:
    shown = [file for file in plain["files"] if file["largest_difference"] is not None] or plain["files"]
    return {"told": "; ".join(file["told"] for file in shown), "files": plain["files"]}
