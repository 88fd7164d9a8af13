"""Ten million rows x 20 text columns through the default cleaning, against the same rules by hand in Polars.

By hand (by someone who knows the columns): strip, markers to null, casts, lower case, repeated rows dropped, Parquet.
Ours: `clean` as `wright run` calls it, its kept table written; the same after `mend` with its plainest method, which
adds what the framework of mending costs: the raw table kept, a look at every cell, the changes laid over it, the log,
the page. What all methods together cost is told on a tenth of the rows. CPU seconds (user and system)
of whole processes, in turn, for the machine is shared; peak memory as the operating system counted it.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from pathlib import Path

from benchmarks.common import ROOT, bar, measured_process, process

N_ROWS, N_ROUNDS = 10_000_000, 1
N_ROWS_OF_ALL = 1_000_000
WAYS = {
    "by hand": "by hand in Polars", "clean": "`clean`", "blanks": "`wright clean --methods blanks`",
}  # fmt: skip


def by_hand(source: str, folder: Path) -> None:
    """The rules written out for the columns of this table."""
    import polars as pl

    markers = ["?", "NA", "-", "N/A", ""]
    numbers, texts = [f"number_{i}" for i in range(12)], [f"category_{i}" for i in range(5)]
    table = (
        pl.scan_csv(source, infer_schema=False)
        .with_columns(pl.all().str.strip_chars())
        .with_columns(pl.when(pl.all().is_in(markers)).then(None).otherwise(pl.all()).name.keep())
        .with_columns(pl.col(numbers).cast(pl.Float64), pl.col("day").str.to_datetime("%Y-%m-%d"))
        .with_columns(pl.col(texts).str.to_lowercase())
        .drop("constant")
        .unique()
    )
    table.sink_parquet(folder / "by_hand.parquet", compression="lz4")


def cleaned(source: str, folder: Path) -> None:
    """Collect, clean, and the kept table written, as `wright run` does."""
    from modelwright import CleanSpec, clean, collect
    from modelwright.core.codec import encode
    from modelwright.core.store import Store

    made = clean(collect(source), CleanSpec(target="target"))
    encode(Store.open(folder / "store"), made.kept)


def mended(source: str, folder: Path, *more: str) -> None:
    """`wright clean`, as a person calls it."""
    from modelwright.cli import command

    out = ["--out", str(folder / "mended.parquet"), "--store", str(folder / "mended"), "--json", *more]
    if command(["clean", source, "--target", "target", *out]):
        raise SystemExit(1)


def child(source: str, folder: Path, way: str) -> None:
    if way == "by hand":
        by_hand(source, folder)
    elif way == "clean":
        cleaned(source, folder)
    else:
        mended(source, folder, *([] if way == "all" else ["--methods", way]))
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"cpu_s": used.ru_utime + used.ru_stime}))


def measure() -> tuple[list[str], list[str]]:
    """CPU seconds and peak memory of each way, in turn."""
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "table.csv"
        process([sys.executable, str(ROOT / "benchmarks/spine/make_table.py"), str(source), str(N_ROWS)])
        size = source.stat().st_size
        runs: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
        for _ in range(N_ROUNDS):
            for way, found in runs.items():
                with tempfile.TemporaryDirectory(dir=name) as folder:
                    command = [sys.executable, "-m", "benchmarks.data.large", str(source), folder, way]
                    done = measured_process(command, folder=ROOT)
                found.append((json.loads(done.output.strip().splitlines()[-1])["cpu_s"], done.peak_bytes / 1e9))
    return told(runs, size)


def told(runs: dict[str, list[tuple[float, float]]], size: int) -> tuple[list[str], list[str]]:
    """The table and the bars."""
    best = {way: min(cpu_s for cpu_s, _ in found) for way, found in runs.items()}
    lines = [
        f"{N_ROWS:,} rows x 20 columns, {size / 1e9:.2f} GB of CSV", "",
        "| way | CPU seconds, each round | times by hand | peak memory |", "|---|---|---|---|",
    ]  # fmt: skip
    for way, found in runs.items():
        seconds = ", ".join(f"{cpu_s:.0f}" for cpu_s, _ in found)
        peak = max(gigabytes for _, gigabytes in found)
        lines.append(f"| {WAYS[way]} | {seconds} | {best[way] / best['by hand']:.2f} | {peak:.1f} GB |")
    bars = []
    for way in ("clean", "blanks"):
        bars.append(bar(f"{way}, of 10 million rows, CPU time over by hand", best[way] / best["by hand"], 4))
        bars.append(bar(f"{way}, of 10 million rows, peak memory in GB", max(peak for _, peak in runs[way]), 4))
    return lines, bars


if __name__ == "__main__":
    child(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
