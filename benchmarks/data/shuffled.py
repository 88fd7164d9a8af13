"""Shuffled batches of 64 rows x 4 KB from a dataset version, page cache warm.

100,000 rows of 4 KB of random bytes with three columns of numbers beside them (400 MB). A batch is complete when its 64
byte strings and its 3 x 64 numbers are there. Each reader goes through whole epochs in the same orders; ours and the
hand-written reader (the offsets of a memory-mapped Arrow file, written for this file alone) in turn, five times. Rows/s
are of CPU time (user and system), since the machine is shared; wall time is told beside. Lance 14, HF datasets 5.2 and
Parquet (pyarrow, 256 rows a group) lie in benchmarks/.peers/data-batches and read fewer batches where they are slow.
"""

from __future__ import annotations

import json
import mmap
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

from benchmarks.common import ROOT, bar, process

PEER = ROOT / "benchmarks" / ".peers" / "data-batches" / "bin" / "python"
N_ROWS, N_BYTES, BATCH_ROWS = 100_000, 4096, 64
N_TIMES = 5
LEAST = 0.8

PEERS = """
import json, sys, time
import numpy as np, pyarrow as pa
which, source, folder, n_batches = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
table = pa.ipc.open_file(pa.memory_map(source)).read_all()
n = table.num_rows
began = time.perf_counter()
if which == "Lance":
    import lance
    made = lance.write_dataset(table, folder + "/l.lance")
    def take(rows):
        got = made.take(rows)
        return [got["blob"].to_pylist(), *(got[name].to_numpy() for name in ("id", "x", "label"))]
elif which == "HF datasets":
    import datasets
    datasets.Dataset(datasets.table.InMemoryTable(table)).save_to_disk(folder + "/h")
    made = datasets.load_from_disk(folder + "/h")
    made = made.with_format("numpy", columns=["id", "x", "label"], output_all_columns=True)
    def take(rows):
        got = made[rows]
        return [list(got["blob"]), got["id"], got["x"], got["label"]]
else:
    import pyarrow.parquet as pq
    pq.write_table(table, folder + "/p.parquet", row_group_size=256, compression="none")
    made = pq.ParquetFile(folder + "/p.parquet", memory_map=True)
    def take(rows):
        blob, numbers = [None] * len(rows), []
        for group in np.unique(rows // 256):
            held = made.read_row_group(int(group))
            at = np.flatnonzero(rows // 256 == group)
            got = held.take(pa.array(rows[at] % 256))
            for place, cell in zip(at.tolist(), got["blob"].to_pylist()):
                blob[place] = cell
            numbers.append([got[name].to_numpy() for name in ("id", "x", "label")])
        return [blob, *(np.concatenate([one[k] for one in numbers]) for k in range(3))]
write_s = time.perf_counter() - began
found = []
for epoch in range(3):
    order = np.random.default_rng(epoch).permutation(n)[: n_batches * 64]
    wall, cpu, rows = time.perf_counter(), time.process_time(), 0
    for start in range(0, len(order), 64):
        rows += len(take(order[start : start + 64])[0])
    found.append([rows / (time.process_time() - cpu), rows / (time.perf_counter() - wall)])
cpu, wall = (sorted(one[k] for one in found)[1] for k in (0, 1))
print(json.dumps({"cpu": cpu, "wall": wall, "write_s": write_s}))
"""
VERSIONED = {"Lance": "yes", "HF datasets": "a fingerprint", "Parquet": "no"}
N_BATCHES = {"Lance": 300, "HF datasets": 1500, "Parquet": 40}

Epoch = Callable[[np.ndarray], int]


def rows() -> pl.DataFrame:
    """The table: random bytes, and three columns of numbers."""
    rng = np.random.default_rng(0)
    raw = rng.bytes(N_ROWS * N_BYTES)
    cells = [raw[start : start + N_BYTES] for start in range(0, len(raw), N_BYTES)]
    return pl.DataFrame({"id": range(N_ROWS), "blob": cells, "x": rng.random(N_ROWS),
                         "label": rng.integers(0, 10, N_ROWS)})  # fmt: skip


def by_hand(path: Path) -> Epoch:
    """The reader that one would write for this one file: its buffers' places, slices of the map, nothing else."""
    from modelwright.collection.arrowfile import batches

    with path.open("rb") as file:
        cells = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    (batch,) = batches(cells)
    (_, ids), (_, offsets, blob), (_, xs), (_, labels) = batch.columns
    ends = np.frombuffer(cells, dtype=np.int64, count=N_ROWS + 1, offset=offsets[0])
    id_, label = (np.frombuffer(cells, dtype=np.int64, count=N_ROWS, offset=one[0]) for one in (ids, labels))
    x = np.frombuffer(cells, dtype=np.float64, count=N_ROWS, offset=xs[0])
    begin = blob[0]

    def epoch(order: np.ndarray) -> int:
        n_rows = 0
        for start in range(0, len(order), BATCH_ROWS):
            at = order[start : start + BATCH_ROWS]
            firsts, lasts = ends[at].tolist(), ends[at + 1].tolist()
            got = [cells[begin + a : begin + b] for a, b in zip(firsts, lasts, strict=True)]
            batch_of = {"blob": got, "id": id_[at], "x": x[at], "label": label[at]}
            n_rows += len(batch_of["blob"])
        return n_rows

    return epoch


def of_version(folder: Path, table: pl.DataFrame) -> tuple[Epoch, str]:
    """Our reader on a version that was appended to three times."""
    from modelwright.collection.versions import append, newest, open_reader
    from modelwright.core.store import Store

    store = Store.open(folder)
    began = time.perf_counter()
    for piece in table.iter_slices(N_ROWS // 3 + 1):
        append(store, "dots", piece)
    write_s = time.perf_counter() - began
    version = newest(store, "dots")
    reader = open_reader(store, version, columns=["id", "blob", "x", "label"])

    def epoch(order: np.ndarray) -> int:
        n_rows = 0
        for start in range(0, len(order), BATCH_ROWS):
            n_rows += len(reader.take(order[start : start + BATCH_ROWS])["blob"])
        return n_rows

    return epoch, f"{len(version.parts)} parts, written in {write_s:.1f} s"


def timed(epoch: Epoch, order: np.ndarray) -> tuple[float, float]:
    """Rows/s of CPU time and of wall time."""
    wall, cpu = time.perf_counter(), time.process_time()
    n_rows = epoch(order)
    return n_rows / (time.process_time() - cpu), n_rows / (time.perf_counter() - wall)


def measure() -> tuple[list[str], list[str]]:
    table = [__doc__.partition("\n\n")[2].strip(), ""]
    table += [
        "| store | rows/s (CPU) | rows/s (wall) | of the hand-written reader | versions |",
        "|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory(prefix="shuffled-") as name:
        folder = Path(name)
        frame = rows()
        source = folder / "one.arrow"
        frame.write_ipc(
            source, compression="uncompressed", compat_level=pl.CompatLevel.oldest(), record_batch_size=N_ROWS
        )
        hand = by_hand(source)
        ours, told = of_version(folder / "store", frame)
        del frame
        runs: dict[str, list[tuple[float, float]]] = {"hand": [], "ours": []}
        for turn in range(N_TIMES + 1):
            order = np.random.default_rng(turn).permutation(N_ROWS)
            for which, epoch in (("hand", hand), ("ours", ours)):
                found = timed(epoch, order)
                if turn:  # the first epoch warms the cache
                    runs[which].append(found)
        ratio = median(one[0] / other[0] for one, other in zip(runs["ours"], runs["hand"], strict=True))
        of_wall = median(one[1] / other[1] for one, other in zip(runs["ours"], runs["hand"], strict=True))
        speed = {which: [median(one[k] for one in many) for k in (0, 1)] for which, many in runs.items()}
        table.append(
            f"| hand-written, one Arrow file | {speed['hand'][0]:,.0f} | {speed['hand'][1]:,.0f} | 1.00 | no |"
        )
        table.append(f"| a dataset version ({told}) | {speed['ours'][0]:,.0f} | {speed['ours'][1]:,.0f} | {ratio:.2f} "
                     f"({of_wall:.2f} of wall) | yes |")  # fmt: skip
        table += _peers(source, folder, speed["hand"][0])
    return table, [bar("shuffled rows/s of a hand-written reader", ratio, LEAST, at_least=True)]


def _peers(source: Path, folder: Path, hand: float) -> list[str]:
    lines = []
    for which, versioned in VERSIONED.items() if PEER.exists() else ():
        place = folder / which.split()[0]
        place.mkdir()
        done = process([str(PEER), "-c", PEERS, which, str(source), str(place), str(N_BATCHES[which])])
        found = json.loads(done.output.strip().splitlines()[-1])
        lines.append(
            f"| {which} | {found['cpu']:,.0f} | {found['wall']:,.0f} | {found['cpu'] / hand:.3f} | {versioned} |"
        )
    return lines
