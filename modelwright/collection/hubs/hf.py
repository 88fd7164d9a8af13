"""Hugging Face's hub, or a folder in the layout of its `datasets` library: `hf:NAME[@revision][/config][:split]`.

Read through that library, in streams. Only plain files are read (Parquet, CSV, JSON, folders of images and sounds, and
what the library itself saved): never a loading script, never a pickle, and never a file outside the dataset.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from modelwright.collection.guard import one_line
from modelwright.collection.hubs.base import Found, Opened, bounded
from modelwright.collection.hubs.features import columns_of, known_of
from modelwright.collection.piece import Notes
from modelwright.collection.scratch import forget, scratch_path
from modelwright.collection.tree import SPLITS
from modelwright.core.data import Column
from modelwright.core.errors import UserError
from modelwright.core.optional import need
from modelwright.core.store import digest_of

if TYPE_CHECKING:
    import polars as pl

    from modelwright.collection.base import SourceSpec
    from modelwright.collection.reader import Surroundings

PREFIX = "hf:"
PLAIN = ("parquet", "csv", "json", "imagefolder", "audiofolder")
CARDS = ("README.md", ".huggingface.yaml")
ROWS_AT_ONCE = 1 << 13
FILES_AT_ONCE = 1 << 7
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_ADDRESS = re.compile(rf"(?P<name>{_PART}(?:/{_PART})?)(?:@(?P<revision>refs/[\w.-]+/[\w.-]+|[\w.-]+))?"
                      rf"(?:/(?P<config>[\w. ()+-]+))?(?::(?P<split>\w[\w.-]*))?")  # fmt: skip
_PACKED = (".gz", ".zip", ".zst", ".bz2", ".xz", ".tar", ".tgz", ".7z", ".lz4")
_HINT = "write hf:NAME, hf:ORGANISATION/NAME@REVISION/CONFIG:SPLIT, or hf:./FOLDER:SPLIT"


@dataclass(frozen=True)
class Address:
    """What an address names: a dataset of the hub, or a local folder."""

    name: str
    revision: str | None = None
    config: str | None = None
    split: str | None = None
    folder: Path | None = None


def address_of(source: str) -> Address:
    """The parts of an address. What begins with `.`, `/` or `~` is a folder.

    >>> address_of("hf:stanfordnlp/imdb@refs/convert/parquet/plain_text:train")
    Address(name='stanfordnlp/imdb', revision='refs/convert/parquet', config='plain_text', split='train', folder=None)
    >>> address_of("hf:squad"), address_of("hf:a/b/c:test").config
    (Address(name='squad', revision=None, config=None, split=None, folder=None), 'c')
    """
    text = source.removeprefix(PREFIX).strip()
    if text.startswith((".", "/", "~")):
        return _folder_of(text)
    match = _ADDRESS.fullmatch(text)
    if not match or ".." in text or text.count("\x00"):
        raise UserError("collection.hub_name", f"{source[:100]!r} names no dataset of the hub.", hint=_HINT)
    return Address(match["name"], match["revision"], match["config"], match["split"])


def _folder_of(text: str) -> Address:
    folder, split = Path(text).expanduser(), None
    if not folder.is_dir() and ":" in text:
        text, _, split = text.rpartition(":")
        folder = Path(text).expanduser()
    name = folder.resolve().name
    if folder.is_dir():
        return Address(name, split=split, folder=folder)
    if (folder.parent / "README.md").is_file():  # which says what configurations there are
        return Address(folder.resolve().parent.name, config=name, split=split, folder=folder.parent)
    raise UserError("collection.missing", f"there is no folder `{folder}`.", hint=_HINT)


def find_hf(source: SourceSpec, around: Surroundings) -> Found:
    """The dataset that an address names, with its revision, licence and splits. Asks the hub for nothing but that.

    Raises `UserError`: `collection.hub_name`, `collection.hub`, `collection.hub_path`, `optional.missing`.
    """
    if source.format != "auto":
        raise UserError("collection.hub", "`format` is for files; a dataset of a hub says what it is.",
                        hint="leave `format` out")  # fmt: skip
    need("pyarrow", extra="hubs", why="reading a dataset of a hub")
    library: Any = need("datasets", extra="hubs", why="reading a dataset of a hub")
    library.disable_progress_bars()
    library.logging.set_verbosity_error()
    address = address_of(source.source)
    place = _Local.of(address) if address.folder is not None else _Remote.of(address, around)
    told = {"format": "hf", "hub": "hf" if address.folder is None else "folder", "config": address.config,
            "split": address.split, **place.about}  # fmt: skip

    def opened(notes: Notes) -> Opened:
        return _open(library, address, place, around, notes)

    return Found(name=f"hf:{place.name}", mark=digest_of([place.mark, address.config, address.split]), about=told,
                 open=opened)  # fmt: skip


# Where the files lie ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Local:
    """A folder. Its mark is what its files are like."""

    name: str
    root: Path
    base: Path
    mark: Any
    n_bytes: int
    about: Mapping[str, Any]

    @classmethod
    def of(cls, address: Address) -> _Local:
        root = (address.folder or Path()).resolve()
        base = root.parent.parent if root.parent.name == "snapshots" else root  # the hub's cache: links to its blobs
        files = sorted(path for path in root.rglob("*") if path.is_file())
        for path in files:
            if not path.resolve().is_relative_to(base):
                raise _outside(str(path), address.name)
        stats = [(path.relative_to(root).as_posix(), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        return cls(address.name, root, base, stats, sum(size for _, size, _ in stats), {"folder": str(root)})

    @property
    def target(self) -> str:
        return str(self.root)

    def has(self, path: str) -> bool:
        """Whether a path (a link of archives counts as its outermost file) lies within the dataset."""
        outer = path.rpartition("::")[2].removeprefix("file://")
        return "://" not in outer and Path(outer).is_absolute() and Path(outer).resolve().is_relative_to(self.base)

    def cards(self) -> list[str]:
        """The texts in which a dataset says where its files are."""
        found = [self.root / name for name in CARDS]
        return [path.read_text(encoding="utf-8", errors="replace") for path in found if path.is_file()]

    def check_files(self, files: list[str], around: Surroundings) -> None:
        """No archive that is a bomb: each is opened once, within the limits."""
        from modelwright.collection.unpack import unpack

        for file in files:
            path = Path(file)
            if path.suffix.lower() in (*_PACKED, ".parquet", ".arrow") and path.is_file():
                for inner in unpack(path, path.name, "*", around.max_bytes, around.max_ratio):
                    forget(inner.path)


@dataclass(frozen=True)
class _Remote:
    """A dataset of the hub at one commit."""

    name: str
    commit: str
    n_bytes: int
    about: Mapping[str, Any]
    texts: tuple[str, ...]

    @classmethod
    def of(cls, address: Address, around: Surroundings) -> _Remote:
        hub: Any = need("huggingface_hub", extra="hubs", why="asking the hub")
        with _hub_errors(address.name):
            info = hub.HfApi().dataset_info(address.name, revision=address.revision, files_metadata=True,
                                            timeout=around.timeout_s)  # fmt: skip
            names = {file.rfilename for file in info.siblings or ()}
            get, cache = hub.hf_hub_download, scratch_path()
            paths = [get(info.id, name, repo_type="dataset", revision=info.sha, cache_dir=cache)
                     for name in CARDS if name in names]  # fmt: skip
        texts = tuple(Path(path).read_text(encoding="utf-8", errors="replace") for path in paths)
        said = info.card_data.to_dict() if info.card_data is not None else {}
        about = {"revision": info.sha, "licence": str(said.get("license") or "")[:200]}
        n_bytes = sum(int(file.size or 0) for file in info.siblings or ())
        return cls(info.id, str(info.sha), n_bytes, about, texts)

    @property
    def mark(self) -> str:
        return f"{self.name} {self.commit}"

    @property
    def target(self) -> str:
        return self.name

    def has(self, path: str) -> bool:
        """Whether a path is a file of this dataset at this commit."""
        outer = path.rpartition("::")[2]
        return outer.startswith(f"hf://datasets/{self.name}@{self.commit}/") and ".." not in outer.split("/")

    def cards(self) -> list[str]:
        """The texts in which a dataset says where its files are."""
        return list(self.texts)

    def check_files(self, files: list[str], around: Surroundings) -> None:
        """The sizes of remote files are checked while they are read."""


def _outside(path: str, name: str) -> UserError:
    return UserError(
        "collection.hub_path", f"`{name}` names `{path[:200]}`, which is no file of it.",
        hint="a dataset that reaches beyond its own files is made to do harm or by mistake; take it apart by hand",
    )  # fmt: skip


def _check_cards(place: _Local | _Remote) -> None:
    """Files that a dataset's card names lie within it: the library would follow any path or address there."""
    import yaml

    for text in place.cards():
        front = text.split("---")[1] if text.startswith("---") and text.count("---") > 1 else text
        try:
            said = yaml.safe_load(front) if ":" in front else None
        except yaml.YAMLError:
            continue  # the library tells what is wrong with it, or passes it over as this does
        for value in _texts(said.get("configs") if isinstance(said, dict) else None):
            if "://" in value or value.startswith(("/", "~", "\\")) or ".." in PurePosixPath(value).parts:
                raise _outside(value, place.name)


def _texts(value: Any) -> Iterator[str]:
    """Every text under `data_files`, `data_dir` and `path` of a card's configurations."""
    if isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name in ("data_files", "data_dir", "path") or isinstance(one, list | dict):
                yield from _texts(one)
    elif isinstance(value, str):
        yield value


# Reading ------------------------------------------------------------------------------------------------------------


def _open(library: Any, address: Address, place: _Local | _Remote, around: Surroundings, notes: Notes) -> Opened:
    with _hub_errors(address.name):
        if isinstance(place, _Local) and any(
            (place.root / name).is_file() for name in ("dataset_dict.json", "state.json")
        ):
            splits = _saved(library, address, place, around)
        else:
            splits = _plain_files(library, address, place, around)
        if address.split is not None and address.split not in splits:
            from modelwright.core.errors import nearest

            raise UserError("collection.hub", f"`{address.name}` has no split {address.split!r}.",
                            hint=nearest(address.split, splits))  # fmt: skip
        splits = {name: rows for name, rows in splits.items() if address.split in (None, name)}
        for name, rows in splits.items():
            splits[name] = rows.with_format("arrow")
        features = next(iter(splits.values())).features
        features = dict(features) if features is not None else None
    known, split_column = known_of(features or {}), _split_column(list(splits), features or {})
    known += (split_column,) if split_column else ()
    batches = _batches(splits, place, notes, split_column)
    return Opened(known=known, batches=bounded(batches, address.name, place.n_bytes, around))


def _split_column(names: list[str], features: Mapping[str, Any]) -> Column | None:
    """The column that says which split a row is of; None for one split. It rules the split of a run where train and
    test are told apart by it."""
    if len(names) < 2:
        return None
    label = "split" if "split" not in features else "hub_split"
    plain = all(name.lower() in SPLITS for name in names)
    role: Any = "split" if plain and {"train", "test"} <= {SPLITS[name.lower()] for name in names} else "ignored"
    return Column(label, "category", role, why="the hub's splits")


def _saved(library: Any, address: Address, place: _Local, around: Surroundings) -> dict[str, Any]:
    """What `save_to_disk` wrote."""
    import json

    for state in place.root.rglob("state.json"):
        try:
            files = json.loads(state.read_bytes()).get("_data_files", [])
        except (ValueError, AttributeError) as problem:
            raise UserError(
                "collection.hub", f"`{state}` is not what the library wrote.", hint="save it again"
            ) from problem
        for file in files:
            name = str(file.get("filename", "")) if isinstance(file, dict) else ""
            if not re.fullmatch(r"[\w.-]+\.arrow", name):
                raise _outside(name, address.name)
        place.check_files([str(state.parent / file["filename"]) for file in files], around)
    if address.config is not None:
        raise UserError(
            "collection.hub", f"`{place.root}` has no configurations.", hint=f"name a split: hf:{place.root}:train"
        )
    found = library.load_from_disk(str(place.root), keep_in_memory=False)
    return dict(found) if isinstance(found, dict) else {str(found.split or "train"): found}


def _plain_files(library: Any, address: Address, place: _Local | _Remote, around: Surroundings) -> dict[str, Any]:
    """Parquet, CSV, JSON, images or sounds as streams; anything else is refused before a byte of it is read."""
    _check_cards(place)
    cache = scratch_path()
    revision = place.commit if isinstance(place, _Remote) else None
    builder = library.load_dataset_builder(place.target, address.config, revision=revision, cache_dir=str(cache))
    module = type(builder).__module__.split(".")
    if module[:2] != ["datasets", "packaged_modules"] or module[2] not in PLAIN:
        raise UserError(
            "collection.hub", f"`{address.name}` is of the form {module[-1]}, which is not read.",
            hint=f"only {', '.join(PLAIN)} are",
        )  # fmt: skip
    files = [str(file) for some in (builder.config.data_files or {}).values() for file in some]
    for file in files:
        if not place.has(file):
            raise _outside(file, address.name)
    place.check_files(files, around)
    return dict(builder.as_streaming_dataset())


def _batches(
    splits: Mapping[str, Any], place: _Local | _Remote, notes: Notes, split_column: Column | None
) -> Iterator[pl.DataFrame]:  # fmt: skip
    import polars as pl

    for split, rows in splits.items():
        features = dict(rows.features or {})
        heavy = any(type(feature).__name__ in ("Image", "Audio") for feature in features.values())
        with _hub_errors(place.name):
            tables = iter(rows.iter(batch_size=FILES_AT_ONCE if heavy else ROWS_AT_ONCE))
        while True:
            with _hub_errors(place.name):
                table = next(tables, None)
            if table is None:
                break
            frame = pl.DataFrame(columns_of(table, features, place.has, notes))
            if split_column is not None:
                word = SPLITS.get(split.lower(), split) if split_column.role == "split" else split
                frame = frame.with_columns(pl.lit(word).alias(split_column.name))
            yield frame


class _hub_errors:  # noqa: N801 - used as a context, as `guarded` is
    """Turns what the libraries of the hub raise into a `UserError("collection.hub")`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, problem: BaseException | None, trace: object) -> None:
        if problem is None or isinstance(problem, UserError):
            return
        module = type(problem).__module__.split(".")[0]
        of_library = module in ("datasets", "huggingface_hub", "httpx", "fsspec", "requests", "pandas", "pyarrow")
        if of_library or isinstance(problem, OSError | ValueError | RuntimeError | TypeError | KeyError):
            raise UserError(
                "collection.hub", f"`{self.name}` cannot be read: {one_line(problem)}.",
                hint="check name, revision, configuration and split, and whether this machine reaches the hub",
            ) from problem  # fmt: skip
