"""Truth: what is so, from the answers of several people who are sometimes wrong."""

from modelwright.labelling.truth.base import Answers, Truth, TruthSpec, answers_of, known_of, truth
from modelwright.labelling.truth.running import Running

__all__ = ["Answers", "Running", "Truth", "TruthSpec", "answers_of", "known_of", "truth"]
