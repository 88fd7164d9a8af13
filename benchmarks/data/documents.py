"""Near-duplicate documents: every pair of at least 0.8 Jaccard over word 5-shingles, none missed, none too many.

10,000 texts of about 5 KB: 8,500 Python files of the installed packages, cut at 5,000 letters, and 1,500 edited copies
of them (words replaced, left out and put in; parts moved), so that likenesses lie on both sides of 0.8. Truth is
counted out for every pair that shares any shingle (a product of sparse matrices over exact shingles, not hashes). The
peer is datasketch, MinHashLSH of 128 permutations at threshold 0.8, its candidates taken as they are, in a process of
its own; shingling counts for both. CPU time of both, turn by turn.

A million texts of 50 words (a tenth of them edited copies) go through the same exact join, and through MinHash and LSH;
peak memory is the process's own, the texts (from a generator) not in it.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.common import ROOT, bar

PEER = ROOT / "benchmarks" / ".peers" / "data-documents" / "bin" / "python"
N_FILES, N_COPIES, N_LETTERS = 8_500, 1_500, 5_000
N_TURNS = 3
OURS = """
import json, sys, time
from pathlib import Path
from modelwright.cleaning.matching.documents import near_duplicates
texts = json.loads(Path(sys.argv[1]).read_text())
near_duplicates(texts[:10])
began = time.process_time()
found = near_duplicates(texts)
cpu_s = time.process_time() - began
print(json.dumps({"cpu_s": cpu_s, "pairs": found.all_pairs()[0].tolist()}))
"""
DATASKETCH = """
import json, sys, time
from pathlib import Path
from datasketch import MinHash, MinHashLSH, __version__
texts = json.loads(Path(sys.argv[1]).read_text())
began = time.process_time()
lsh, sketches = MinHashLSH(threshold=0.8, num_perm=128), []
for text in texts:
    words = text.split()
    shingles = {" ".join(words[k:k + 5]).encode() for k in range(max(1, len(words) - 4))}
    sketch = MinHash(num_perm=128)
    sketch.update_batch(list(shingles))
    sketches.append(sketch)
for k, sketch in enumerate(sketches):
    lsh.insert(k, sketch)
pairs = {(min(a, k), max(a, k)) for k, sketch in enumerate(sketches) for a in lsh.query(sketch) if a != k}
print(json.dumps({"cpu_s": time.process_time() - began, "pairs": sorted(pairs), "version": __version__}))
"""
MILLION = """
import json, resource, sys, time
sys.path.insert(0, ".")
from benchmarks.data.documents import million
from modelwright.cleaning.matching import documents, minhash
began = time.process_time()
for _ in million(int(sys.argv[2])):
    pass
making_s = time.process_time() - began
began = time.process_time()
found = getattr({"exact": documents, "minhash": minhash}[sys.argv[1]], sys.argv[3])(million(int(sys.argv[2])))
print(json.dumps({"cpu_s": time.process_time() - began - making_s, "n": len(found.pairs),
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def corpus() -> list[str]:
    """The texts, the same for every call in one environment."""
    rng = random.Random(0)
    files = sorted((ROOT / ".venv" / "lib").rglob("*.py"))
    rng.shuffle(files)
    texts: list[str] = []
    for file in files:
        text = file.read_text(errors="replace")[:N_LETTERS]
        if len(text) > N_LETTERS // 2:
            texts.append(text)
        if len(texts) == N_FILES:
            break
    copies = [edited(rng.choice(texts), rng.choice((0.0, 0.005, 0.01, 0.02, 0.03, 0.04, 0.06)), rng)
              for _ in range(N_COPIES)]  # fmt: skip
    made = texts + copies
    rng.shuffle(made)
    return made


def edited(text: str, share: float, rng: random.Random) -> str:
    """A share of the words replaced, left out or doubled; now and then two parts change places."""
    words = []
    for word in text.split(" "):
        luck = rng.random()
        if luck < share / 3:
            continue
        words.append(word if luck > share else f"{word}x" if luck < share * 2 / 3 else f"{word} {word}")
    if rng.random() < 0.2:
        at = rng.randrange(len(words))
        words = words[at:] + words[:at]
    return " ".join(words)


def truth_of(texts: list[str]) -> set[tuple[int, int]]:
    """Every pair of Jaccard 0.8 and more, counted for all pairs that share a shingle."""
    import numpy as np
    from scipy.sparse import csr_matrix

    known: dict[tuple[str, ...], int] = {}
    columns: list[int] = []
    ends = [0]
    for text in texts:
        words = text.split()
        shingles = {tuple(words[k : k + 5]) for k in range(max(1, len(words) - 4))} if words else set()
        columns += [known.setdefault(shingle, len(known)) for shingle in shingles]
        ends.append(len(columns))
    matrix = csr_matrix((np.ones(len(columns), np.int32), columns, ends), shape=(len(texts), len(known)))
    sizes, turned, found = np.diff(ends), matrix.T.tocsr(), set()
    for start in range(0, len(texts), 500):
        product = (matrix[start : start + 500] @ turned).tocoo()
        rows, others = product.row + start, product.col
        alike = product.data / (sizes[rows] + sizes[others] - product.data) >= 0.8 - 1e-12
        kept = alike & (rows < others)
        found |= set(zip(rows[kept].tolist(), others[kept].tolist(), strict=True))
    return found


def million(n: int) -> Iterator[str]:
    """Texts of 50 words of 30,000, a tenth of them copies of one of the last 10,000 with up to three words changed."""
    rng = random.Random(1)
    words = [f"{rng.randrange(10**6):x}" for _ in range(30_000)]
    recent: list[list[str]] = []
    for _ in range(n):
        if recent and rng.random() < 0.1:
            text = list(rng.choice(recent))
            for _ in range(rng.randrange(4)):
                text[rng.randrange(50)] = rng.choice(words)
        else:
            text = rng.choices(words, k=50)
        if len(recent) < 10_000:
            recent.append(text)
        else:
            recent[rng.randrange(10_000)] = text
        yield " ".join(text)


def asked(python: Path | str, code: str, *arguments: str) -> dict:  # type: ignore[type-arg]
    done = subprocess.run(
        [str(python), "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT, check=False, timeout=3600,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'runtime'}", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-1500:])
    answer: dict = json.loads(done.stdout.strip().splitlines()[-1])  # type: ignore[type-arg]
    return answer


def measure() -> tuple[list[str], list[str]]:
    table = ["| what | documents | CPU s | pairs | recall | precision | peak MB |", "|---|---|---|---|---|---|---|"]
    bars: list[str] = []
    texts = corpus()
    truth = truth_of(texts)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.json"
        file.write_text(json.dumps(texts))
        _small(table, bars, str(file), len(texts), truth)
    for title, how, name in (("exact join", "exact", "near_duplicates"), ("MinHash + LSH", "minhash", "near_by_lsh")):
        found = asked(sys.executable, MILLION, how, "1000000", name)
        table.append(f"| {title}, 50 words each | 1,000,000 | {found['cpu_s']:.0f} | {found['n']:,} | | "
                     f"| {found['peak_mb']:.0f} |")  # fmt: skip
        if how == "exact":
            bars.append(bar("peak MB, 1 million documents, exact", found["peak_mb"], 2048))
    return table, bars


def _small(table: list[str], bars: list[str], file: str, n: int, truth: set[tuple[int, int]]) -> None:
    ways = {"exact join": (sys.executable, OURS), "datasketch": (PEER, DATASKETCH)}
    seconds: dict[str, list[float]] = {}
    quality: dict[str, tuple[float, float]] = {}
    for turn in range(N_TURNS):
        for title, (python, code) in ways.items():
            if not Path(python).exists():
                continue
            found = asked(python, code, file)
            seconds.setdefault(title, []).append(found["cpu_s"])
            pairs = {tuple(pair) for pair in found["pairs"]}
            quality[title] = (len(pairs & truth) / len(truth), len(pairs & truth) / max(1, len(pairs)))
            if turn == 0:
                recall, precision = quality[title]
                table.append(f"| {title} {found.get('version', '')} | {n:,} | {found['cpu_s']:.2f} | {len(pairs):,} | "
                             f"{recall:.4f} | {precision:.4f} | |")  # fmt: skip
    table.append(f"| truth: counted for all pairs | {n:,} | | {len(truth):,} | | | |")
    bars.append(bar("recall, 10,000 documents", quality["exact join"][0], 1.0, at_least=True))
    bars.append(bar("precision, 10,000 documents", quality["exact join"][1], 1.0, at_least=True))
    if "datasketch" in seconds:
        ratio = min(seconds["exact join"]) / min(seconds["datasketch"])
        bars.append(bar("share of datasketch's CPU time", ratio, 0.2))


if __name__ == "__main__":
    print(*sum(measure(), []), sep="\n")
