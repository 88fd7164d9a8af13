"""Main text of 181 news and blog pages, as scrapinghub's benchmark scores it: four-word runs, precision and recall
averaged over pages. The rules were developed looking at one half of the pages (an even first eight digits of the
name), so the other half is told by itself. Time is CPU time of this process, each page by all in turn.

Reference: github.com/scrapinghub/article-extraction-benchmark, evaluate.py.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Callable
from statistics import mean
from typing import Any

from benchmarks.common import SHARED, bar

PAGES = SHARED / "web" / "article_extraction"
N_ROUNDS = 3


def systems() -> dict[str, Callable[[bytes, str], str]]:
    """What is compared: ours, and trafilatura in its three forms, without comments as the benchmark has none."""
    import trafilatura

    from modelwright.collection.web import extract

    return {
        "modelwright": lambda page, url: extract(page, url).text,
        "trafilatura": lambda page, url: trafilatura.extract(page, include_comments=False) or "",
        "trafilatura, favor_precision": lambda page, url: (
            trafilatura.extract(page, include_comments=False, favor_precision=True) or ""
        ),
        "trafilatura, fast": lambda page, url: trafilatura.extract(page, include_comments=False, fast=True) or "",
    }


def runs(text: str) -> Counter[tuple[str, ...]]:
    """Four-word runs with their counts."""
    words = re.findall(r"\w+", text)
    return Counter(run for at in range(max(1, len(words) - 3)) if (run := tuple(words[at : at + 4])))


def score(texts: dict[str, str], truth: dict[str, Any]) -> tuple[float, float, float]:
    """F1, precision and recall as the benchmark has them."""
    precisions, recalls = [], []
    for name, text in texts.items():
        found, right = runs(text), runs(truth[name]["articleBody"])
        both = (found & right).total()
        recalls.append(both / right.total())
        if found:
            precisions.append(both / found.total())
    precision, recall = mean(precisions), mean(recalls)
    return 2 * precision * recall / (precision + recall), precision, recall


def measure() -> tuple[list[str], list[str]]:
    """The table and its bars."""
    truth = json.loads((PAGES / "ground-truth.json").read_text())
    pages = {name: gzip.decompress((PAGES / "html" / f"{name}.html.gz").read_bytes()) for name in truth}
    compared = systems()
    texts: dict[str, dict[str, str]] = {name: {} for name in compared}
    spent_s = dict.fromkeys(compared, 0.0)
    for _ in range(N_ROUNDS):
        for page, content in pages.items():
            for name, system in compared.items():
                began_s = time.process_time()
                texts[name][page] = system(content, truth[page]["url"])
                spent_s[name] += time.process_time() - began_s
    other = [name for name in truth if int(name[:8], 16) % 2]
    table = [
        "| | F1 | precision | recall | F1, half not looked at | pages/s of CPU |",
        "|---|---|---|---|---|---|",
    ]
    for name in compared:
        f1, precision, recall = score(texts[name], truth)
        held_out, _, _ = score({page: texts[name][page] for page in other}, truth)
        speed = N_ROUNDS * len(pages) / spent_s[name]
        table.append(f"| {name} | {f1:.4f} | {precision:.4f} | {recall:.4f} | {held_out:.4f} | {speed:.1f} |")
    ours, _, _ = score(texts["modelwright"], truth)
    half, _, _ = score({page: texts["modelwright"][page] for page in other}, truth)
    faster = spent_s["trafilatura"] / spent_s["modelwright"]
    bars = [
        bar("web.f1", ours, 0.965, at_least=True),
        bar("web.f1_half_not_looked_at", half, 0.965, at_least=True),
        bar("web.times_trafilaturas_speed", faster, 1.0, at_least=True),
    ]
    return table, bars
