"""The module of `encoders/pretrained.py`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from modelwright.core.optional import need
from modelwright.networks.lora import adapt
from modelwright.networks.modules.attention import seen_somewhere
from modelwright.networks.modules.images import Pixels
from modelwright.networks.modules.pretrained_files import read_json, unreadable
from modelwright.networks.modules.tokens import masked_mean, n_tokens, trimmed

if TYPE_CHECKING:
    from modelwright.networks.encoders.pretrained import PretrainedSpec
    from modelwright_runtime.signature import ArrayInput


class Pretrained(nn.Module):
    """A model of others, told tokens or pixels in its own way."""

    own_start = True
    ids: Tensor

    def __init__(self, spec: PretrainedSpec, input: ArrayInput) -> None:
        super().__init__()
        self.model = _load(spec.model)
        config: Any = self.model.config
        self.width = int(getattr(config, "hidden_size", 0) or config.hidden_sizes[-1])
        self.how, self.layer_decay, self.is_text = spec.pool, spec.layer_decay, input.form == "tokens"
        if self.is_text:
            ids, self.first, self.end = _own_ids(spec.model, input)
            self.register_buffer("ids", ids)
            self.pad = int(ids[0])
            marks = (self.first is not None) + (self.end is not None)
            places = int(getattr(config, "max_position_embeddings", 0) or 2**31)
            offset = self.pad + 1 if config.model_type in ("roberta", "xlm-roberta", "camembert") else 0
            self.most = places - marks - offset
        else:
            self.pixels = Pixels(input)
        n_layers = getattr(config, "num_hidden_layers", 0) or len(config.depths)  # convolutions count stages
        self.layers = _layers(self.model, int(n_layers))
        self._choose(spec)

    def forward(self, x: Tensor) -> Tensor:
        """(n, width)."""
        if not self.is_text:
            said: Tensor = cast("Any", self.model(pixel_values=self.pixels(x))).last_hidden_state
            if said.ndim == 4:
                return said.mean(dim=(2, 3))
            return said[:, 0] if self.how == "first" else said.mean(dim=1)
        ids, there = self._told(trimmed(x)[:, : self.most])
        said = cast("Any", self.model(input_ids=ids, attention_mask=seen_somewhere(there).long())).last_hidden_state
        if self.how == "mean":
            return masked_mean(said, there)
        if self.how == "first":
            return said[:, 0] * there[:, :1].to(said.dtype)
        end = (there.sum(dim=1) - 1).clamp(min=0)[:, None, None].expand(-1, 1, self.width)
        return torch.gather(said, 1, end).squeeze(1) * there[:, :1].to(said.dtype)

    def rate_factors(self) -> dict[str, float]:
        """Factor of the learning rate by prefix: the last layer 1, each one before it `layer_decay` of the next."""
        if self.layer_decay == 1.0:
            return {}
        n_layers = len(self.layers)
        factors = {name: self.layer_decay ** (n_layers - 1 - index) for index, name in enumerate(self.layers)}
        early = dict.fromkeys(self._before_layers(), self.layer_decay**n_layers)
        return early | factors

    def _told(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The model's own numbers (n, steps) with its marks, and where they are."""
        there = tokens != 0
        ids = self.ids[torch.where(tokens < len(self.ids), tokens, 1)]
        if self.first is not None:
            ids = nn.functional.pad(ids, (1, 0), value=self.first)
            there = nn.functional.pad(there, (1, 0), value=True)
        if self.end is not None:
            ids = nn.functional.pad(ids, (0, 1), value=self.pad)
            steps = torch.arange(ids.shape[1], device=ids.device)
            lengths = there.sum(dim=1, keepdim=True)
            ids, there = torch.where(steps == lengths, self.end, ids), steps <= lengths
        return ids, there

    def _choose(self, spec: PretrainedSpec) -> None:
        """Say which weights are trained."""
        if spec.train == "all":
            return
        self.model.requires_grad_(requires_grad=False)
        if spec.train == "lora":
            for name in self.layers:
                layer = self.get_submodule(name)
                _as_linear(layer)
                adapt(layer, (), rank=spec.rank, alpha=spec.alpha)
        elif spec.train == "last":
            frozen = {*self._before_layers(), *self.layers[: -spec.last_layers]}
            for name, parameter in self.named_parameters():
                parameter.requires_grad_(not any(name.startswith(f"{prefix}.") for prefix in frozen))
        else:
            self.is_frozen = True  # its own dropout must not blur what is not trained

    def _before_layers(self) -> list[str]:
        """Modules whose weights come before the first layer's: the embeddings."""
        found: dict[str, None] = {}
        for name, _ in self.named_parameters():
            if name.startswith(f"{self.layers[0]}."):
                break
            found[name.rpartition(".")[0]] = None
        return list(found)


def _load(model: str) -> nn.Module:
    transformers = need("transformers", extra="pretrained", why="a pretrained encoder")
    with _quiet(transformers):
        try:
            loaded: nn.Module = transformers.AutoModel.from_pretrained(
                model,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=Path(model).is_dir(),
                dtype=torch.float32,
            )
        except (OSError, ValueError, RuntimeError, KeyError) as problem:
            raise unreadable(model, problem) from problem
    pooler: Any = getattr(loaded, "pooler", None)
    if pooler is not None and any(True for _ in pooler.parameters()):
        loaded.pooler = None  # type: ignore[assignment]  # its answer is not read
    return loaded


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """No progress bars, no notes; both as they were afterwards."""
    said: Any = transformers.utils.logging
    logger, bars = logging.getLogger("transformers"), said.is_progress_bar_enabled()
    level = logger.level
    logger.setLevel(logging.ERROR)
    said.disable_progress_bar()
    try:
        yield
    finally:
        logger.setLevel(level)
        if bars:
            said.enable_progress_bar()


def _own_ids(model: str, input: ArrayInput) -> tuple[Tensor, int | None, int | None]:
    """Our token to the model's number (0 padding, 1 unknown), and its marks of beginning and end."""
    told, config = read_json(model, "tokenizer.json"), read_json(model, "config.json")
    vocabulary = input.settings["vocabulary"]
    if not told:  # a model trained on our own tokens
        return torch.arange(n_tokens(input)), None, None
    known: dict[str, int] = dict(told["model"]["vocab"])
    known |= {extra["content"]: extra["id"] for extra in told.get("added_tokens", [])}
    pad = config.get("pad_token_id")
    unknown = known.get(str(told["model"].get("unk_token")), 0)
    ids = [0 if pad is None else int(pad), unknown, *(known.get(token, unknown) for token in vocabulary)]
    first, end = _marks(told, known)
    return torch.tensor(ids), first, end


def _marks(told: dict[str, Any], known: dict[str, int]) -> tuple[int | None, int | None]:
    """What stands before and after a text, as the tokeniser's last step says."""
    step = told.get("post_processor") or {}
    steps = step.get("processors", [step])
    for one in steps:
        if one.get("type") in ("BertProcessing", "RobertaProcessing"):
            return int(one["cls"][1]), int(one["sep"][1])
        if one.get("type") == "TemplateProcessing":
            names = [next(iter(part.values()))["id"] if "SpecialToken" in part else None for part in one["single"]]
            place = names.index(None)
            return (
                known[names[0]] if place > 0 and names[0] is not None else None,
                known[str(names[-1])] if place < len(names) - 1 else None,
            )
    return None, None


def _layers(model: nn.Module, n_layers: int) -> list[str]:
    """Names of the model's layers, the first one first, as this encoder names them."""
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == n_layers:
            return [f"model.{name}.{index}" for index in range(n_layers)]
    return ["model"]


def _as_linear(layer: nn.Module) -> None:
    """GPT-2 keeps its matrices the other way round, in a class of its own: put linear layers in their place."""
    for name, module in list(layer.named_modules()):
        if type(module).__name__ == "Conv1D":
            weight, bias = cast(Tensor, module.weight), cast(Tensor, module.bias)
            linear = nn.Linear(weight.shape[0], weight.shape[1])
            with torch.no_grad():
                linear.weight.copy_(weight.T)
                linear.bias.copy_(bias)
            parent, _, own = name.rpartition(".")
            setattr(layer.get_submodule(parent), own, linear)
