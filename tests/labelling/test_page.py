"""The page in a real browser: every kind by keys and mouse, hostile texts, and fifty rows that train a model."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import modelwright as mw
from modelwright.core.store import Store
from modelwright.labelling import LabelSpec, Person, create
from modelwright.labelling.server import address_of
from modelwright.labelling.store import Project
from modelwright.labelling.tasks import keep_labels
from modelwright.lifecycle import value_of
from tests.labelling.browser import CHROMIUM, Browser, browsing
from tests.labelling.kinds import project_of, served

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium")
ADA = Person("ada", "owner")
RUNS = "document.title='HACK'"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("browser")) as opened:
        opened.size(1280, 800)
        yield opened


def opened(browser: Browser, project: Project, person: Person = ADA) -> None:
    """The page of a project, with its first task and its files there."""
    browser.log.clear()
    browser.open("about:blank")
    browser.open(address_of(project, person, served(project, person)))
    browser.until("document.querySelector('#task').dataset.row !== undefined")
    browser.until("document.querySelectorAll('#classes button').length > 0")


def answers(project: Project) -> list[tuple[int, str, Any]]:
    rows = project.labels.execute("SELECT row, what, value FROM answers ORDER BY id").fetchall()
    return [(row, what, None if value is None else json.loads(value)) for row, what, value in rows]


def settled(browser: Browser, project: Project, n_answers: int) -> list[tuple[int, str, Any]]:
    """The answers, once so many are kept."""
    end = time.monotonic() + 20
    while len(answers(project)) < n_answers and time.monotonic() < end:
        time.sleep(0.02)
    assert not browser.log, browser.log
    return answers(project)


def at(browser: Browser, x: float, y: float) -> tuple[float, float]:
    """A point of the task's canvas by shares of it."""
    box = browser.place("#task canvas")
    return box["left"] + x * box["width"], box["top"] + y * box["height"]


def test_text_by_keys_undo_skip_and_correction(browser: Browser, tmp_path: Path) -> None:
    project = project_of("text", tmp_path)
    opened(browser, project)
    for key in ("1", "2", "s", "z", "z", "3", "1"):
        n_before, row = len(answers(project)), browser.tell("document.querySelector('#task').dataset.row")
        browser.press(key)
        browser.until(f"document.querySelector('#task').dataset.row !== '{row}'")
        settled(browser, project, n_before + 1)
    assert answers(project) == [
        (0, "label", "cat"), (1, "label", "dog"), (2, "skip", None), (2, "undo", None), (1, "undo", None),
        (1, "label", "<b>eel</b>"), (2, "label", "cat"),
    ]  # fmt: skip
    assert browser.tell("document.getElementById('count').textContent").startswith("3 by you")
    browser.press("ArrowRight")
    browser.press("ArrowRight")
    assert browser.tell("document.activeElement.textContent") == "2dog"
    browser.press("Enter")
    assert settled(browser, project, 8)[-1] == (3, "label", "dog")


def test_spans_by_words_count_letters_as_python_does(browser: Browser, tmp_path: Path) -> None:
    project = project_of("spans", tmp_path)
    opened(browser, project)
    text = project.payload(0)["main"][0]
    for key, shift in (("ArrowRight", False), ("ArrowRight", True), ("1", False)):
        browser.press(key, shift=shift)
    for _ in range(7):  # met, Charles, Babbage, in, London, the bouquet, and
        browser.press("ArrowRight")
    browser.press("2")
    browser.press("Enter")
    ((_, _, spans),) = settled(browser, project, 1)
    assert [(text[one["start"] : one["end"]], one["label"]) for one in spans] == [
        ("Ada Lovelace", "cat"),
        ("and", "dog"),
    ]


def test_spans_by_mouse(browser: Browser, tmp_path: Path) -> None:
    project = project_of("spans", tmp_path)
    opened(browser, project)
    browser.tell(
        "(() => { const part = document.querySelector('#task .text > *').firstChild, range = document.createRange();"
        "range.setStart(part, 17); range.setEnd(part, 33);"
        "getSelection().removeAllRanges(); getSelection().addRange(range); })()"
    )
    browser.press("3")
    browser.press("Enter")
    ((_, _, spans),) = settled(browser, project, 1)
    assert spans == [{"start": 17, "end": 32, "label": "<b>eel</b>"}]


def test_image_boxes_and_masks(browser: Browser, tmp_path: Path) -> None:
    project = project_of("image", tmp_path / "image")
    opened(browser, project)
    browser.press("2")
    assert settled(browser, project, 1) == [(0, "label", "dog")]

    project = project_of("boxes", tmp_path / "boxes")
    opened(browser, project)
    time.sleep(0.3)
    browser.drag(at(browser, 0.35, 0.3), at(browser, 0.4, 0.5), at(browser, 0.5, 0.6))
    browser.press("2")
    browser.press("ArrowRight")
    browser.press("n")
    browser.press("Delete")
    browser.press("Enter")
    ((_, _, boxes),) = settled(browser, project, 1)
    (box,) = boxes
    assert box["label"] == "dog" and 50 < box["width"] < 110 and 50 < box["height"] < 90

    project = project_of("masks", tmp_path / "masks")
    opened(browser, project)
    time.sleep(0.3)
    browser.press("p")
    for point in ((0.4, 0.3), (0.6, 0.3), (0.5, 0.6)):
        browser.drag(at(browser, *point))
    browser.press("Enter")
    browser.press("Enter")
    ((_, _, regions),) = settled(browser, project, 1)
    assert len(regions) == 1 and len(regions[0]["points"]) == 3
    browser.until("document.querySelector('#task').dataset.row === '1'")
    time.sleep(0.3)
    browser.drag(at(browser, 0.4, 0.4), at(browser, 0.5, 0.5))
    browser.press("Enter")
    regions = settled(browser, project, 2)[1][2]
    assert regions[0]["size"] == [240, 320] and sum(regions[0]["counts"][1::2]) > 400


def test_sound_and_series(browser: Browser, tmp_path: Path) -> None:
    for kind, end in (("audio", 1.5), ("series", 150)):
        project = project_of(kind, tmp_path / kind)
        opened(browser, project)
        time.sleep(0.5)
        browser.press("2")
        assert settled(browser, project, 1) == [(0, "label", [{"start": 0, "end": end, "label": "dog", "whole": True}])]
        browser.until("document.querySelector('#task').dataset.row === '1'")
        time.sleep(0.3)
        browser.drag(at(browser, 0.2, 0.5), at(browser, 0.3, 0.5), at(browser, 0.5, 0.5))
        browser.press("1")
        browser.press("Enter")
        ((part),) = settled(browser, project, 2)[1][2]
        assert part["label"] == "cat" and 0.15 < part["start"] / end < 0.2 < 0.45 < part["end"] / end <= 0.5


def test_nothing_that_is_shown_runs(browser: Browser, shared_data: Path, tmp_path: Path) -> None:
    """Scripts in texts, columns, names, classes, guidelines and people's names stay text; so do the naughty strings."""
    strings = json.loads((shared_data / "robustness" / "naughty_strings" / "blns.json").read_text())
    scripts = [f"<script>{RUNS}</script>", f"<img src=x onerror={RUNS}>", f"<svg/onload={RUNS}>", f"javascript:{RUNS}"]
    texts = scripts + strings[::3]
    classes = (*scripts, *[one for one in dict.fromkeys(strings) if one][:60])
    data = mw.Dataset.from_frame(
        pl.DataFrame({"text": texts, f"<img src=x onerror={RUNS}>": texts[::-1], "name": texts})
    )
    spec = LabelSpec(
        kind="text", classes=classes, columns=("text",), order="given", guidelines="\n\n".join(scripts + strings)
    )
    project = create(data, spec, store=tmp_path, name="hostile")
    project.labels.execute("INSERT INTO suggestions VALUES (0, ?, 0.5, ?)", (json.dumps(classes[1]), scripts[1]))
    person = Person(scripts[1][:90], "owner")
    opened(browser, project, person)
    for place in range(len(texts)):
        shown = browser.until(
            f"document.querySelector('#task').dataset.row === '{place}' && "
            "(document.querySelector('#task .text').textContent || ' ')"
        )
        assert (shown if texts[place] else "") == texts[place]
        browser.tell(f"document.querySelectorAll('#classes button')[{place % len(classes)}].click()")
        if place % 20 == 19:
            browser.until("document.querySelector('#task').dataset.row !== undefined")
    found = settled(browser, project, len(texts))
    assert found == [(row, "label", classes[row % len(classes)]) for row in range(len(texts))]
    keep_labels(project, [(row, "<b>other</b>", classes[(row + 1) % len(classes)]) for row in range(3)], origin="test")
    browser.tell("document.getElementById('to-review').click()")
    browser.until("document.querySelectorAll('.case').length === 3")
    assert browser.tell("document.title") == "hostile"
    assert (
        browser.tell(
            "document.querySelectorAll('script').length + document.querySelectorAll('#review img, #task img').length"
        )
        == 1
    )


def test_a_suggestion_is_marked_and_never_chosen(browser: Browser, tmp_path: Path) -> None:
    project = project_of("text", tmp_path)
    project.labels.execute("INSERT INTO suggestions SELECT row, '\"dog\"', 0.87, 'm' FROM tasks")
    opened(browser, project)
    assert browser.tell("document.querySelectorAll('#classes .chosen').length") == 0
    assert browser.tell("document.querySelector('#classes .suggested').textContent") == "2dogmodel 87 %"
    assert "model suggests: dog, 87 % sure" in browser.tell("document.getElementById('about').textContent")
    browser.press("a")
    assert settled(browser, project, 1) == [(0, "label", "dog")]


def test_many_rows_without_a_pause(browser: Browser, tmp_path: Path) -> None:
    """A key is answered with the next row at once: it was fetched ahead, and the answer is sent behind."""
    project = project_of("text", tmp_path, 300)
    opened(browser, project)
    script = """new Promise(async (resolve) => {
      const pauses = [];
      for (let n = 0; n < 300; n += 1) {
        const began = performance.now(), row = document.querySelector('#task').dataset.row;
        document.dispatchEvent(new KeyboardEvent('keydown', {key: '1'}));
        const now = () => document.querySelector('#task').dataset.row;
        while ((now() === row || (now() === undefined && n < 299)) && performance.now() - began < 20000)
          await new Promise((go) => setTimeout(go, 0));
        pauses.push(performance.now() - began);
        await new Promise((go) => setTimeout(go, 20));
      }
      pauses.sort((a, b) => a - b);
      resolve([pauses[150], pauses[285], pauses[298]]);
    })"""
    p50, p95, p_most = browser.tell(script)
    assert len({row for row, _, _ in settled(browser, project, 300)}) == 300
    assert p50 < 20 and p95 < 100 and p_most < 5000, (p50, p95, p_most)


def test_fifty_rows_labelled_in_the_browser_train_a_model(browser: Browser, tmp_path: Path) -> None:
    """The whole way: a table, the page, `labels:` in a recipe, a run; each row has the label that was given to it."""
    place = tmp_path / ".wright"
    fruits, tools = ["apple", "pear", "plum", "cherry"], ["hammer", "saw", "drill", "wrench"]
    texts = [
        f"I bought one {(fruits if row % 2 else tools)[row % 4]} today, number {row}, and carried it home"
        for row in range(60)
    ]
    pl.DataFrame({"text": texts}).write_csv(tmp_path / "things.csv")
    data = mw.collect(str(tmp_path / "things.csv"))
    project = create(data, LabelSpec(kind="text", classes=("fruit", "tool"), target="what"), store=place, name="things")
    opened(browser, project)
    for number in range(50):
        row = int(browser.until("document.querySelector('#task').dataset.row"))
        browser.press("1" if row % 2 else "2")
        browser.until(f"document.querySelector('#task').dataset.row !== '{row}'")
        assert number < 50
    said = {row: value for row, _, value in settled(browser, project, 50)}
    assert len(said) == 50
    recipe = mw.Recipe.from_plain({
        "data": str(tmp_path / "things.csv"), "target": "what", "labels": "things", "train": {"models": ["linear"]},
    })  # fmt: skip
    record = mw.run(recipe, store=place)
    kept = value_of(Store.open(place), "things", "cleaning/clean").kept.frame
    assert dict(zip(kept["__row__"], kept["what"], strict=True)) == said
    assert record.status == "done" and Path(record.facts["package"]).exists()
    assert [one.cached for one in mw.run(recipe, store=place).stages] == [True] * len(record.stages)
    keep_labels(project, [(next(row for row in range(60) if row not in said), "ben", "tool")], origin="test")
    again = mw.run(recipe, store=place)
    assert {one.stage: one.cached for one in again.stages}["labelling/join"] is False
