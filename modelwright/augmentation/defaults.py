"""`auto`: what is safe to do to rows of each form without knowing what they show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from modelwright.core.registry import get
from modelwright.core.use import Use

if TYPE_CHECKING:
    from modelwright_runtime.signature import ArrayInput, Task

_LARGE_PIXELS = 48
_SMALL_PIXELS = 16
_MANY_ROWS = 50_000
_WORDS_OF_SIDES = re.compile(r"\b(left|right|clockwise|east|west|arrow|mirror(ed)?)\b", re.IGNORECASE)


def default_steps(inputs: Sequence[ArrayInput], tasks: Sequence[Task], n_rows: int) -> tuple[tuple[Use, ...], str]:
    """Steps for `auto`, and why.

    Pictures are shifted and slightly turned and scaled, larger coloured ones also change in light. They are
    mirrored only when they are in colour, larger than 48 pixels, and no class is a letter, a digit or a word of
    sides: grey pictures are often writing. With boxes or masks, which go with the picture, all of this is done to
    grey ones too, and more of it; but pictures with boxes are not turned, since the boxes would lie less tight.
    Sound is shifted, made louder and softer, given noise, and loses bands. Texts lose some words while rows are
    few. Series get a little noise, and of classes other swings. Nothing is done to forecasts, nor to tables, where
    gains are small and uncertain: those methods are asked for by name.

    >>> from modelwright_runtime.signature import ArrayInput, Task
    >>> photo = ArrayInput(form="image", columns=("p",), settings={"height": 96, "width": 96, "channels": 3})
    >>> task = Task(kind="multiclass", target="y", classes=("cat", "dog", "fox"))
    >>> steps, reason = default_steps([photo], [task], 800)
    >>> [step.method for step in steps]
    ['flip', 'rotate', 'scale', 'crop', 'colour']
    >>> digit = ArrayInput(form="image", columns=("p",), settings={"height": 28, "width": 28, "channels": 1})
    >>> [step.method for step in default_steps([digit], [task], 800)[0]]
    ['rotate', 'scale', 'crop']
    """
    steps: list[Use] = []
    reasons: list[str] = []
    for form, told in (("image", _image), ("audio", _audio), ("tokens", _text), ("series", _series)):
        of_form = [array for array in inputs if array.form == form]
        if of_form:
            uses, reason = told(of_form, tasks, n_rows)
            uses = [use for use in uses if {task.kind for task in tasks} <= set(_kinds(use))]
            steps += uses
            reasons.append(reason if uses else f"{form}: nothing keeps these targets true by itself")
    return tuple(steps), "; ".join(reasons) or "rows of a table gain little and not surely from changed copies"


def _kinds(use: Use) -> tuple[str, ...]:
    kinds: tuple[str, ...] = get("augmentation", use.method).kinds
    return kinds


def _use(method: str, **settings: float) -> Use:
    return Use(method=method, settings=settings)


def _image(arrays: Sequence[ArrayInput], tasks: Sequence[Task], n_rows: int) -> tuple[list[Use], str]:
    coloured = all(array.settings.get("channels", 3) >= 3 for array in arrays)
    side = min(int(array.settings.get(name, _LARGE_PIXELS)) for array in arrays for name in ("height", "width"))
    names = [name for task in tasks if task.kind != "segmentation" for name in task.classes]  # a mask's are grey values
    sided = next((name for name in names if _is_sided(name)), None)
    if side < _SMALL_PIXELS:
        return [], f"pictures of fewer than {_SMALL_PIXELS} pixels lose too much when they are moved"
    if any(task.kind in ("detection", "segmentation") for task in tasks):
        return _places(sided, turned=all(task.kind != "detection" for task in tasks))
    uses = [_use("rotate", degrees=8.0), _use("scale", factor=1.1), _use("crop", reach=0.1)]
    if coloured and side >= _LARGE_PIXELS:
        uses.append(_use("colour", brightness=0.2, contrast=0.2, saturation=0.2, hue=0.0))
    if not coloured:
        why = "not mirrored: grey pictures are often writing"
    elif side < _LARGE_PIXELS:
        why = f"not mirrored: smaller than {_LARGE_PIXELS} pixels, they may be signs"
    elif sided is not None:
        why = f"not mirrored: the class {sided!r} may not survive it"
    else:
        uses.insert(0, _use("flip"))
        why = "mirrored: coloured, and no class is a letter, a digit or a side"
    return uses, f"pictures are moved a little, {why}"


def _places(sided: str | None, *, turned: bool) -> tuple[list[Use], str]:
    """For boxes and masks: pictures are few, and where things are goes with them."""
    uses = [] if sided is not None else [_use("flip")]
    if turned:
        uses.append(_use("rotate", degrees=15.0))
    uses += [_use("scale", factor=1.3), _use("crop", reach=0.1)]
    uses.append(_use("colour", brightness=0.2, contrast=0.2, saturation=0.2, hue=0.0))
    why = "mirrored" if sided is None else f"not mirrored: the class {sided!r} may not survive it"
    return uses, f"pictures are moved, and boxes and masks with them; {why}"


def _is_sided(name: str) -> bool:
    """Whether a class may change when its picture is mirrored.

    >>> [_is_sided(name) for name in ("7", "b", "turn_left", "cat")]
    [True, True, True, False]
    """
    return len(name) <= 1 or name.isdigit() or bool(_WORDS_OF_SIDES.search(name.replace("_", " ")))


def _audio(arrays: Sequence[ArrayInput], tasks: Sequence[Task], n_rows: int) -> tuple[list[Use], str]:
    uses = [_use("audio_shift"), _use("audio_gain"), _use("audio_noise", least_db=15.0)]
    return [*uses, _use("spec_augment")], "sound may begin earlier, be louder, noisier and miss some bands"


def _text(arrays: Sequence[ArrayInput], tasks: Sequence[Task], n_rows: int) -> tuple[list[Use], str]:
    if n_rows >= _MANY_ROWS:
        return [], f"text: {n_rows:,} rows are enough"
    return [_use("word_dropout", tokens=0.1)], "texts lose a tenth of their words now and then: rows are few"


def _series(arrays: Sequence[ArrayInput], tasks: Sequence[Task], n_rows: int) -> tuple[list[Use], str]:
    if any(task.kind == "forecast" for task in tasks):
        return [], "series: a forecast goes on from the very values"
    uses = [_use("jitter", deviation=0.03)]
    if all(task.is_classification for task in tasks):
        uses.append(_use("amplitude", deviation=0.1))
    return uses, "series get noise of 3 % of their scale, and of classes other swings"
