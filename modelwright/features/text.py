"""Short texts as TF-IDF weights of their words and pairs of neighbouring words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.features.base import State, Step

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph
    from modelwright_runtime.signature import TextInput


MOST_CELLS = 40_000_000  # of the matrix; the more texts, the fewer words
LEAST_WORDS = 500


class TextSpec(Spec):
    """Which words get a column."""

    max_words: int = Field(500, ge=1, le=100_000, description="the words in most texts are kept")
    min_count: int = Field(3, ge=1, description="a word in fewer texts is left out")


def learn(x: Sequence[str], *, spec: TextSpec, **_: Any) -> State:
    """Vocabulary, sorted, and inverse document frequencies `1 + ln((1 + n) / (1 + n_with_word))`.

    Reference: Sparck Jones (1972), "A statistical interpretation of term specificity".

    >>> state = learn(["good food", "bad food", "good"], spec=TextSpec(min_count=2))
    >>> state["vocabulary"], apply(state, ["Good!", "?"]).tolist()
    (['food', 'good'], [[0.0, 1.0], [0.0, 0.0]])
    """
    import math
    from collections import Counter

    import numpy as np

    from modelwright_runtime.text import words

    counts = Counter(word for line in x for word in set(words(line)))
    ranked = sorted((-count, word) for word, count in counts.items() if count >= spec.min_count)
    most = min(spec.max_words, max(LEAST_WORDS, MOST_CELLS // max(len(x), 1)))
    vocabulary = sorted(word for _, word in ranked[:most])
    idf = [1.0 + math.log((1 + len(x)) / (1 + counts[word])) for word in vocabulary]
    return {"vocabulary": vocabulary, "idf": np.array(idf, dtype=np.float64)}


def _text_input(state: State) -> TextInput:
    from modelwright_runtime.signature import TextInput

    idf = tuple(float(weight) for weight in state["idf"])
    return TextInput(column="", vocabulary=tuple(state["vocabulary"]), idf=idf)


def apply(state: State, x: Sequence[str]) -> np.ndarray:
    """The weights, as the runtime reckons them: float64 of float32 values, shape (n, n_words)."""
    import numpy as np

    from modelwright_runtime.text import weigh

    return weigh(x, _text_input(state)).astype(np.float64)


def names(state: State, columns: Sequence[str]) -> list[tuple[str, int]]:
    """`<column>: <word>`."""
    return [(f"{columns[0]}: {word}", 0) for word in state["vocabulary"]]


def emit(state: State, graph: Graph, x: str) -> str:
    """The graph input itself, in float64: the runtime weighs texts before the graph."""
    return graph.tensor(x).cast("float64")


STEP = Step(name="text", accepts="texts", spec=TextSpec, learn=learn, apply=apply, names=names, emit=emit)
