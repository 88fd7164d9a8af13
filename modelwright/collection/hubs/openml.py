"""OpenML as a source: `openml:61`, `openml:iris`, `openml:iris@1`, through its HTTP API.

Reference: Vanschoren et al. (2013), "OpenML: networked science in machine learning", SIGKDD Explorations 15;
the API is described at https://www.openml.org/apis.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from modelwright.collection.fetch import fetch, shown
from modelwright.collection.hubs.base import Found, Opened, bounded
from modelwright.collection.piece import Notes
from modelwright.collection.scratch import digest, forget, keep_bytes
from modelwright.core.data import Column, Kind
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import polars as pl

    from modelwright.collection.base import SourceSpec
    from modelwright.collection.reader import Surroundings

BASE = "https://www.openml.org"
VARIABLE = "WRIGHT_OPENML"
PREFIX = "openml:"
MOST_ANSWER_BYTES = 64 * 2**20
_NAME = re.compile(r"[A-Za-z0-9_.,()+ -]{1,200}")
_TOLD = ("licence", "citation", "creator", "upload_date", "original_data_url", "paper_url")
_KINDS: Mapping[str, Kind] = {"numeric": "number", "nominal": "category"}


def find_openml(source: SourceSpec, around: Surroundings) -> Found:
    """The dataset that `openml:ID`, `openml:NAME` or `openml:NAME@VERSION` names.

    Raises `UserError`: `collection.hub_name`, `collection.hub`, `collection.url*`.
    """
    api = _Api(around)
    notes = Notes(source.source)
    about = api.description(api.number_of(source.source, notes))
    number, version = about["id"], about.get("version", "1")
    form = _form(source, about)
    name = f"openml:{number} {_text(about.get('name'))[:100]} version {version}"
    told: dict[str, Any] = {
        "format": form, "hub": "openml", "id": number, "version": version,
        "target": _text(about.get("default_target_attribute")), "md5": _text(about.get("md5_checksum")),
    }  # fmt: skip
    told |= {label: _text(about[label])[:2000] for label in _TOLD if about.get(label)}
    mark = f"{number} {version} {form} {told['md5'] or about.get('file_id', '')}"

    def opened(notes_of_rows: Notes) -> Opened:
        notes_of_rows.decisions += notes.decisions
        return _Reading(api, source, about, told, name).open(notes_of_rows, form)

    return Found(name=name, mark=mark, about=told, open=opened)


def default_target(source: str) -> str | None:
    """The column that a dataset of OpenML is meant to be predicted by; None where it names none, or several."""
    from modelwright.collection.base import CollectSpec
    from modelwright.collection.reader import Surroundings

    api = _Api(Surroundings.of(CollectSpec(sources=source), keep=None, watch=None))
    target = _text(api.description(api.number_of(source, Notes(source))).get("default_target_attribute"))
    return target if target and "," not in target else None


def _text(value: Any) -> str:
    """What the API gives for a text: sometimes a list, sometimes nothing."""
    if isinstance(value, list):
        return ", ".join(_text(one) for one in value)
    return value.strip() if isinstance(value, str) else "" if value is None else str(value)


def _form(source: SourceSpec, about: Mapping[str, Any]) -> str:
    """ARFF, whose digest the API tells, unless Parquet is asked for or is all there is."""
    has_parquet, has_arff = bool(about.get("parquet_url")), bool(about.get("url"))
    if source.format not in ("auto", "parquet"):
        raise UserError(
            "collection.hub", f"OpenML gives ARFF and Parquet, not {source.format}.",
            hint="leave `format` out, or say `format: parquet`",
        )  # fmt: skip
    if source.format == "parquet" and not has_parquet:
        raise UserError(
            "collection.hub", f"OpenML has no Parquet file of dataset {about['id']}.", hint="leave `format` out"
        )
    if not (has_parquet or has_arff):
        raise UserError("collection.hub", f"OpenML names no file of dataset {about['id']}.", hint="choose another one")
    return "parquet" if source.format == "parquet" or not has_arff else "arff"


@dataclass
class _Api:
    """Asks OpenML, within limits, and never a private address but the base that was set."""

    around: Surroundings

    @property
    def base(self) -> str:
        base = os.environ.get(VARIABLE, "").strip().rstrip("/") or BASE
        if urlsplit(base).scheme not in ("http", "https"):
            raise UserError(
                "collection.hub", f"{VARIABLE} must be an http(s) address; got `{shown(base)}`.",
                hint=f"export {VARIABLE}={BASE}, or unset it",
            )  # fmt: skip
        return base

    def download(self, url: str, max_bytes: int) -> Path:
        """A file of OpenML."""
        base = urlsplit(self.base)
        if urlsplit(url).scheme not in ("http", "https"):
            raise UserError("collection.hub", f"OpenML names a file at `{shown(url)}`, which is no http(s) address.",
                            hint="choose another dataset")  # fmt: skip
        return fetch(url, max_bytes=max_bytes, timeout_s=self.around.timeout_s, tell=self.around.tell,
                     trusted=frozenset({base.netloc}))  # fmt: skip

    def ask(self, what: str, about: str) -> dict[str, Any]:
        """One answer of the API."""
        try:
            path = self.download(f"{self.base}/api/v1/json/{what}", min(self.around.max_bytes, MOST_ANSWER_BYTES))
        except UserError as problem:
            if problem.code == "collection.url_status" and re.search(r" 4(04|12) ", problem.message):
                raise UserError(
                    "collection.hub", f"OpenML has {about}.", hint="look at https://www.openml.org/search?type=data"
                ) from problem
            raise
        try:
            answer = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as problem:
            raise _odd(self.base, f"answers what is not JSON: {str(problem)[:100]}") from problem
        finally:
            forget(path)
        if not isinstance(answer, dict):
            raise _odd(self.base, "does not answer an object")
        return answer

    def number_of(self, source: str, notes: Notes) -> str:
        """The number of the dataset that a source names. Of several versions the oldest that is active is taken."""
        name, _, version = source.removeprefix(PREFIX).strip().partition("@")
        if name.isdecimal() and name.isascii() and not version and len(name) < 12:
            return str(int(name))
        if not _NAME.fullmatch(name) or ".." in name or (version and not re.fullmatch(r"[0-9]{1,6}", version)):
            raise UserError(
                "collection.hub_name", f"{source[:100]!r} names no dataset of OpenML.",
                hint="write openml:61, openml:iris or openml:iris@1",
            )  # fmt: skip
        wanted = f"/data_version/{version}" if version else "/status/active"
        found = self.ask(f"data/list/data_name/{quote(name, safe='')}{wanted}/limit/100", f"no dataset named {name!r}")
        listed = found.get("data", {}).get("dataset", []) if isinstance(found.get("data"), dict) else []
        known = sorted((int(one.get("version", 1)), int(one["did"])) for one in listed
                       if isinstance(one, dict) and str(one.get("did", "")).isdecimal())  # fmt: skip
        if not known:
            raise _odd(self.base, f"lists no dataset for {name!r}")
        if len(known) > 1:
            others = ", ".join(str(number) for number, _ in known[1:9])
            notes.decide("version", str(known[0][0]), f"the oldest that is active; {name}@ has also {others}")
        return str(known[0][1])

    def description(self, number: str) -> dict[str, Any]:
        """What OpenML says of a dataset."""
        found = self.ask(f"data/{number}", f"no dataset {number}").get("data_set_description")
        if not isinstance(found, dict) or str(found.get("id")) != number:
            raise _odd(self.base, f"does not describe dataset {number}")
        return {**found, "id": number}

    def kinds(self, number: str) -> dict[str, Kind]:
        """The kinds of columns, by name."""
        found = self.ask(f"data/features/{number}", f"no features of dataset {number}").get("data_features")
        features = found.get("feature") if isinstance(found, dict) else None
        if not isinstance(features, list):
            raise _odd(self.base, f"does not tell the features of dataset {number}")
        return {
            str(one.get("name")): _KINDS[str(one.get("data_type"))]
            for one in features if isinstance(one, dict) and str(one.get("data_type")) in _KINDS
        }  # fmt: skip


def _odd(base: str, what: str) -> UserError:
    return UserError("collection.hub", f"OpenML at `{shown(base)}` {what}.", hint="try again later")


@dataclass(frozen=True)
class _Reading:
    """One dataset's file, fetched and read."""

    api: _Api
    source: SourceSpec
    about: Mapping[str, Any]
    told: dict[str, Any]
    name: str

    def open(self, notes: Notes, form: str) -> Opened:
        url = _text(self.about["parquet_url" if form == "parquet" else "url"])
        path = self.api.download(url, self.api.around.max_bytes)
        sha256, n_bytes = digest(path)
        self.told.update(sha256=sha256, bytes=n_bytes, address=shown(url))
        self._check(path, sha256, form)
        if self.api.around.keep is not None:
            kept = keep_bytes(path, sha256, self.api.around.keep)
            forget(path)
            path = kept
        opened = self._parquet(path, notes) if form == "parquet" else self._arff(path, notes)
        return replace(opened, known=self._roles(opened.known), batches=bounded(
            opened.batches, self.name, n_bytes, self.api.around))  # fmt: skip

    def _check(self, path: Path, sha256: str, form: str) -> None:
        """The digests that were promised: the API's of the ARFF file, and the user's own."""
        promised = _text(self.about.get("md5_checksum")).lower()
        if form == "arff" and promised:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            if found != promised:
                forget(path)
                raise UserError(
                    "collection.checksum", f"`{self.name}` does not have the md5 that OpenML tells: it has {found}, "
                    f"not {promised}.", hint="fetch it again; if it stays so, OpenML's file is damaged",
                )  # fmt: skip
        if self.source.sha256 and self.source.sha256.lower() != sha256:
            forget(path)
            raise UserError(
                "collection.checksum", f"`{self.name}` does not have the sha256 asked for: it has {sha256}.",
                hint="the file is another one or is damaged; fetch it again or correct `sha256`",
            )  # fmt: skip

    def _arff(self, path: Path, notes: Notes) -> Opened:
        from modelwright.collection.hubs.arff import open_arff
        from modelwright.collection.unpack import unpack

        around = self.api.around
        inner = next(iter(unpack(path, f"{self.name}.arff", "*", around.max_bytes, around.max_ratio)))
        arff = open_arff(inner.path, self.name, notes)
        return Opened(known=arff.known(), batches=_then_forget(arff.batches(notes), path, inner.path))

    def _parquet(self, path: Path, notes: Notes) -> Opened:
        from modelwright.collection.columnar import read_parquet
        from modelwright.collection.unpack import unpack
        from modelwright.collection.versions.writing import batches_of

        around = self.api.around
        inner = next(iter(unpack(path, f"{self.name}.pq", "*", around.max_bytes, around.max_ratio)))
        piece = read_parquet(inner.path, self.name, self.source, notes)
        kinds = self.api.kinds(str(self.about["id"]))
        known = tuple(Column(name, kinds[name]) for name in piece.names if name in kinds)
        return Opened(known=known, batches=_then_forget(batches_of(piece.table), path, inner.path))

    def _roles(self, known: tuple[Column, ...]) -> tuple[Column, ...]:
        """With the columns that OpenML says are keys, or to be left out."""
        ids, out = self._named("row_id_attribute"), self._named("ignore_attribute")
        by_name = {column.name: column for column in known}
        for name in (*ids, *out):
            role: Any = "id" if name in ids else "ignored"
            column = by_name.get(name, Column(name, "category"))
            by_name[name] = replace(column, role=role, why="OpenML says so")
        return tuple(by_name.values())

    def _named(self, setting: str) -> list[str]:
        given = self.about.get(setting) or []
        listed = given if isinstance(given, list) else str(given).split(",")
        return [str(name).strip() for name in listed if str(name).strip()]


def _then_forget(batches: Iterator[pl.DataFrame], *paths: Path) -> Iterator[pl.DataFrame]:
    """The batches; downloads that nobody keeps go after the last one."""
    try:
        yield from batches
    finally:
        for path in paths:
            forget(path)
