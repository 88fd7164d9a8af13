"""A web site as a source: read once as a table, and again and again as versions of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modelwright.collection import collect
from modelwright.collection.base import CollectSpec
from modelwright.collection.gathering import gather
from modelwright.collection.versions import open_version
from modelwright.core.store import Store
from tests.collection.web.test_crawl import QUICK, page, serving


def spec_of(address: str) -> CollectSpec:
    plain: dict[str, Any] = {"source": f"crawl:{address}/", "crawl": QUICK}
    return CollectSpec.parse({"sources": [plain]}, where="data")


def test_a_site_is_a_table(tmp_path: Path) -> None:
    with serving({"/": page("front", "/one"), "/one": page("one")}) as (address, _):
        data = collect(spec_of(address))
    assert sorted(url.rsplit("/", 1)[1] for url in data.frame["url"]) == ["", "one"]
    assert data.origin["sources"][0]["crawl"]


def test_only_pages_whose_text_has_changed_come_again(tmp_path: Path) -> None:
    store = Store.open(tmp_path / ".wright")
    answers: Any = {"/": page("front", "/one", "/two"), "/one": page("one"), "/two": page("two")}
    with serving(answers) as (address, _):
        first = gather(spec_of(address), "site", store=store)
        same = gather(spec_of(address), "site", store=store)
        answers["/one"] = page("another story")
        answers["/two"] = page("two").replace(b"<p>", b"<!-- 12:31 --><p>")
        third = gather(spec_of(address), "site", store=store)
    assert (first.version.label, first.version.n_rows) == ("site@1", 3)
    assert (same.is_new, same.sources[0].skipped) == (False, {"known by their bytes": 3})
    assert (third.version.label, third.version.n_rows) == ("site@2", 3)
    assert (third.sources[0].n_added, third.sources[0].n_removed) == (1, 1)
    before, after = open_version(store, "site@1").frame, open_version(store, "site").frame
    assert set(before["url"]) == set(after["url"])
    assert set(before["__row__"]) - set(after["__row__"]), "a page that has changed is a new row"
