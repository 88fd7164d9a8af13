"""What a user says of a network, and what is chosen where they say nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from modelwright.core import registry
from modelwright.core.data import Decision
from modelwright.core.errors import UserError
from modelwright.core.spec import Spec
from modelwright.core.use import Use

if TYPE_CHECKING:
    from modelwright_runtime.signature import ArrayInput, Task

Initialise = Literal["auto", "he", "xavier", "orthogonal", "torch"]

# As users call what a column holds, and as the array is called.
FORMS = {"number": "numbers", "category": "codes", "text": "tokens"}
HEADS = {
    "binary": "class",
    "multiclass": "class",
    "multilabel": "labels",
    "regression": "number",
    "forecast": "forecast",
    "detection": "boxes",
    "segmentation": "mask",
}
FEW_ROWS = 2_000
LARGE_PIXELS = 256  # of the smaller side: here masks are answered at every second pixel, and brought to size


class NetworkSpec(Spec):
    """Encoders, trunk and heads; whatever is left out is chosen by the form and the size of the data.

    >>> NetworkSpec(encoders={"image": "image_resnet"}, width=64).encoders["image"].method
    'image_resnet'
    """

    encoders: dict[str, Use] = Field(
        default={}, description="encoder by form (number, category, text, image, audio, series) or by column"
    )
    trunk: Use | None = Field(default=None, description="what joins the encoders: none, mlp or attention")
    heads: dict[str, Use] = Field(default={}, description="head by target")
    width: int | None = Field(default=None, ge=1, le=16_384, description="width of every part that names none itself")
    dropout: float | None = Field(
        default=None, ge=0, lt=1, description="share of units left out in training, of every part that names none"
    )
    initialise: Initialise = Field(
        default="auto",
        description="first weights: auto (He, orthogonal where it recurs, zero residual), or one for all",
    )
    freeze: tuple[str, ...] = Field(
        default=(), description="encoders whose weights stay as they are, by form or column: after `start` from others"
    )
    rates: dict[str, float] = Field(
        default={}, description="factor of the learning rate of an encoder, by form or column; 0.1 to change it gently"
    )


def default_encoder(input: ArrayInput, n_rows: int | None = None, tasks: tuple[Task, ...] = ()) -> tuple[Use, str]:
    """The encoder for an array where the user names none, and the reason.

    Under 2,000 training rows (or an unknown number) the small settings are taken.

    >>> from modelwright_runtime.signature import ArrayInput, Task
    >>> default_encoder(ArrayInput(form="tokens", columns=("review",)), n_rows=5000)[0].method
    'text_cnn'
    >>> default_encoder(ArrayInput(form="image", columns=("photo",)), tasks=(
    ...     Task(kind="segmentation", target="mask", classes=("a", "b")),))[0].method
    'image_unet'
    """
    kinds = {task.kind for task in tasks}
    few = n_rows is None or n_rows < FEW_ROWS
    if input.form == "numbers":
        if few:
            return Use(method="number"), "few rows: plain standardised numbers"
        return Use(method="number", settings={"embedding": "periodic"}), "rows enough to learn periodic embeddings"
    if input.form == "codes":
        return Use(method="category"), "a learned vector per level"
    if input.form == "tokens":
        return Use(method="text_cnn"), "learns phrases from few texts, and is quick on a CPU"
    if input.form == "audio":
        return Use(method="audio_cnn"), "log-mel spectrogram as a picture: the strongest from scratch"
    if input.form == "series":
        if "forecast" in kinds:
            return Use(method="series_linear"), "a linear map of the normalised past is hard to beat in forecasting"
        if n_rows is not None and n_rows < 500 and int(input.settings.get("length", 0)) >= 50:
            return Use(method="series_rocket"), "few series, and long enough: random convolutions need no learning"
        return Use(method="series_tcn"), "dilated convolutions see short and long patterns"
    if input.form == "image" and kinds & {"detection", "segmentation"}:
        return _for_places(input, boxes="segmentation" not in kinds, few=few)
    return Use(method="image_cnn", settings={"channels": 16 if few else 32}), "a small convolutional network"


def _for_places(input: ArrayInput, *, boxes: bool, few: bool) -> tuple[Use, str]:
    """The encoder that gives a map of where things are."""
    side = min(input.settings.get("height", 0), input.settings.get("width", 0))
    if boxes:
        settings = {"start": 2, "stride": 4 if side < 128 else 8, "channels": 16 if few else 24}
        return Use(method="image_unet", settings=settings), "boxes need a fine map that has seen the surroundings"
    start = 2 if side > LARGE_PIXELS else 1
    settings = {"start": start, "stride": start, "channels": 8 if few else 16}
    return Use(method="image_unet", settings=settings), "masks need a map as fine as what they show"


def plan(
    spec: NetworkSpec, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...], n_rows: int | None = None
) -> tuple[tuple[Use, ...], Use, tuple[Use, ...], tuple[Decision, ...]]:
    """Encoder per input, trunk and head per task, each with every setting checked; and what was chosen for the user.

    Raises `UserError("networks.encoder")` when an encoder does not take the form, `networks.head` when a head
    does not answer the kind of task, `networks.unused` when `encoders` or `heads` names nothing that is there.

    >>> from modelwright_runtime.signature import ArrayInput, Task
    >>> encoders, trunk, heads, decisions = plan(NetworkSpec(dropout=0.2), (
    ...     ArrayInput(form="numbers", columns=("age",)),), (Task(kind="regression", target="y"),))
    >>> encoders[0].method, trunk.settings["dropout"], heads[0].method, len(decisions)
    ('number', 0.2, 'number', 3)
    """
    _check_names(spec, inputs, tasks)
    decisions: list[Decision] = []
    encoders = []
    for input in inputs:
        name, chosen = named(spec.encoders, input), ""
        use = None if name is None else spec.encoders[name]
        if use is None:
            use, chosen = default_encoder(input, n_rows, tasks)
            decisions.append(Decision("networks", f"encoder of {', '.join(input.columns[:3])}", use.method, chosen))
        encoders.append(_encoder(use, spec, input, tasks, chosen))
    trunk, chosen = spec.trunk, ""
    if trunk is None:
        trunk, chosen = _default_trunk(inputs, n_rows)
        decisions.append(Decision("networks", "trunk", trunk.method, chosen))
    wanted = {"width": spec.width, "dropout": spec.dropout}
    trunk = _complete(trunk, registry.get("trunks", trunk.method).spec, wanted, chosen)
    heads = []
    for task in tasks:
        use = spec.heads.get(task.target)
        if use is None:
            use = Use(method=HEADS[task.kind])
            decisions.append(Decision("networks", f"head of {task.target}", use.method, f"the task is {task.kind}"))
        head = registry.get("heads", use.method)
        if task.kind not in head.kinds:
            raise UserError(
                "networks.head",
                f"the head {use.method!r} does not answer the task of {task.target!r}, {task.kind}.",
                hint=f"it answers {', '.join(head.kinds)}",
            )
        heads.append(_complete(use, head.spec, {"dropout": spec.dropout}))
    return tuple(encoders), trunk, tuple(heads), tuple(decisions)


def _default_trunk(inputs: tuple[ArrayInput, ...], n_rows: int | None) -> tuple[Use, str]:
    if len(inputs) == 1 and inputs[0].form not in ("numbers", "codes"):
        return Use(method="none"), "one encoder, whose vector is ready to be read"
    if n_rows is None or n_rows < FEW_ROWS:
        return Use(method="mlp", settings={"layers": 2, "width": 64, "dropout": 0.1}), "a small one, for few rows"
    return Use(method="mlp", settings={"layers": 3, "width": 256, "dropout": 0.1}), "three layers join the columns"


def named(names: Iterable[str], input: ArrayInput) -> str | None:
    """The name that means this array: one of its columns, or else its form."""
    names = tuple(names)
    by_column = (name for name in names if name in input.columns)
    by_form = (name for name in names if FORMS.get(name, name) == input.form)
    return next(by_column, None) or next(by_form, None)


def wanted_inputs(spec: NetworkSpec, inputs: tuple[ArrayInput, ...]) -> tuple[ArrayInput, ...]:
    """The arrays as the encoders that the user names want them: a pretrained model brings its own vocabulary or size of
    pictures. Call it after learning arrays from training rows, and build the network with what it gives.

    >>> from modelwright_runtime.signature import ArrayInput
    >>> inputs = (ArrayInput(form="numbers", columns=("a",)),)
    >>> wanted_inputs(NetworkSpec(encoders={"number": "number"}), inputs) == inputs
    True
    """
    made = []
    for input in inputs:
        name = named(spec.encoders, input)
        if name is not None:
            use = spec.encoders[name]
            encoder = registry.get("encoders", use.method)
            if encoder.wanted is not None and input.form in encoder.forms:
                input = encoder.wanted(encoder.spec.parse(use.settings, where=use.method), input)
        made.append(input)
    return tuple(made)


def _encoder(use: Use, spec: NetworkSpec, input: ArrayInput, tasks: tuple[Task, ...], chosen: str) -> Use:
    encoder = registry.get("encoders", use.method)
    if input.form not in encoder.forms:
        raise UserError(
            "networks.encoder",
            f"the encoder {use.method!r} does not take {', '.join(map(repr, input.columns[:3]))} ({input.form}).",
            hint=f"it takes {', '.join(encoder.forms)}",
        )
    wanted: dict[str, object] = {"width": spec.width, "dropout": spec.dropout}
    if any(task.kind == "forecast" for task in tasks):
        wanted["normalise"] = "row"
    columns = input.form in ("numbers", "codes")
    if columns and spec.trunk is not None and registry.get("trunks", spec.trunk.method).wants_tokens:
        wanted |= {"embedding": "linear", "size": 32}
    return _complete(use, encoder.spec, wanted, chosen)


def _complete(use: Use, spec: type[Spec], wanted: Mapping[str, object], chosen: str = "") -> Use:
    """The use with the shared settings that it can take, checked. What the user names for this part weighs more
    than what they say of all parts, and that more than what was `chosen` for them."""
    shared = {name: value for name, value in wanted.items() if value is not None and name in spec.model_fields}
    settings = spec.parse({**use.settings, **shared} if chosen else {**shared, **use.settings}, where=use.method)
    return Use(method=use.method, settings=settings.to_plain())


def _check_names(spec: NetworkSpec, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...]) -> None:
    columns = {column for input in inputs for column in input.columns}
    forms = {input.form for input in inputs}
    for name in (*spec.encoders, *spec.freeze, *spec.rates):
        if name not in columns and FORMS.get(name, name) not in forms:
            raise UserError(
                "networks.unused",
                f"the network names the input {name!r}, which it does not have.",
                hint=f"forms: {', '.join(sorted(forms))}; columns: {', '.join(sorted(columns)[:20])}",
            )
    targets = {task.target for task in tasks}
    for name in spec.heads:
        if name not in targets:
            raise UserError(
                "networks.unused",
                f"`heads` names {name!r}, which is no target of this network.",
                hint=f"targets: {', '.join(sorted(targets))}",
            )
