"""Mending: which proposals are applied, which only offered, and what it never does."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from modelwright.cleaning import CleanSpec, MendSpec, Method, mend
from modelwright.cleaning.findings import Findings
from modelwright.core import registry
from modelwright.core.data import ROW_ID, Column, Dataset, Schema
from modelwright.core.errors import UserError
from modelwright.core.spec import Spec
from modelwright.testing.mending import check_mending, said_of

CELL = {"column": "x", "reason": "r"}


def method(name: str, *rows: dict[str, object], on: str = "raw", kinds: tuple[str, ...] = ()) -> Method:
    """A method that always proposes these changes of cells of `x`."""

    def propose(data: Dataset, spec: Spec, *, seed: int = 0, watch: object = None) -> Findings:
        cells = [{**CELL, "method": name, **row} for row in rows if "after" in row]
        gone = [{"twin_of": None, "reason": "r", "method": name, **row} for row in rows if "after" not in row]
        return Findings.of(cells=pl.DataFrame(cells) if cells else None, rows=pl.DataFrame(gone) if gone else None)

    return Method(name=name, about=f"What {name} sees.", propose=propose, on=on, kinds=kinds)  # type: ignore[arg-type]


def cell(row: int, after: str, confidence: float, before: str | None = None) -> dict[str, object]:
    return {ROW_ID: row, "before": before or f"v{row}", "after": after, "confidence": confidence}


@pytest.fixture
def data() -> Dataset:
    return Dataset.from_frame(pl.DataFrame({"x": [f"v{row}" for row in range(8)], "y": ["a", "b"] * 4}))


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, Method]:
    """The methods of the registry's group `mending`, in order; tests put theirs here."""
    found: dict[str, Method] = {}
    real_get = registry.get
    monkeypatch.setattr(registry, "entries", lambda stage: {name: registry.Entry("here") for name in found})
    monkeypatch.setattr(
        registry, "get", lambda stage, name: found[name] if stage == "mending" else real_get(stage, name)
    )
    monkeypatch.setattr(registry, "entry", lambda stage, name: found[name])
    return found


def test_gentle_does_what_is_sure_and_offers_the_rest(data: Dataset, known: dict[str, Method]) -> None:
    known["m"] = method("m", cell(0, "A", 0.97), cell(1, "B", 0.6), {ROW_ID: 2, "confidence": 1.0})
    mended = mend(data)
    assert mended.data.frame["x"].to_list()[:3] == ["A", "v1", "v2"]
    assert mended.data.n_rows == 8
    assert [(group.kind, group.applied) for group in mended.history.groups] == [
        ("cells", True), ("cells", False), ("rows", False)
    ]  # fmt: skip
    assert mended.history.redo(2).data.frame["x"][1] == "B"
    assert mended.raw is data
    assert mended.history.undo_all().data is data


def test_strict_does_what_is_likely_and_removes_rows(data: Dataset, known: dict[str, Method]) -> None:
    known["m"] = method("m", cell(0, "A", 0.97), cell(1, "B", 0.6), cell(3, "C", 0.4), {ROW_ID: 2, "confidence": 1.0})
    mended = mend(data, MendSpec(mode="strict"))
    assert mended.data.frame[ROW_ID].to_list() == [0, 1, 3, 4, 5, 6, 7]
    assert mended.data.frame["x"].to_list()[:3] == ["A", "B", "v3"]
    assert mended.history.removed.rows() == [(2, "r", None)]


def test_ask_does_what_is_agreed_to(data: Dataset, known: dict[str, Method]) -> None:
    known["m"] = method("m", cell(0, "A", 1.0), {ROW_ID: 2, "confidence": 1.0})
    asked = []

    def ask(group: object) -> bool:
        asked.append(group.kind)  # type: ignore[attr-defined]
        return group.kind == "rows"  # type: ignore[attr-defined]

    assert mend(data, MendSpec(mode="ask")).data is data
    mended = mend(data, MendSpec(mode="ask"), ask=ask)
    assert asked == ["cells", "rows"]
    assert mended.data.frame["x"].to_list() == ["v0", "v1", "v3", "v4", "v5", "v6", "v7"]


def test_the_surer_proposal_wins_and_ties_go_by_order(data: Dataset, known: dict[str, Method]) -> None:
    known["first"] = method("first", cell(0, "A", 0.96), cell(1, "A", 0.97))
    known["second"] = method("second", cell(0, "B", 0.99), cell(1, "B", 0.97))
    mended = mend(data)
    assert mended.data.frame["x"].to_list()[:2] == ["B", "A"]
    assert mended.findings.cells.height == 4  # what lost is still told


def test_the_target_is_left_alone_unless_it_is_said(data: Dataset, known: dict[str, Method]) -> None:
    known["m"] = method("m", cell(0, "A", 1.0))
    assert mend(data, cleaning=CleanSpec(target="x")).data is data
    assert mend(data, MendSpec(target=True), cleaning=CleanSpec(target="x")).data.frame["x"][0] == "A"
    of_source = data.with_schema(Schema((Column("x", role="target"), Column("y"))))
    assert mend(of_source).data is of_source


def test_typed_methods_see_what_was_mended_before_and_change_raw_cells(data: Dataset, known: dict[str, Method]) -> None:
    seen = []

    def propose(typed: Dataset, spec: Spec, *, seed: int = 0, watch: object = None) -> Findings:
        seen.append(typed.frame["x"].to_list())
        assert typed.schema["x"].kind == "number"
        return Findings.of(cells=pl.DataFrame([{**CELL, **cell(1, "11", 1.0, before="1.0"), "method": "t"}]))

    raw = Dataset.from_frame(pl.DataFrame({"x": ["oh", "1", "2", "3"] + [str(n) for n in range(40)]}))
    known["t"] = Method(name="t", about="t", propose=propose, on="typed", kinds=("number",))
    known["r"] = method("r", cell(0, "0", 1.0, before="oh"))
    mended = mend(raw)
    assert seen[0][:3] == [0.0, 1.0, 2.0]
    assert mended.data.frame["x"].to_list()[:3] == ["0", "11", "2"]
    assert mended.history.log()["before"].to_list() == ["oh", "1"]
    assert [group.examples[0][1] for group in mended.history.groups] == ["oh", "1"]


def test_methods_run_on_tables_that_have_their_kinds(data: Dataset, known: dict[str, Method]) -> None:
    known["pictures"] = method("pictures", cell(0, "A", 1.0), kinds=("image",))
    assert mend(data).history.groups == ()
    known["texts"] = method("texts", cell(0, "A", 1.0), kinds=("text",))
    assert len(mend(data).history.groups) == 1


def test_reasons_of_one_sort_are_one_group(data: Dataset, known: dict[str, Method]) -> None:
    rows = [{**cell(n, "A", 1.0), "reason": f"'v{n}' is like '{n}', which {n + 7} cells say"} for n in range(5)]
    known["m"] = method("m", *rows, {**cell(6, "A", 1.0), "reason": "another one"})
    mended = mend(data)
    assert [(group.n, group.reason) for group in mended.history.groups] == [
        (5, "… is like …, which … cells say"), (1, "another one")
    ]  # fmt: skip
    assert mended.history.log(1)["reason"][4] == "'v4' is like '4', which 11 cells say"


def test_the_recipe_says_it_in_short() -> None:
    from modelwright.recipe import Recipe

    plain = {"target": "y", "data": "rows.csv"}
    assert Recipe.from_plain(plain).mend.mode == "off"
    assert Recipe.from_plain({**plain, "mend": "gentle"}).mend.mode == "gentle"
    assert Recipe.from_plain({**plain, "mend": {"skip": ["blanks"]}}).mend == MendSpec(skip=("blanks",))
    with pytest.raises(UserError, match="mend"):
        Recipe.from_plain({**plain, "mend": "gentel"})


def test_an_unknown_method_or_setting_is_said(data: Dataset) -> None:
    with pytest.raises(UserError, match="did you mean `blanks`"):
        mend(data, MendSpec(methods=("blank",)))
    with pytest.raises(UserError, match=r"mend\.settings\.blanks"):
        mend(data, MendSpec(settings={"blanks": {"least": 1}}))


def test_every_method_is_found_by_its_name() -> None:
    for name in registry.BUILT_IN["mending"]:
        found = registry.get("mending", name)
        assert isinstance(found, Method)
        assert (found.name, found.on in ("raw", "typed")) == (name, True)
        assert found.about
        assert found.spec() is not None


def test_the_plainest_method_passes_the_suite() -> None:
    check_mending(registry.get("mending", "blanks"))


def test_the_suite_catches_what_breaks_the_promises() -> None:
    def lying(data: Dataset, spec: Spec, *, seed: int = 0, watch: object = None) -> Findings:
        if not data.n_rows or not data.schema.names:
            return Findings.of()
        name = data.schema.names[0]
        row = {"column": name, "before": "no such cell", "after": "x", "method": "m", "reason": "r", "confidence": 1.0}
        return Findings.of(cells=pl.DataFrame({ROW_ID: data.frame[ROW_ID].head(1), **row}))

    with pytest.raises(AssertionError, match="before is 'no such cell'"):
        check_mending(Method(name="m", about="m", propose=lying))


def test_blanks_needs_the_column_to_say_it() -> None:
    cells = ["oak", "oak", "oak", " oak", "oak  ", "red\u00a0oak", "elm ", "ash", " ash"]
    raw = Dataset.from_frame(pl.DataFrame({"x": cells}))
    found = said_of(registry.get("mending", "blanks"), raw)
    assert found.cells.select(ROW_ID, "after").rows() == [(3, "oak"), (4, "oak")]


def test_the_naughty_strings_change_nothing(shared_data: Path) -> None:
    strings = json.loads((shared_data / "robustness/naughty_strings/blns.json").read_text())
    names = [name for name in dict.fromkeys(strings) if name != ROW_ID]
    data = Dataset.from_frame(pl.DataFrame({name: [strings[at], strings[-at]] for at, name in enumerate(names)}))
    only = MendSpec(methods=("blanks",))
    assert mend(data, only).data is data
    raw_methods = [name for name in registry.BUILT_IN["mending"] if registry.get("mending", name).on == "raw"]
    long = Dataset.from_frame(pl.DataFrame({"said": strings, "n": [str(n) for n in range(len(strings))]}))
    assert mend(long, only).data is long
    mended = mend(long, MendSpec(methods=tuple(raw_methods)))
    assert mended.history.undo_all().data is long  # every one of them lives through it
    check_mending(registry.get("mending", "blanks"), hostile=strings)
