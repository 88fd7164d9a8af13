"""Explanations beside `shap`, audits and thresholds beside `fairlearn`: python -m benchmarks.explanation.run

The peers have an environment of their own, benchmarks/.peers/explain: uv venv benchmarks/.peers/explain && uv pip
install --python benchmarks/.peers/explain/bin/python shap lightgbm fairlearn
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.common import Part, run_parts

PARTS = {
    "values": Part("Shapley values beside shap's, against exact ones", "benchmarks.explanation.values:table"),
    "speed": Part("wright explain, whole: 100 rows of Adult on one core", "benchmarks.explanation.speed:table"),
    "thresholds": Part("Remedies beside fairlearn's, on rows held out", "benchmarks.explanation.remedies:table"),
}

if __name__ == "__main__":
    run_parts(Path(__file__).parent, "Explanation and fairness", PARTS, __doc__)
