"""Texts read in the wrong encoding: the cases of ftfy's own tests, and how fast clean text passes.

A column of the cases is mended as `wright clean` would; a negative counts as touched when it is not byte for byte what
it was. Speed is CPU seconds of the whole method over a column of news, interleaved with ftfy over the same texts.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import time

from benchmarks.common import SHARED, bar

FILES = ("in-the-wild", "synthetic", "language-names", "negative")
N_ROUNDS = 3
N_TIMES = 12  # that the news are in the column


def cases(file: str) -> list[tuple[str, str]]:
    """(damaged, as it should be) of each case of a file."""
    found = json.loads((SHARED / "text" / "mojibake" / f"{file}.json").read_text())
    return [(case["original"], case.get("fixed-encoding", case["fixed"])) for case in found]


def mended(texts: list[str]) -> list[str]:
    """The texts as a column after mending."""
    import polars as pl

    from modelwright.cleaning.mend import MendSpec, mend
    from modelwright.core.data import Dataset

    data = Dataset.from_frame(pl.DataFrame({"text": texts}))
    return mend(data, MendSpec(mode="strict", methods=("encoding",))).data.frame["text"].to_list()


def news() -> list[str]:
    """Clean texts: a few megabytes of English news, with a tenth in other languages and marks."""
    path = SHARED / "text" / "ag_news" / "ag_news_7600.csv.gz"
    texts = [row[-1] for row in csv.reader(io.StringIO(gzip.decompress(path.read_bytes()).decode()))]
    foreign = [right for file in FILES for _, right in cases(file)]
    return [f"{text} {foreign[n % len(foreign)] if n % 10 == 0 else ''} {n}" for n, text in enumerate(texts * N_TIMES)]


def seconds(action) -> float:  # type: ignore[no-untyped-def]
    """CPU seconds of the process, of all its threads."""
    began = time.process_time()
    action()
    return time.process_time() - began


def measure() -> tuple[list[str], list[str]]:
    """Cases put right beside ftfy's, negatives touched, megabytes a second."""
    import ftfy
    import polars as pl

    from modelwright.cleaning.mend import NoSettings
    from modelwright.cleaning.texts.encoding import propose
    from modelwright.core.data import Dataset

    lines = [
        "| cases | n | right after ftfy | right after mending | changed | right ones touched |",
        "|---|---|---|---|---|---|",
    ]
    short = touched = 0
    for file in FILES:
        pairs = cases(file)
        theirs = [ftfy.fix_encoding(before) == right for before, right in pairs]
        texts = mended([before for before, _ in pairs])
        ours = [made == right for made, (_, right) in zip(texts, pairs, strict=True)]
        changed = sum(made != before for made, (before, _) in zip(texts, pairs, strict=True))
        wronged = sum(made != before == right for made, (before, right) in zip(texts, pairs, strict=True))
        short += sum(them and not us for them, us in zip(theirs, ours, strict=True))
        touched += wronged
        lines.append(f"| {file} | {len(pairs)} | {sum(theirs)} | {sum(ours)} | {changed} | {wronged} |")
    texts = news()
    data = Dataset.from_frame(pl.DataFrame({"text": texts}))
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    ours_s, theirs_s = [], []
    for _ in range(N_ROUNDS):
        ours_s.append(seconds(lambda: propose(data, NoSettings())))
        theirs_s.append(seconds(lambda: [ftfy.fix_encoding(text) for text in texts]))
    speed, their_speed = megabytes / min(ours_s), megabytes / min(theirs_s)
    lines += [
        "",
        f"{megabytes:.0f} MB of clean texts, of which a tenth hold other scripts and marks: {speed:,.0f} MB/s of CPU "
        f"here, {their_speed:,.1f} MB/s ftfy ({speed / their_speed:,.0f} times).",
    ]
    return lines, [
        bar("mojibake, cases that ftfy repairs and we do not", short, 0),
        bar("mojibake, negatives touched", touched, 0),
    ]
