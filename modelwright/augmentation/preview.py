"""Pictures of what augmentation does: before and after, for each method and each input. PNG and SVG, by hand."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from modelwright.augmentation.base import Step, augment, prepare
from modelwright.core.use import Use

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from modelwright.training.loop.batch import Batch
    from modelwright_runtime.signature import ArrayInput, Task

N_ROWS, N_DRAWS = 4, 5
"""Rows of the batch that are shown, and how often each is changed."""
_SIDE, _GAP, _LINE = 132, 8, 18
_COLOURS = ((230, 80, 40), (30, 120, 220), (20, 150, 90), (170, 70, 200), (200, 150, 0))


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture: `name` is the method (`all` for the whole list), `of` the columns of the input, `data` the file."""

    name: str
    of: str
    media_type: Literal["image/png", "image/svg+xml"]
    data: bytes


def preview(
    batch: Batch,
    inputs: tuple[ArrayInput, ...],
    tasks: tuple[Task, ...],
    uses: Sequence[Use | Step],
    *,
    seed: int = 0,
) -> tuple[Preview, ...]:
    """The first rows of a batch before and after each method, shown on every row, and after all of them as they are.

    Pictures give PNG (boxes and masks drawn in), sound, series, texts and tables SVG. Classes that are mixed are
    told in their shares. At most `N_ROWS` rows are shown; methods that mix draw partners among 64 rows at most.

    >>> import torch
    >>> from modelwright.training.loop.batch import Batch
    >>> from modelwright_runtime.signature import ArrayInput
    >>> batch = Batch((torch.zeros(2, 8, 8, 3, dtype=torch.uint8),), ())
    >>> made = preview(batch, (ArrayInput(form="image", columns=("photo",)),), (), [Use(method="flip")])
    >>> made[0].name, made[0].of, made[0].data[:4]
    ('flip', 'photo', b'\\x89PNG')
    """
    steps = prepare(uses, inputs, tasks)
    few = replace(
        batch, inputs=tuple(x[:64] for x in batch.inputs), targets=tuple(y[:64] for y in batch.targets), weights=None
    )
    shown: list[tuple[str, tuple[Step, ...]]] = [(step.name, (_always(step),)) for step in steps]
    if len(steps) > 1:
        shown.append(("all", steps))
    made = []
    for name, chain in shown:
        draws = [augment(few, inputs, tasks, chain, seed=seed, epoch=0, step=draw) for draw in range(N_DRAWS)]
        forms = {form for step in chain for form in step.method.forms}
        for position, array in enumerate(inputs):
            if array.form in forms:
                made.append(_one(name, position, array, tasks, [few, *draws]))
    return tuple(made)


def _always(step: Step) -> Step:
    return replace(step, spec=step.spec.but(share=1.0)) if hasattr(step.spec, "share") else step


def _one(name: str, position: int, array: ArrayInput, tasks: tuple[Task, ...], batches: list[Batch]) -> Preview:
    from modelwright.augmentation import _drawn

    of = ", ".join(dict.fromkeys(array.columns))
    told = [_told(batch, tasks) for batch in batches]
    if array.form == "image":
        return Preview(name, of, "image/png", _pictures(name, position, tasks, batches, told))
    xs = [batch.inputs[position][:N_ROWS].cpu() for batch in batches]
    draw = {"audio": _drawn.sound, "series": _drawn.series, "tokens": _drawn.texts}.get(array.form, _drawn.table)
    return Preview(name, of, "image/svg+xml", draw(f"{name}: {of}", xs, array, told).encode())


def _told(batch: Batch, tasks: tuple[Task, ...]) -> list[str]:
    """The class of each row, or the classes and their shares."""
    position = next((index for index, task in enumerate(tasks) if task.is_classification), None)
    if position is None:
        return [""] * N_ROWS
    target, names = batch.targets[position][:N_ROWS].cpu(), tasks[position].classes
    if not target.is_floating_point():
        return [names[row] if row >= 0 else "" for row in target.tolist()]
    return [
        " + ".join(f"{share:.2f} {names[place]}" for place, share in enumerate(row) if share >= 0.01)
        for row in target.tolist()
    ]


def _pictures(name: str, position: int, tasks: tuple[Task, ...], batches: list[Batch], told: list[list[str]]) -> bytes:
    """A grid: a line for each row, the row itself first."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = batches[0].inputs[position].shape[1:3]
    scale = _SIDE / max(height, width)
    cell = (max(1, round(width * scale)), max(1, round(height * scale)))
    n_rows = min(N_ROWS, len(batches[0].inputs[position]))
    across = max(cell[0], 96) + _GAP
    down = cell[1] + _LINE + _GAP
    sheet = Image.new("RGB", (across * len(batches) + _GAP, down * n_rows + _LINE + 2 * _GAP), (255, 255, 255))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    pen.text((_GAP, _GAP // 2), "before", fill=(90, 90, 90), font=font)
    pen.text((_GAP + across, _GAP // 2), f"after {name}", fill=(0, 0, 0), font=font)
    for column, batch in enumerate(batches):
        for row in range(n_rows):
            left, top = _GAP + column * across, _LINE + _GAP + row * down
            sheet.paste(_picture(batch, position, tasks, row, cell), (left, top))
            label = told[column][row]
            if label and (column == 0 or label != told[0][row]):
                pen.text((left, top + cell[1] + 1), _short(label, across // 7), fill=(60, 60, 60), font=font)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _picture(batch: Batch, position: int, tasks: tuple[Task, ...], row: int, cell: tuple[int, int]) -> Image:
    """One picture at its place's size, mask and boxes drawn in."""
    from PIL import Image, ImageDraw

    x = batch.inputs[position][row].cpu()
    shown = Image.fromarray((x[..., 0] if x.shape[2] < 3 else x[..., :3]).numpy()).convert("RGB")
    smaller = cell[0] < x.shape[1]
    shown = shown.resize(cell, Image.Resampling.BOX if smaller else Image.Resampling.NEAREST)
    for target, task in zip(batch.targets, tasks, strict=True):
        if task.kind == "segmentation":
            shown = _with_mask(shown, target[row].cpu(), cell)
        if task.kind == "detection":
            pen = ImageDraw.Draw(shown)
            for kind, *corners in target[row].tolist():
                if kind >= 0:
                    places = [share * cell[number % 2] for number, share in enumerate(corners)]
                    pen.rectangle(places, outline=_COLOURS[int(kind) % len(_COLOURS)], width=2)
    return shown


def _with_mask(shown: Image, mask: Tensor, cell: tuple[int, int]) -> Image:
    """Each class but the first in its colour, half seen through; what is unknown in white."""
    import numpy as np
    from PIL import Image

    classes = mask.numpy()
    colours = np.zeros((*classes.shape, 4), dtype=np.uint8)
    for number in range(1, int(classes.max(initial=0)) + 1):
        colours[classes == number] = (*_COLOURS[(number - 1) % len(_COLOURS)], 110)
    colours[classes < 0] = (255, 255, 255, 170)
    over = Image.fromarray(colours).resize(cell, Image.Resampling.NEAREST)
    return Image.alpha_composite(shown.convert("RGBA"), over).convert("RGB")
