"""Near-duplicate documents: exactly the pairs that a plain count finds, whatever the sizes and the parts."""

from __future__ import annotations

import random
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.cleaning.matching import documents
from modelwright.cleaning.matching.documents import near_duplicates
from modelwright.cleaning.matching.minhash import near_by_lsh
from modelwright.cleaning.matching.near import NearSpec, propose
from modelwright.cleaning.matching.shingles import shingles_of
from modelwright.core.data import Column, Dataset, Schema
from modelwright.core.errors import UserError


def counted(texts: list[str], at_least: float) -> dict[tuple[int, int], float]:
    """All pairs, by sets of tuples of words."""
    sets = []
    for text in texts:
        words = text.split()
        sets.append({tuple(words[k : k + 5]) for k in range(max(1, len(words) - 4))} if words else set())
    found = {}
    for a, b in combinations(range(len(texts)), 2):
        if sets[a] and sets[b]:
            alike = len(sets[a] & sets[b]) / len(sets[a] | sets[b])
            if alike >= at_least - 1e-12:
                found[a, b] = alike
    return found


def texts_like_each_other(n: int, seed: int, n_words: int = 60) -> list[str]:
    rng = random.Random(seed)
    words = [f"w{k}" for k in range(200)]
    texts: list[list[str]] = []
    for _ in range(n):
        if texts and rng.random() < 0.6:
            text = list(rng.choice(texts))
            for _ in range(rng.randrange(4)):
                text[rng.randrange(len(text))] = rng.choice(words)
            if rng.random() < 0.2:
                text = text[: rng.randrange(1, len(text) + 1)]
        else:
            text = rng.choices(words, k=rng.randrange(1, n_words))
        texts.append(text)
    return [" ".join(text) for text in texts]


@pytest.mark.parametrize("at_least", [0.5, 0.8, 0.95, 1.0])
def test_exactly_the_pairs_of_a_plain_count(at_least: float) -> None:
    texts = [*texts_like_each_other(250, 1), "", "  \n ", "a"]
    pairs, likeness = near_duplicates(texts, at_least=at_least).all_pairs()
    found = {(a, b): alike for (a, b), alike in zip(pairs.tolist(), likeness.tolist(), strict=True)}
    truth = counted(texts, at_least)
    assert len(truth) > 20
    assert found.keys() == truth.keys()
    assert all(found[pair] == pytest.approx(truth[pair]) for pair in truth)


def test_the_same_in_many_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    from modelwright.cleaning.matching import shingles

    texts = texts_like_each_other(250, 2)
    whole = near_duplicates(texts)
    monkeypatch.setattr(shingles, "_AT_ONCE", 700)
    for name, value in (("_ENTRIES_AT_ONCE", 150), ("_SHINGLES_AT_ONCE", 300), ("_PAIRS_AT_ONCE", 20),
                        ("_COUNTED_AT_ONCE", 500)):  # fmt: skip
        monkeypatch.setattr(documents, name, value)
    parts = near_duplicates(texts)
    assert np.array_equal(whole.pairs, parts.pairs) and np.array_equal(whole.copy_of, parts.copy_of)
    assert len(whole.pairs) > 10


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(alphabet="ab \n\t\u00e4", max_size=60), max_size=8))
def test_any_texts(texts: list[str]) -> None:
    assert {tuple(pair) for pair in near_duplicates(texts).all_pairs()[0].tolist()} == set(counted(texts, 0.8))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abc"), max_size=12), max_size=6))
def test_shingles_are_told_apart(texts: list[list[str]]) -> None:
    hashes, counts = shingles_of([" ".join(words).encode() for words in texts])
    expected = [{tuple(words[k : k + 5]) for k in range(max(1, len(words) - 4))} if words else set() for words in texts]
    assert counts.tolist() == [len(one) for one in expected]
    assert len(np.unique(hashes)) == len(set().union(*expected)) if expected else True


def test_texts_that_are_blank_in_other_ways_are_equal() -> None:
    near = near_duplicates(["a b\tc  d e f", " a b c d\ne f ", None, ""])
    assert near.copy_of.tolist() == [0, 0, -1, -1]
    assert near_duplicates([]).pairs.shape == (0, 2)


def test_a_twin_is_never_one_that_goes() -> None:
    for seed in range(5):
        near = near_duplicates(texts_like_each_other(120, seed))
        twin, likeness = near.twin_of()
        gone = np.flatnonzero(twin >= 0)
        assert (twin[twin[gone]] == -1).all() and (twin[gone] < gone).all() and (likeness[gone] >= 0.8).all()
        assert len(gone) > 10


def test_lsh_finds_nearly_all_and_nothing_else() -> None:
    texts = texts_like_each_other(600, 3)
    truth = set(counted(texts, 0.8))
    found = {tuple(pair) for pair in near_by_lsh(texts).all_pairs()[0].tolist()}
    assert found <= truth and len(found) > 0.97 * len(truth) and len(truth) > 100


def test_a_likeness_beyond_the_filter_is_refused() -> None:
    for how in (near_duplicates, near_by_lsh):
        with pytest.raises(UserError) as told:
            how(["a"], at_least=0.3)
        assert told.value.code == "documents.likeness"


def test_rows_are_proposed_with_their_twin_and_flagged_where_targets_differ() -> None:
    text = "the quick brown fox jumps over the lazy dog while the cat sleeps on a warm stone by the sea"
    frame = pl.DataFrame(
        {"text": [text, "another story that has nothing to do with this", text + " .", text.upper(), text + "!"],
         "y": ["a", "a", "a", "a", "b"]}
    )  # fmt: skip
    schema = Schema((Column("text"), Column("y", role="target")))
    found = propose(Dataset.from_frame(frame, schema), NearSpec())
    assert found.rows.select("__row__", "twin_of").rows() == [(2, 0)]
    assert found.flags["__row__"].to_list() == [4]
    assert found.rows["confidence"].max() < 0.95 and "94 %" in found.rows["reason"][0]
    short = Dataset.from_frame(pl.DataFrame({"name": ["oak table", "oak table", "ash"]}))
    assert propose(short, NearSpec()).n_found == 0


def test_a_sentence_that_many_rows_share_is_no_text_of_a_row() -> None:
    measures = [f"heart attack patients given aspirin at arrival at the hospital, kind {number}" for number in range(4)]
    texts = [measures[number % 4] for number in range(40)]
    assert propose(Dataset.from_frame(pl.DataFrame({"measure": texts})), NearSpec()).rows.height == 0
