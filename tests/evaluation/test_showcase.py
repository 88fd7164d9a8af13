"""Examples on the page: shown, bounded, escaped; nothing but pictures and sounds made anew gets in."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.data import Dataset
from modelwright.evaluation import (
    EvaluateSpec,
    backgrounds,
    evaluate,
    headline,
    media,
    model_card,
    report_page,
    summary_table,
)
from modelwright.evaluation.example_pictures import safe_picture, safe_sound
from modelwright.evaluation.training_story import story
from modelwright.testing import small_networks as small

HOSTILE = "<script>alert(1)</script>"
SPEC = EvaluateSpec(n_bootstrap=60)
HISTORY = (
    {"event": "validation", "step": 10, "epoch": 1.0, "loss": 0.9, "score": 0.4, "learning_rate": 0.01},
    {"event": "validation", "step": 20, "epoch": 2.0, "loss": 0.5, "score": 0.7, "learning_rate": 0.005},
    {
        "event": "verdict", "step": 12, "fault": "exploding_gradients", "confidence": 0.97,
        "evidence": {"norm": 812.0, HOSTILE: HOSTILE}, "words": f"Gradients grow. {HOSTILE}",
        "change": {"what": "clip_norm", "to": 1.0}, "healed": True,
    },
    {"event": "stopped", "why": HOSTILE, "step": 20},
)  # fmt: skip
CASES: dict[str, tuple[Any, Any]] = {
    "boxes": (small.box_finder, lambda seed: small.pictures_with_boxes(n_rows=20, wobble=0.35, seed=seed)),
    "masks": (small.mask_maker, lambda seed: small.pictures_with_masks(n_rows=10, seed=seed)),
    "forecasts": (lambda: small.repeater(quantiles=(0.1, 0.5, 0.9)), lambda seed: small.daily(n_rows=40, seed=seed)),
    "labels": (small.labeller, lambda seed: small.labelled(n_rows=60, seed=seed)),
    "two targets": (small.corner_looker, lambda seed: small.corners(n_rows=40, seed=seed)),
    "texts": (small.word_weigher, lambda seed: small.reviews(["a fine film", f"poor {HOSTILE}", "poor film"] * 9,
                                                              ["good", "good", "bad"] * 9)),
    "sounds": (small.loudness_meter, lambda seed: small.tones(n_rows=30, seed=seed)),
}  # fmt: skip


class Strict(HTMLParser):
    """Collects tags with their attributes, and fails when one is closed that was not opened."""

    VOID = ("meta", "br", "img", "input")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page_of(case: str, **changes: Any) -> tuple[Any, str]:
    make, rows = CASES[case]
    trained = replace(make(), history=HISTORY)
    report = evaluate(trained, rows(0), SPEC, baseline=backgrounds(trained, rows(1)))
    report = replace(report, **changes)
    return report, report_page(report, title=f"{case} {HOSTILE}", trained=trained)


def checked(page: str) -> list[tuple[str, dict[str, str | None]]]:
    """Well formed, no script, and every address a picture or sound in the page itself."""
    parser = Strict()
    parser.feed(page)
    assert parser.open == []
    assert not {"script", "iframe", "object", "link", "foreignobject"} & {tag for tag, _ in parser.seen}
    for _, attributes in parser.seen:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "xlink:href"):
            address = attributes.get(name) or "#"
            assert address.startswith(("#", "data:image/png;", "data:image/jpeg;", "data:audio/wav;")), address[:80]
    return parser.seen


@pytest.mark.parametrize("case", list(CASES))
def test_every_kind_of_task_has_a_page(case: str) -> None:
    report, page = page_of(case)
    seen = [tag for tag, _ in checked(page)]
    assert HOSTILE not in page
    assert len(page.encode()) < 500_000
    assert page_of(case)[1] == page, "the same values give the same bytes"
    assert not re.search(r"\b(nan|inf)\b", re.sub(r'<style>.*?</style>|href="[^"]*"|src="[^"]*"', "", page, flags=re.S))
    assert ("Hardest examples" in page) == (case != "labels"), "a table's rows are nothing to look at"
    for told in ("Training", "What the doctor found", "exploding gradients", "tried, better: kept", "97.0% sure"):
        assert told in page
    assert headline(report) in page.replace("&#39;", "'")
    if case in ("boxes", "masks", "two targets"):
        assert "image" in seen
    if case == "sounds":
        assert "audio" in seen
        assert 'class="wave"' in page


def test_the_policy_of_the_page_allows_no_script() -> None:
    policy = next(a["content"] for tag, a in checked(page_of("texts")[1]) if a.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:"


def test_words_that_an_answer_hangs_on_are_tinted() -> None:
    report, page = page_of("texts")
    hardest = report.curves["examples"][0]
    (words,) = hardest["media"]
    assert words["words"][0] == "poor"
    assert words["weights"][0] == 100
    assert (hardest["truth"], hardest["answer"], hardest["right"]) == ("good", "bad", False)
    assert '<span class="for" style="--share:100%">poor</span>' in page


def test_boxes_are_told_right_wrong_and_missed() -> None:
    report, page = page_of("boxes")
    kinds = {box["kind"] for one in report.curves["examples"] for box in one["boxes"]}
    assert kinds == {"drawn", "right", "wrong"}
    for kind in kinds:
        assert f'class="box {kind}"' in page
    told = report.curves["told"]
    drawn = CASES["boxes"][1](0).column("boxes").list.len().sum()
    assert told["right"] + told["missed"] == drawn
    assert "boxes are told best" in page


def test_a_mask_is_drawn_in_its_colours() -> None:
    from PIL import Image

    uri = media.mask_uri(np.array([[0, 1], [-1, 1]]), [(0, 0, 0, 0), (10, 20, 30, 150), (1, 2, 3, 0)])
    image = Image.open(io.BytesIO(__import__("base64").b64decode(uri.split(",")[1]))).convert("RGBA")
    assert image.size == (2, 2)
    assert image.getpixel((1, 0)) == (10, 20, 30, 150)
    assert image.getpixel((0, 0))[3] == image.getpixel((0, 1))[3] == 0  # type: ignore[index]


def test_several_targets_have_a_section_each() -> None:
    report, page = page_of("two targets")
    identities = [attributes["id"] for _, attributes in checked(page) if attributes.get("id")]
    assert len(identities) == len(set(identities))
    assert {"metrics", "metrics-2", "examples", "examples-2", "target-2"} <= set(identities)
    assert "For light: RMSE" in headline(report)
    assert any(row[0].startswith("light: ") for row in summary_table(report))
    card = model_card(report, title="two", trained=small.corner_looker())
    assert "- Also predicts: light (regression)" in card
    assert "Of light:" in card
    assert "1, 1 of pictures" in card


def test_addresses_from_elsewhere_are_left_out() -> None:
    report, _ = page_of("boxes")
    examples = [dict(one) for one in report.curves["examples"]]
    for uri in ("https://example.org/a.png", "javascript:alert(1)", 'data:image/png;base64,AA"onload="x', 7, None):
        examples[0]["media"] = [{**examples[0]["media"][0], "uri": uri}]
        told = replace(report, curves={**report.curves, "examples": examples[:1]})
        page = report_page(told, title="x")
        checked(page)
        assert "example.org" not in page
        assert "alert" not in page
    assert safe_picture("data:image/svg+xml;base64,AAAA") == safe_sound("data:text/html;base64,AAAA") == ""


def test_bytes_of_a_picture_do_not_reach_the_page() -> None:
    from PIL import Image, PngImagePlugin

    buffer, note = io.BytesIO(), PngImagePlugin.PngInfo()
    note.add_text("comment", HOSTILE * 50)
    Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(buffer, "PNG", pnginfo=note)
    shown = media.thumbnail(buffer.getvalue(), 100)
    assert shown is not None
    again = __import__("base64").b64decode(shown["uri"].split(",")[1])
    assert HOSTILE.encode() not in again
    assert media.thumbnail(f"<svg>{HOSTILE}</svg>".encode(), 100) is None
    assert media.thumbnail(None, 100) is media.sound(b"RIFF nonsense") is None


def test_a_page_of_large_pictures_stays_small() -> None:
    rng = np.random.default_rng(0)
    data = small.corners(n_rows=14)
    noise = [small.png(rng.integers(0, 255, (700, 500, 3), dtype=np.uint8)) for _ in range(14)]
    frame = data.frame.with_columns(photo=pl.Series(noise))
    report = evaluate(small.corner_looker(), Dataset(frame.lazy(), data.schema, 14), SPEC)
    page = report_page(report, title="large", trained=small.corner_looker())
    assert len(page.encode()) < 1_500_000
    assert max(len(one["media"][0]["uri"]) for one in report.curves["examples"]) < 60_000


def test_what_does_not_fit_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelwright.evaluation.report.MAX_EXAMPLE_BYTES", 9_000)
    _, page = page_of("boxes")
    checked(page)
    assert "more are in the report" in page


def test_long_sounds_are_drawn_and_not_carried() -> None:
    short, long = (small.tones(n_rows=1, seconds=s).column("sound")[0] for s in (1.0, 3.5))
    assert safe_sound((media.sound(short) or {})["uri"])
    told = media.sound(long)
    assert told is not None
    assert "uri" not in told
    assert len(told["low"]) == media.N_POINTS


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6) | st.none(), max_size=900))
def test_a_thinned_line_keeps_its_highest_and_lowest(values: list[float | None]) -> None:
    known = [value for value in values if value is not None]
    told = [value for value in media.thinned(values) if value is not None]
    assert len(told) <= media.N_POINTS
    if known:
        assert max(told) == pytest.approx(max(known), rel=1e-4, abs=1e-9)
        assert min(told) == pytest.approx(min(known), rel=1e-4, abs=1e-9)


odd = (
    st.none() | st.booleans() | st.floats(allow_nan=True) | st.integers(-5, 5) | st.text(max_size=5) | st.just(HOSTILE)
)
events = st.dictionaries(
    st.sampled_from(["step", "epoch", "loss", "score", "fault", "confidence", "evidence", "words", "change", "healed"]),
    odd | st.dictionaries(st.text(max_size=5), odd, max_size=2),
)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["epoch", "validation", "verdict", "stopped", "other"]), events), max_size=12)
)
def test_any_history_has_a_story(entries: list[tuple[str, dict[str, Any]]]) -> None:
    told = story([{**rest, "event": event} for event, rest in entries])
    for one in told.get("figures", ()):
        Strict().feed(one["picture"])
        assert HOSTILE not in one["picture"]


def test_a_map_lies_over_what_the_model_is_given() -> None:
    trained = small.loudness_meter(n_samples=4000)
    report = evaluate(trained, small.tones(n_rows=12, seconds=0.1), SPEC)
    (sound,) = report.curves["examples"][0]["media"]
    assert sound["seconds"] == 0.5, "a tenth of a second in the middle of silence, as the model hears it"
    loud = [max(high, -low) > 0.01 for high, low in zip(sound["high"], sound["low"], strict=True)]
    hot = np.flatnonzero(np.array(sound["map"][0]) > 50)
    assert 60 < loud.index(True) < 100
    assert set(np.round(hot / 24 * 200)) <= set(range(70, 125)), "the map glows where the sound is"
    padded = small.corner_looker()
    image = replace(padded.signature.arrays[0], settings={**padded.signature.arrays[0].settings, "fit": "pad"})
    padded = replace(padded, signature=replace(padded.signature, arrays=(image,)))
    shown = evaluate(padded, small.corners(n_rows=12), SPEC).curves["examples"][0]["media"][0]
    assert (shown["seen"]["width"], shown["seen"]["height"]) == (small.SIDE, small.SIDE)
