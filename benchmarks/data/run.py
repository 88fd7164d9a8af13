"""Collecting, cleaning and labelling against their bars. `make bench NAME=data`; `--only repair,truth` for parts."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common import Part, run_parts

HERE = Path(__file__).resolve().parent
PARTS = {
    "history": Part("The log of cleaning", "benchmarks.data.history:measure"),
    "large": Part("Ten million rows through the default cleaning", "benchmarks.data.large:measure"),
    "repair": Part("Wrong cells found and repaired", "benchmarks.data.repair:measure"),
    "model": Part("A model after cleaning against before", "benchmarks.data.model:measure"),
    "sql": Part("A SQL table to a dataset version", "benchmarks.data.sql:measure"),
    "shuffled": Part("Shuffled batches of a dataset version", "benchmarks.data.shuffled:measure"),
    "kills": Part("kill -9 at random moments: files and APIs", "benchmarks.data.kills:measure"),
    "kills_databases": Part("kill -9: databases", "benchmarks.data.kills:measure_databases"),
    "kills_streams": Part("kill -9: streams", "benchmarks.data.kills_streams:measure"),
    "kills_walks": Part("kill -9: walks through a site", "benchmarks.data.kills_streams:measure_walks"),
    "kills_cleaning": Part("kill -9: cleaning and taking back", "benchmarks.data.kills_tables:measure_cleaning"),
    "kills_labelling": Part("kill -9: the labelling server", "benchmarks.data.kills_tables:measure_labelling"),
    "web": Part("Main text of web pages", "benchmarks.data.web:measure"),
    "crawl": Part("A site of 2,000 pages with traps", "benchmarks.data.crawl:measure"),
    "labelling": Part("The labelling server", "benchmarks.data.labelling:measure"),
    "truth": Part("Truth from many labels", "benchmarks.data.truth:measure"),
    "label_errors": Part("Wrong labels", "benchmarks.data.label_errors:measure"),
    "active": Part("Labels needed", "benchmarks.data.active:measure"),
    "entities": Part("The same thing in two tables", "benchmarks.data.entities:measure"),
    "documents": Part("Near-duplicate documents", "benchmarks.data.documents:measure"),
    "imputation": Part("Missing values", "benchmarks.data.imputation:measure"),
    "outliers": Part("Outliers without labels", "benchmarks.data.outliers:measure"),
    "mojibake": Part("Texts read in the wrong encoding", "benchmarks.data.mojibake:measure"),
    "screening": Part("Damaged pictures", "benchmarks.data.screening:measure"),
    "denoising": Part("Noise of series", "benchmarks.data.denoising:measure"),
    "profile": Part("Table profile", "benchmarks.data.profile:measure"),
    "coverage": Part("Coverage and bias", "benchmarks.data.coverage:measure"),
}

if __name__ == "__main__":
    run_parts(HERE, "Data", PARTS, __doc__)
