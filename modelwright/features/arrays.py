"""What a network's arrays need to know of the training rows: sizes, rates, vocabularies, levels, means.

`learn_arrays` gives `ArrayInput`s whose settings are plain data; `modelwright_runtime.arrays.make_array` makes the
arrays of them, in training and in serving alike. Numbers and datetimes make one array, categories and booleans
one, series one; each text, image and sound makes its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from modelwright.core.errors import UserError
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.core.data import Dataset, Decision
    from modelwright_runtime.signature import ArrayInput

Fit = Literal["stretch", "pad", "crop"]
SeriesFit = Literal["pad_right", "pad_left", "resample"]
Level = Literal["word", "character", "subword"]
N_SAMPLED = 512
"""So many rows are opened to learn an image's or a sound's size; a quarter of them for means."""
_MOST_TOKENS = {"word": 20_000, "character": 2_000, "subword": 8_000}
_FAR = 1e4  # a mean this many scales from 0 is taken off in float64


class ArraysSpec(Spec):
    """How media, texts, series and table columns become arrays. What is not given is learned from training rows."""

    image_size: int | tuple[int, int] | None = Field(None, description="pixels: one side, or (height, width)")
    max_image_size: int = Field(64, ge=8, le=2048, description="the longest learned side of an image, pixels")
    image_fit: Fit = Field("stretch", description="how a picture meets its size")
    channels: Literal[1, 3] | None = Field(None, description="1 grey, 3 coloured")
    audio_rate_hz: int | None = Field(None, ge=1000, le=192_000, description="samples a second")
    max_rate_hz: int = Field(16_000, ge=1000, le=192_000, description="the highest learned rate")
    audio_s: float | None = Field(None, gt=0, le=600, description="length of a sound, seconds")
    max_audio_s: float = Field(10.0, gt=0, le=600, description="the longest learned length, seconds")
    series_length: int | None = Field(None, ge=1, description="values per series")
    max_series_length: int = Field(1024, ge=1, description="the longest learned length; longer series are resampled")
    series_fit: SeriesFit | None = Field(None, description="how a series meets its length")
    text_level: Level | None = Field(None, description="what a token is")
    casefold: bool = Field(True, description="whether capital letters count as small ones")
    max_tokens: int | None = Field(None, ge=1, le=200_000, description="size of the vocabulary")
    min_token_count: int = Field(2, ge=1, description="a rarer token is unknown")
    text_length: int | None = Field(None, ge=1, le=8192, description="tokens per text")
    max_text_length: int = Field(256, ge=1, le=8192, description="the longest learned length")
    max_levels: int = Field(1000, ge=1, description="commonest levels of a category that get a code of their own")
    min_level_count: int = Field(2, ge=1, description="a rarer level counts as unseen")


def learn_arrays(
    data: Dataset, columns: Sequence[str], spec: ArraysSpec | None = None, *, rng: np.random.Generator
) -> tuple[ArrayInput, ...]:
    """Learn from training rows how `columns` become arrays: numbers, codes, series, then each text and medium.

    `data` holds the training rows only, typed. Means and sizes of media are learned from 512 rows drawn by `rng`.
    `array_decisions` tells what was chosen. Raises `arrays.kind` for a column that no array is made of,
    `arrays.empty` for a column without a readable cell, and `optional.missing` for sub-words without `tokenizers`.

    >>> import numpy as np, polars as pl
    >>> from modelwright.core.data import Column, Dataset, Schema
    >>> frame = pl.DataFrame({"size": [1.0, None, 3.0], "colour": ["red", "blue", "red"]})
    >>> data = Dataset.from_frame(frame, Schema((Column("size", "number"), Column("colour", "category"))))
    >>> numbers, codes = learn_arrays(data, ["size", "colour"], rng=np.random.default_rng(0))
    >>> numbers.settings["mean"], codes.settings["levels"]
    ([2.0], [['red']])
    """
    from modelwright_runtime.signature import ArrayInput

    chosen = spec or ArraysSpec()
    kinds = {name: data.schema[name].kind for name in columns}
    made: list[ArrayInput] = []
    for form, wanted, learn in _TOGETHER:
        names = [name for name in columns if kinds[name] in wanted]
        if names:
            taken, settings = learn(data, names, chosen, rng)
            if not taken:  # a single moment for all rows says nothing
                continue
            made.append(ArrayInput(form=form, columns=tuple(taken), settings=settings))  # type: ignore[arg-type]
    for name in columns:
        if kinds[name] in _ALONE:
            form, learn_one = _ALONE[kinds[name]]
            settings = learn_one(data, name, chosen, rng)
            made.append(ArrayInput(form=form, columns=(name,), settings=settings))  # type: ignore[arg-type]
    known = {kind for _, wanted, _ in _TOGETHER for kind in wanted} | set(_ALONE)
    for name in columns:
        if kinds[name] not in known:
            raise UserError("arrays.kind", f"column {name!r} is {kinds[name]}; no array is made of that.")
    return tuple(made)


def array_decisions(inputs: Sequence[ArrayInput]) -> tuple[Decision, ...]:
    """What was chosen for each array, told."""
    from modelwright.core.data import Decision

    return tuple(Decision("features", ", ".join(_distinct(array.columns)), *_told(array)) for array in inputs)


def _told(array: ArrayInput) -> tuple[str, str]:
    """Choice and reason."""
    settings = array.settings
    if array.form == "image":
        colour = "coloured" if settings["channels"] == 3 else "grey"
        size = f"{settings['width']} x {settings['height']} pixels"
        return f"{size}, {colour}, {settings['fit']}", "the usual size of the training rows, within the limit"
    if array.form == "audio":
        return f"{settings['n_samples']:,} samples at {settings['rate_hz']:,} Hz", "holds 95 % of the training rows"
    if array.form == "series":
        fit = str(settings["fit"]).replace("_", " ")
        return f"{settings['length']:,} values a series, {fit}", "holds 95 % of the training rows, within the limit"
    if array.form == "tokens":
        told = f"{settings['level']}s: {len(settings['vocabulary']):,} in the vocabulary, {settings['length']:,} a text"
        return told, "the length holds 95 % of the training rows, within the limit; the vocabulary is of them alone"
    if array.form == "codes":
        counts = ", ".join(str(len(levels)) for levels in settings["levels"][:20])
        return f"codes; levels: {counts}", "a level seen too seldom shares the code of unseen ones"
    return f"{len(array.columns)} numbers", "standardised by mean and scale of the training rows"


def _distinct(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))


# Table columns -----------------------------------------------------------------------------------------------


def _learn_numbers(
    data: Dataset, names: Sequence[str], spec: ArraysSpec, rng: np.random.Generator
) -> tuple[list[str], dict[str, Any]]:
    """Mean and scale of each, and whether it has gaps; a datetime becomes its parts that vary."""
    import numpy as np

    from modelwright.core.inputs import numbers
    from modelwright_runtime.dates import PARTS, parts_of

    x = numbers(data.table.select(names).collect(), names)
    taken, parts, origins, values = list[str](), list[str | None](), list[float](), list[np.ndarray]()
    for index, name in enumerate(names):
        if data.schema[name].kind != "datetime":
            taken, parts, origins = [*taken, name], [*parts, None], [*origins, 0.0]
            values.append(x[:, index])
            continue
        known = x[np.isfinite(x[:, index]), index]
        origin = float(known.min()) if known.size else 0.0
        for part, value in zip(PARTS, parts_of(x[:, index], origin, np.floor), strict=True):
            there = value[np.isfinite(value)]
            if there.size and there.min() < there.max():
                taken, parts, origins = [*taken, name], [*parts, part], [*origins, origin]
                values.append(value)
    scaled = [_mean_and_scale(value) for value in values]
    shift = [mean if abs(mean) > _FAR * scale else 0.0 for mean, scale in scaled]
    settings: dict[str, Any] = {
        "mean": [mean - off for (mean, _), off in zip(scaled, shift, strict=True)],
        "scale": [scale for _, scale in scaled],
        "gaps": [not bool(np.isfinite(value).all()) for value in values],
    }
    if any(shift):
        settings["shift"] = shift
    if any(parts):
        settings |= {"parts": parts, "origins": origins}
    return taken, settings


def _mean_and_scale(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of the finite values, in float64; a scale of 1 where nothing varies."""
    import numpy as np

    there = np.clip(values[np.isfinite(values)], -1e150, 1e150)
    if not there.size:
        return 0.0, 1.0
    mean, scale = float(there.mean()), float(there.std())
    return mean, scale if scale > 1e-12 * max(1.0, abs(mean)) else 1.0


def _learn_codes(
    data: Dataset, names: Sequence[str], spec: ArraysSpec, rng: np.random.Generator
) -> tuple[list[str], dict[str, Any]]:
    """The levels of each column, commonest first."""
    levels = []
    for name in names:
        if data.schema[name].kind == "boolean":
            levels.append(["0", "1"])
            continue
        levels.append(_commonest(data.column(name), spec.min_level_count, spec.max_levels))
    return list(names), {"levels": levels}


def _commonest(column: pl.Series, min_count: int, most: int) -> list[str]:
    """Values seen often enough, the commonest first, equally common ones by name."""
    import polars as pl

    counts = (
        column.drop_nulls().cast(pl.String).rename("value").to_frame().filter(pl.col("value") != "")
        .group_by("value").len().filter(pl.col("len") >= min_count)
        .sort(["len", "value"], descending=[True, False]).head(most)
    )  # fmt: skip
    return list(counts["value"].to_list())


def _learn_series(
    data: Dataset, names: Sequence[str], spec: ArraysSpec, rng: np.random.Generator
) -> tuple[list[str], dict[str, Any]]:
    """Length, and mean and scale of each column."""
    import numpy as np
    import polars as pl

    frame = data.table.select(names).collect()
    lengths = np.concatenate([frame[name].list.len().drop_nulls().to_numpy() for name in names])
    lengths = lengths[lengths > 0]
    if not lengths.size:
        raise UserError("arrays.empty", f"no training row has a value in {', '.join(names)}.")
    length = spec.series_length or min(_quantile(lengths), spec.max_series_length)
    too_long = spec.series_length is None and _quantile(lengths) > spec.max_series_length
    scaled = [
        _mean_and_scale(frame[name].explode().cast(pl.Float64).fill_null(float("nan")).to_numpy()) for name in names
    ]
    return list(names), {
        "length": length,
        "fit": spec.series_fit or ("resample" if too_long else "pad_right"),
        "mean": [mean for mean, _ in scaled],
        "scale": [scale for _, scale in scaled],
    }


def _quantile(lengths: np.ndarray) -> int:
    """The length that 95 % do not exceed."""
    import numpy as np

    return int(np.quantile(lengths, 0.95, method="higher"))


# Texts -------------------------------------------------------------------------------------------------------


def _learn_tokens(data: Dataset, name: str, spec: ArraysSpec, rng: np.random.Generator) -> dict[str, Any]:
    from collections import Counter

    import numpy as np

    from modelwright_runtime.arrays.tokens import encoder, normal, words_of

    texts = [text for text in data.column(name).drop_nulls().to_list() if text]
    if not texts:
        raise UserError("arrays.empty", f"no training row has a text in {name!r}.")
    level = spec.text_level or _level(texts)
    most = spec.max_tokens or _MOST_TOKENS[level]
    settings: dict[str, Any] = {"level": level, "casefold": spec.casefold, "length": spec.max_text_length}
    if level == "subword":
        settings |= _learn_subwords([normal(text, casefold=spec.casefold) for text in texts], most, spec)
    else:
        split: Callable[[str], Sequence[str]] = words_of if level == "word" else list
        counts = Counter(token for text in texts for token in split(normal(text, casefold=spec.casefold)))
        ranked = sorted((-count, token) for token, count in counts.items() if count >= spec.min_token_count)
        settings["vocabulary"] = [token for _, token in ranked[:most]]
    encode = encoder(settings)
    lengths = np.array([min(len(encode(text)), spec.max_text_length) for text in texts])
    settings["length"] = spec.text_length or min(spec.max_text_length, -(-_quantile(lengths) // 8) * 8)
    return settings


def _level(texts: Sequence[str]) -> Level:
    """Words, unless most texts have none: names of genes, or a script without blanks."""
    several = sum(len(text.split()) > 1 for text in texts[:N_SAMPLED])
    return "word" if several * 4 >= len(texts[:N_SAMPLED]) else "character"


def _learn_subwords(texts: Sequence[str], most: int, spec: ArraysSpec) -> dict[str, Any]:
    """Byte pairs in the order in which they are joined, by the `tokenizers` library; encoding needs only them."""
    import json
    from collections import Counter

    from modelwright.core.optional import need
    from modelwright_runtime.arrays.tokens import BYTE_LETTERS, in_letters, pieces_of

    tokenizers = need("tokenizers", extra="text", why="a vocabulary of sub-words")
    counts = Counter(piece for text in texts for piece in pieces_of(text))
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=max(most, 257), min_frequency=spec.min_token_count, show_progress=False,
        initial_alphabet=list(BYTE_LETTERS),
    )  # fmt: skip
    model = tokenizers.Tokenizer(tokenizers.models.BPE())
    model.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()  # pieces are divided already
    lines = (" ".join([in_letters(piece)] * count) for piece, count in sorted(counts.items()))
    model.train_from_iterator(lines, trainer)
    told = json.loads(model.to_str())["model"]
    merges = [pair.split(" ") if isinstance(pair, str) else list(pair) for pair in told["merges"]]
    return {"vocabulary": sorted(told["vocab"], key=told["vocab"].__getitem__), "merges": merges}


# Media -------------------------------------------------------------------------------------------------------


def _sample(data: Dataset, name: str, rng: np.random.Generator) -> list[bytes]:
    """Up to 512 cells that are there, in the order of the table."""
    import numpy as np
    import polars as pl

    from modelwright.core.data import ROW_ID

    there = data.table.select(ROW_ID, name).filter(pl.col(name).is_not_null())
    ids = there.select(ROW_ID).collect()[ROW_ID].to_numpy()
    if not len(ids):
        raise UserError("arrays.empty", f"no training row has a file in {name!r}.")
    if len(ids) > N_SAMPLED:
        ids = np.sort(rng.choice(ids, N_SAMPLED, replace=False))
    wanted = pl.Series(ROW_ID, ids, dtype=pl.UInt64)
    return list(there.filter(pl.col(ROW_ID).is_in(wanted.implode())).collect()[name].to_list())


def _readable(cells: Sequence[bytes], name: str, read: Callable[[bytes], Any]) -> list[Any]:
    """What `read` says of the cells that it can read; at least one."""
    from modelwright_runtime.reading import CellError

    found, reason = [], ""
    for cell in cells:
        try:
            found.append(read(cell))
        except CellError as problem:
            reason = str(problem)
    if not found:
        raise UserError("arrays.empty", f"no file in {name!r} can be read: {reason}.")
    return found


def _learn_image(data: Dataset, name: str, spec: ArraysSpec, rng: np.random.Generator) -> dict[str, Any]:
    """Size, channels, and mean and scale of each channel as shares of white."""
    import numpy as np

    from modelwright_runtime.arrays.images import is_grey, pixels, size_of

    cells = _sample(data, name, rng)
    sizes = np.array(_readable(cells, name, size_of))
    given = spec.image_size
    if given is None:
        width, height = _image_size(sizes, spec.max_image_size)
    else:
        height, width = (given, given) if isinstance(given, int) else given
    grey = spec.channels or (1 if all(_readable(cells[:: -(-len(cells) // 64)], name, is_grey)) else 3)
    settings: dict[str, Any] = {"height": height, "width": width, "channels": grey, "fit": spec.image_fit}
    some = cells[:: -(-len(cells) // (N_SAMPLED // 4))]
    shown = np.stack(_readable(some, name, lambda cell: pixels(cell, settings))).astype(np.float64) / 255.0
    settings["mean"] = [round(float(value), 6) for value in shown.mean(axis=(0, 1, 2))]
    settings["scale"] = [round(float(value), 6) or 1.0 for value in shown.std(axis=(0, 1, 2))]
    return settings


def _image_size(sizes: np.ndarray, most: int) -> tuple[int, int]:
    """Width and height: the one that all have, where it is small and a multiple of 4; else the medians brought
    within the limit, in multiples of 8."""
    import numpy as np

    median = np.median(sizes, axis=0)
    if (sizes == sizes[0]).all() and median.max() <= most and not (sizes[0] % 4).any():
        return int(median[0]), int(median[1])
    scale = min(1.0, most / float(median.max()))
    width, height = (max(8, int(round(side * scale / 8)) * 8) for side in median)
    return width, height


def _learn_audio(data: Dataset, name: str, spec: ArraysSpec, rng: np.random.Generator) -> dict[str, Any]:
    """The commonest rate within the limit, and a length that holds 95 %."""
    from collections import Counter

    import numpy as np

    from modelwright_runtime.arrays.audio import read

    found = _readable(_sample(data, name, rng), name, lambda cell: _length_and_rate(read(cell)))
    counts = Counter(rate_hz for _, rate_hz in found)
    commonest = min(counts, key=lambda rate_hz: (-counts[rate_hz], rate_hz))
    rate_hz = spec.audio_rate_hz or min(commonest, spec.max_rate_hz)
    lengths = np.array([-(-length * rate_hz // own_hz) for length, own_hz in found])
    if spec.audio_s is not None:
        n_samples = max(1, int(round(spec.audio_s * rate_hz)))
    else:
        n_samples = min(int(spec.max_audio_s * rate_hz), -(-_quantile(lengths) // 256) * 256)
    return {"rate_hz": int(rate_hz), "n_samples": int(n_samples)}


def _length_and_rate(read: tuple[np.ndarray, int]) -> tuple[int, int]:
    return len(read[0]), read[1]


Learn = Callable[..., Any]
_TOGETHER: tuple[tuple[str, tuple[str, ...], Learn], ...] = (
    ("numbers", ("number", "datetime"), _learn_numbers),
    ("codes", ("category", "boolean"), _learn_codes),
    ("series", ("series",), _learn_series),
)
_ALONE: Mapping[str, tuple[str, Learn]] = {
    "text": ("tokens", _learn_tokens),
    "image": ("image", _learn_image),
    "audio": ("audio", _learn_audio),
}
