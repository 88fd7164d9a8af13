"""Methods on texts: what they find, what they leave alone, and the suite that all methods pass."""

from __future__ import annotations

import json
import random
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.cleaning.mend import MendSpec, mend
from modelwright.cleaning.texts.boilerplate import BoilerplateSpec
from modelwright.cleaning.texts.boilerplate import propose as boilerplate
from modelwright.cleaning.texts.encoding import mended, plain_pattern
from modelwright.cleaning.texts.languages import propose as languages
from modelwright.cleaning.texts.masking import MaskingSpec, masked
from modelwright.cleaning.texts.masking import propose as masking
from modelwright.cleaning.texts.personal import iban, luhn, personal
from modelwright.cleaning.texts.quality import QualitySpec
from modelwright.cleaning.texts.quality import propose as quality
from modelwright.cleaning.texts.spelling import SpellingSpec
from modelwright.cleaning.texts.spelling import propose as spelling
from modelwright.core import registry
from modelwright.core.data import ROW_ID, Column, Dataset, Schema
from modelwright.language import language_of
from modelwright.testing.mending import check_mending

METHODS = ("encoding", "masking", "spelling", "boilerplate", "language", "text_quality")
EVERY = ("email", "phone", "iban", "card", "ip", "national_id")
REVIEWS = [
    "The film was good and we have seen it two times with all of our friends.",
    "It was not what they said it would be, but the music was very fine.",
    "When you have the time, go and see this one, because it is about people.",
    "She said that the story is slow, and that there was nothing in it for her.",
    "We were at the cinema on Monday, and the room was full of happy children.",
    "There is no better way to spend an evening than with a good story like this.",
]


def table(**columns: list[str | None]) -> Dataset:
    return Dataset.from_frame(pl.DataFrame(columns))


def texts_to_check() -> list[tuple[str, pl.DataFrame]]:
    """Tables of texts in which every method has something to say."""
    dice = random.Random(3)
    said = [dice.choice(REVIEWS) for _ in range(80)]
    said[3] = said[3].replace("the", "teh", 1).replace("good", "gooood")
    said[9] = "Wir haben den Film nicht gesehen, aber er war wohl gut für die Kinder."
    said[11], said[17] = "MÃ¼nchen: " + said[11], "### $$$ *** " * 9
    said[20] = "write to ann@example.org or call +44 20 7946 0958 about the film and its story"
    pages = [f"{text}\nSubscribe to our letter for more\n" + text[::-1] for text in said]
    return [("texts", pl.DataFrame({"said": said, "page": pages, "city": ["Köln", "KÃ¶ln"] * 40}))]


@pytest.mark.parametrize("name", METHODS)
def test_the_suite_of_mending(name: str) -> None:
    check_mending(registry.get("mending", name), texts_to_check())


# Encoding -----------------------------------------------------------------------------------------------------


def test_every_case_of_mojibake(shared_data: Path) -> None:
    for file in sorted((shared_data / "text" / "mojibake").glob("*.json")):
        for case in json.loads(file.read_text()):
            assert mended(case["original"]) == case.get("fixed-encoding", case["fixed"]), case["label"]


def test_the_quick_pattern_lets_through_what_ftfy_looks_at(shared_data: Path) -> None:
    from ftfy.badness import is_bad

    cases = [
        case for file in (shared_data / "text" / "mojibake").glob("*.json") for case in json.loads(file.read_text())
    ]
    texts = [case[side] for case in cases for side in ("original", "fixed")]
    texts += json.loads((shared_data / "robustness" / "naughty_strings" / "blns.json").read_text())
    seen = pl.Series(texts).str.contains(plain_pattern()).to_list()
    assert seen == [is_bad(text) for text in texts]
    assert sum(seen) > 100


def test_a_lost_character_is_flagged_and_the_target_left_alone() -> None:
    frame = pl.DataFrame({"city": ["K\ufffdln", "MÃ¼nchen"], "answer": ["MÃ¼nchen", "Ulm"]})
    schema = Schema((Column("city"), Column("answer", role="target")))
    found = registry.get("mending", "encoding").propose(Dataset.from_frame(frame, schema), None)
    assert found.cells.select(ROW_ID, "column", "after").rows() == [(1, "city", "München")]
    assert found.flags[ROW_ID].to_list() == [0]


# Personal data ------------------------------------------------------------------------------------------------

PERSONAL = [
    ("mail a.b+c@mail.example.co.uk!", "mail [email]!"),
    ("IBAN GB82 WEST 1234 5698 7654 32 thanks", "IBAN [iban] thanks"),
    ("IBAN GB82 WEST 1234 5698 7654 33 thanks", "IBAN GB82 WEST 1234 5698 7654 33 thanks"),
    ("card 5500-0000-0000-0004, or 5500-0000-0000-0005", "card [card], or 5500-0000-0000-0005"),
    ("host 10.1.2.3 and fe80::1ff:fe23:4567:890a up", "host [ip] and [ip] up"),
    ("version 10.300.2.3, 2024-05-06 12:30:45", "version 10.300.2.3, 2024-05-06 12:30:45"),
    ("call (030) 1234567 or +49 30 1234567 now", "call [phone] or [phone] now"),
    ("ssn 123-45-6789, not 000-45-6789", "ssn [national_id], not 000-45-6789"),
    ("DNI 12345678Z, not 12345678A", "DNI [national_id], not 12345678A"),
    ("CF RSSMRA85T10A562S", "CF [national_id]"),
    ("NIR 1 84 12 76 451 089 46", "NIR [national_id]"),
    ("HETU 131052-308T", "HETU [national_id]"),
    ("PESEL 44051401359, not 44051401358", "PESEL [national_id], not 44051401358"),
    ("CPF 111.444.777-35, not 111.444.777-36", "CPF [national_id], not 111.444.777-36"),
    ("tax 86095742719", "tax [national_id]"),
    ("on 01.02.2024 at 10:30 we had 1234567 of 1,000,000.50", "on 01.02.2024 at 10:30 we had 1234567 of 1,000,000.50"),
]


@pytest.mark.parametrize(("text", "after"), PERSONAL)
def test_personal_data_is_masked(text: str, after: str) -> None:
    assert masked(text, EVERY) == after


def test_only_what_is_asked_for_is_masked() -> None:
    data = table(note=["ann@example.org, 4111 1111 1111 1111"] * 3)
    assert masking(data, MaskingSpec()).n_found == 0
    found = masking(data, MaskingSpec(mask=("card",)))
    assert found.cells["after"].to_list() == ["ann@example.org, [card]"] * 3


def test_masking_wins_over_every_other_change_of_a_cell() -> None:
    data = table(note=["MÃ¼nchen ann@example.org", "x"])
    mended_table = mend(data, MendSpec(settings={"masking": {"mask": ["email"]}}))
    assert mended_table.data.frame["note"][0] == "MÃ¼nchen [email]"
    assert mended_table.history.undo_all().data.frame.equals(data.frame)


@given(st.text(max_size=60))
@settings(max_examples=150)
def test_masks_never_overlap_and_masking_twice_changes_no_more(text: str) -> None:
    found = personal(text, EVERY)
    assert all(one.end <= two.start for one, two in zip(found, found[1:], strict=False))
    once = masked(text, EVERY)
    assert masked(once, EVERY) == once


@given(st.text("0123456789", min_size=12, max_size=18))
def test_one_wrong_digit_breaks_a_card_number(body: str) -> None:
    whole = next(body + digit for digit in "0123456789" if luhn(body + digit))
    assert not any(luhn(body[:-1] + digit + whole[-1]) for digit in "0123456789" if digit != body[-1])


def test_check_digits_of_ibans() -> None:
    assert iban("FR1420041010050500013M02606")
    assert not iban("FR1420041010050500013M02607")
    assert not iban("FR14200410100505")


# Spelling -----------------------------------------------------------------------------------------------------


def test_a_slip_is_put_right_and_names_codes_and_marks_stay() -> None:
    said = [
        *REVIEWS,
        "The storry was fine, and teh Smiht family of XK-qwrt said 'itss' (goood) at https://exmaple.org/abuot.",
    ]
    found = spelling(table(said=said), SpellingSpec()).cells
    assert found[ROW_ID].to_list() == [6]
    after = found["after"][0]
    assert "The story was fine," in after
    assert "Smiht" in after and "XK-qwrt" in after and "https://exmaple.org/abuot." in after
    assert found["confidence"].max() < 0.95


def test_words_that_the_column_or_the_settings_have_are_right() -> None:
    trade = [f"The flumox of the house number {n} was seen by all of them." for n in range(9)]
    assert spelling(table(said=trade), SpellingSpec()).n_found == 0
    once = [*REVIEWS, "It was the grommot that we had in the house."]
    assert spelling(table(said=once), SpellingSpec()).cells["after"].str.contains("grommet").all()
    assert spelling(table(said=once), SpellingSpec(known=("grommot",))).n_found == 0


def test_columns_that_are_no_english_prose_are_passed_over() -> None:
    german = ["Der Film war gut und wir haben ihn alle gemocht, nichtt wahr."] * 20
    names = ["Jonh Smith", "Jon Smith", "John Smith", "Jo Smith"] * 5
    assert spelling(table(said=german, name=names), SpellingSpec()).n_found == 0


def test_eight_of_ten_slips_are_put_right(shared_data: Path) -> None:
    texts = pl.read_csv(shared_data / "text" / "ag_news" / "ag_news_7600.csv.gz", has_header=False, n_rows=700)
    texts = texts.to_series(2).to_list()
    dice, slips, dirty = random.Random(0), {}, []
    for row, text in enumerate(texts):
        words = text.split(" ")
        places = [place for place, word in enumerate(words) if word.isalpha() and word.islower() and len(word) > 5]
        if places and row % 2:
            place = dice.choice(places)
            cut = dice.randrange(1, len(words[place]) - 1)
            slips[row] = text
            words[place] = words[place][:cut] + words[place][cut + 1 :]
        dirty.append(" ".join(words))
    found = spelling(table(said=dirty), SpellingSpec()).cells
    right = sum(slips.get(row) == after for row, after in found.select(ROW_ID, "after").iter_rows())
    assert right >= 0.75 * len(slips)
    assert found.height - right <= 0.15 * len(slips)


# Languages, boilerplate, quality --------------------------------------------------------------------------------


def test_odd_languages_are_flagged_where_the_column_has_one() -> None:
    french = "Nous avons vu ce film avec les enfants et il est très bien pour tous."
    found = languages(table(said=[*REVIEWS, *REVIEWS, french, "これは日本語の文章です。"]), None)  # type: ignore[arg-type]
    assert found.flags[ROW_ID].to_list() == [12, 13]
    mixed = [*REVIEWS, *[french] * 6]
    assert languages(table(said=mixed), None).n_found == 0  # type: ignore[arg-type]


def test_news_is_english(shared_data: Path) -> None:
    texts = pl.read_csv(shared_data / "text" / "ag_news" / "ag_news_7600.csv.gz", has_header=False, n_rows=800)
    said = [language_of(text)[0] for text in texts.to_series(2)]
    assert said.count("en") >= 0.97 * len(said)


def test_boilerplate_goes_and_what_is_only_that_is_flagged() -> None:
    footer = "Read more of our stories every day"
    pages = [f"Story {n} about the town\n{footer}" for n in range(12)] + [footer + "\n" + footer, "alone\nand fine"]
    found = boilerplate(table(page=pages), BoilerplateSpec())
    assert found.cells["after"].to_list() == [f"Story {n} about the town" for n in range(12)]
    assert found.flags[ROW_ID].to_list() == [12]
    assert found.cells["confidence"].max() <= 0.9


def test_quality_flags_what_is_no_prose() -> None:
    good = " ".join(REVIEWS)
    texts = [good] * 8
    texts += ["buy now cheap " * 40, "a1 22 33 44 55 66 77 88 " * 10, "\n".join(["the same line of it all"] * 14)]
    texts += ["lorem ipsum dolor sit amet " + good, "you stupid fucking idiot"]
    flags = quality(table(said=texts), QualitySpec()).flags
    assert set(flags[ROW_ID].to_list()) == {8, 9, 10, 11, 12}
    assert flags.filter(pl.col(ROW_ID) == 12)["reason"].item().startswith("may be rude")
