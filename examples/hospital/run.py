"""`make run`: a messy export of real tumours, all the way to an evaluated, packaged model with a report.

Makes the table and its truth in `.wright/examples/hospital`, runs `wright run` on it, and then tells how much of the
damage was found and repaired, which only the example can know.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from make import make
from score import score, table

from modelwright.cli import command
from modelwright.core.store import Store
from modelwright.lifecycle import value_of

STORE = ".wright"


def main() -> int:
    """The whole example; its exit code."""
    folder = Path(STORE) / "examples" / "hospital"
    path = make(folder)
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    print(f"made {path}: {truth.get('about', '569 real tumours, damaged as a hospital export would be')}\n", flush=True)
    code = command(["run", str(path), "--target", truth["target"], "--store", STORE])
    if code == 0:
        cleaned = value_of(Store.open(STORE), "hospital", "cleaning/clean")
        print(f"\nThe truth is known here, so this is what cleaning was worth:\n\n{table(score(cleaned, truth))}")
    return code


if __name__ == "__main__":
    sys.exit(main())
