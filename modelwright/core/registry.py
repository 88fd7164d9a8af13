"""The lazy registry: (stage, method) to "module:function" and its implementation version, as strings.

Nothing is imported until a method is asked for. Third parties add theirs as entry points of the group
`modelwright.<stage>`, in the same form. `version` goes into the store's keys: it is bumped by hand when a
method's results change, and `tests/architecture` fails when the code moved and the version did not.
"""

from __future__ import annotations

import importlib
import os
import warnings
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from modelwright.core.errors import UserError, nearest


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a method lives and which version of it this is."""

    where: str
    version: int = 1


BUILT_IN: dict[str, dict[str, Entry]] = {
    "collection": {"collect": Entry("modelwright.collection.base:collect")},
    "cleaning": {
        "clean": Entry("modelwright.cleaning.base:clean", 2),
        "mend": Entry("modelwright.cleaning.mend:mend"),
    },
    "mending": {
        "blanks": Entry("modelwright.cleaning.blanks:MEND"),
        "wrong_cells": Entry("modelwright.cleaning.tables.base:MEND", 2),
        "encoding": Entry("modelwright.cleaning.texts.encoding:MEND"),
        "masking": Entry("modelwright.cleaning.texts.masking:MEND"),
        "spelling": Entry("modelwright.cleaning.texts.spelling:MEND"),
        "boilerplate": Entry("modelwright.cleaning.texts.boilerplate:MEND"),
        "language": Entry("modelwright.cleaning.texts.languages:MEND"),
        "text_quality": Entry("modelwright.cleaning.texts.quality:MEND"),
        "pictures": Entry("modelwright.cleaning.pictures.screening:MEND"),
        "picture_repair": Entry("modelwright.cleaning.pictures.repairing:MEND"),
        "sounds": Entry("modelwright.cleaning.sounds.screening:MEND"),
        "signals": Entry("modelwright.cleaning.signals.checks:MEND"),
        "denoising": Entry("modelwright.cleaning.signals.denoising:MEND"),
        "outliers": Entry("modelwright.cleaning.outliers.mending:MEND"),
        "label_errors": Entry("modelwright.cleaning.labels.mending:MEND"),
        "fuzzy_duplicates": Entry("modelwright.cleaning.matching.fuzzy:MEND"),
        "near_duplicate_texts": Entry("modelwright.cleaning.matching.near:MEND"),
    },
    "profiling": {"requirements": Entry("modelwright.profiling.requirements.base:met")},
    "sequences": {"window": Entry("modelwright.sequences.base:window")},
    "labelling": {"join": Entry("modelwright.labelling.joining:join")},
    "splitting": {"split": Entry("modelwright.splitting.base:split")},
    "features": {
        "indicator": Entry("modelwright.features.indicator:STEP"),
        "impute": Entry("modelwright.features.impute:STEP"),
        "standardise": Entry("modelwright.features.standardise:STEP"),
        "minmax": Entry("modelwright.features.minmax:STEP"),
        "robust": Entry("modelwright.features.robust:STEP"),
        "onehot": Entry("modelwright.features.onehot:STEP"),
        "ordinal": Entry("modelwright.features.ordinal:STEP"),
        "frequency": Entry("modelwright.features.frequency:STEP"),
        "target": Entry("modelwright.features.target:STEP"),
        "dates": Entry("modelwright.features.dates:STEP"),
        "text": Entry("modelwright.features.text:STEP"),
        "pairs": Entry("modelwright.features.pairs:STEP"),
    },
    "models": {
        "constant": Entry("modelwright.models.constant:MODEL"),
        "linear": Entry("modelwright.models.linear:MODEL", 2),
        "tree": Entry("modelwright.models.tree:MODEL"),
        "forest": Entry("modelwright.models.forest:MODEL"),
        "extra_trees": Entry("modelwright.models.extra_trees:MODEL"),
        "boosting": Entry("modelwright.models.boosting:MODEL"),
        "catboost": Entry("modelwright.models.catboost:MODEL"),
        "xgboost": Entry("modelwright.models.xgboost:MODEL"),
        "mlp": Entry("modelwright.models.mlp:MODEL"),
        "svm": Entry("modelwright.models.svm:MODEL"),
        "neighbours": Entry("modelwright.models.neighbours:MODEL"),
        "bayes": Entry("modelwright.models.bayes:MODEL"),
    },
    "unsupervised": {
        "anomaly": Entry("modelwright.unsupervised.anomalies:anomalies"),
        "clusters": Entry("modelwright.unsupervised.clusters:clusters"),
        "embedding": Entry("modelwright.unsupervised.embedding:embedding"),
    },
    "detectors": {
        "isolation_forest": Entry("modelwright.unsupervised.detectors.isolation_forest:DETECTOR"),
        "ecod": Entry("modelwright.unsupervised.detectors.ecod:DETECTOR"),
        "spread": Entry("modelwright.unsupervised.detectors.spread:DETECTOR"),
        "histogram": Entry("modelwright.unsupervised.detectors.histogram:DETECTOR"),
        "distance": Entry("modelwright.unsupervised.detectors.distance:DETECTOR"),
        "ellipse": Entry("modelwright.unsupervised.detectors.ellipse:DETECTOR"),
        "lof": Entry("modelwright.unsupervised.detectors.lof:DETECTOR"),
    },
    "clusterings": {
        "kmeans": Entry("modelwright.unsupervised.clusterings.kmeans:CLUSTERING"),
        "mixture": Entry("modelwright.unsupervised.clusterings.mixture:CLUSTERING"),
        "hdbscan": Entry("modelwright.unsupervised.clusterings.hdbscan:CLUSTERING"),
        "communities": Entry("modelwright.unsupervised.clusterings.communities:CLUSTERING"),
    },
    "embeddings": {
        "pca": Entry("modelwright.unsupervised.embeddings.pca:EMBEDDING"),
        "umap": Entry("modelwright.unsupervised.embeddings.umap:EMBEDDING"),
    },
    "networks": {"build": Entry("modelwright.networks.network:build")},
    "encoders": {
        "number": Entry("modelwright.networks.encoders.number:ENCODER"),
        "category": Entry("modelwright.networks.encoders.category:ENCODER"),
        "text_cnn": Entry("modelwright.networks.encoders.text_cnn:ENCODER", version=2),
        "text_recurrent": Entry("modelwright.networks.encoders.text_recurrent:ENCODER"),
        "text_transformer": Entry("modelwright.networks.encoders.text_transformer:ENCODER"),
        "image_cnn": Entry("modelwright.networks.encoders.image_cnn:ENCODER"),
        "image_resnet": Entry("modelwright.networks.encoders.image_resnet:ENCODER"),
        "image_vit": Entry("modelwright.networks.encoders.image_vit:ENCODER"),
        "image_unet": Entry("modelwright.networks.encoders.image_unet:ENCODER"),
        "audio_cnn": Entry("modelwright.networks.encoders.audio_cnn:ENCODER"),
        "audio_transformer": Entry("modelwright.networks.encoders.audio_transformer:ENCODER"),
        "series_tcn": Entry("modelwright.networks.encoders.series_tcn:ENCODER"),
        "series_inception": Entry("modelwright.networks.encoders.series_inception:ENCODER"),
        "series_recurrent": Entry("modelwright.networks.encoders.series_recurrent:ENCODER"),
        "series_patch": Entry("modelwright.networks.encoders.series_patch:ENCODER"),
        "series_rocket": Entry("modelwright.networks.encoders.series_rocket:ENCODER"),
        "series_linear": Entry("modelwright.networks.encoders.series_linear:ENCODER"),
        "pretrained": Entry("modelwright.networks.encoders.pretrained:ENCODER"),
    },
    "trunks": {
        "none": Entry("modelwright.networks.trunks.none:TRUNK"),
        "mlp": Entry("modelwright.networks.trunks.mlp:TRUNK"),
        "attention": Entry("modelwright.networks.trunks.attention:TRUNK"),
    },
    "heads": {
        "class": Entry("modelwright.networks.heads.classes:HEAD"),
        "labels": Entry("modelwright.networks.heads.labels:HEAD"),
        "number": Entry("modelwright.networks.heads.number:HEAD"),
        "quantiles": Entry("modelwright.networks.heads.quantiles:HEAD"),
        "forecast": Entry("modelwright.networks.heads.forecast:HEAD"),
        "sequence": Entry("modelwright.networks.heads.sequence:HEAD"),
        "boxes": Entry("modelwright.networks.heads.boxes:HEAD"),
        "mask": Entry("modelwright.networks.heads.mask:HEAD"),
    },
    "losses": {
        "cross_entropy": Entry("modelwright.training.objectives.cross_entropy:LOSS"),
        "focal": Entry("modelwright.training.objectives.focal:LOSS"),
        "gce": Entry("modelwright.training.objectives.gce:LOSS"),
        "bce": Entry("modelwright.training.objectives.bce:LOSS"),
        "mse": Entry("modelwright.training.objectives.mse:LOSS"),
        "mae": Entry("modelwright.training.objectives.mae:LOSS"),
        "huber": Entry("modelwright.training.objectives.huber:LOSS"),
        "quantile": Entry("modelwright.training.objectives.quantile:LOSS"),
        "ctc": Entry("modelwright.training.objectives.ctc:LOSS"),
        "contrastive": Entry("modelwright.training.objectives.contrastive:LOSS"),
        "relative": Entry("modelwright.training.objectives.relative:LOSS"),
        "dice": Entry("modelwright.training.objectives.dice:LOSS"),
        "box": Entry("modelwright.training.objectives.box:LOSS"),
    },
    "optimizers": {
        "sgd": Entry("modelwright.training.optimizers.sgd:OPTIMIZER"),
        "adagrad": Entry("modelwright.training.optimizers.adagrad:OPTIMIZER"),
        "adadelta": Entry("modelwright.training.optimizers.adadelta:OPTIMIZER"),
        "rmsprop": Entry("modelwright.training.optimizers.rmsprop:OPTIMIZER"),
        "adam": Entry("modelwright.training.optimizers.adam:OPTIMIZER"),
        "adamw": Entry("modelwright.training.optimizers.adamw:OPTIMIZER"),
        "nadam": Entry("modelwright.training.optimizers.nadam:OPTIMIZER"),
        "lion": Entry("modelwright.training.optimizers.lion:OPTIMIZER"),
        "muon": Entry("modelwright.training.optimizers.muon:OPTIMIZER"),
        "lbfgs": Entry("modelwright.training.optimizers.lbfgs:OPTIMIZER"),
        "soap": Entry("modelwright.training.optimizers.soap:OPTIMIZER"),
    },
    "schedules": {
        "constant": Entry("modelwright.training.schedules.constant:SCHEDULE"),
        "step": Entry("modelwright.training.schedules.step:SCHEDULE"),
        "cosine": Entry("modelwright.training.schedules.cosine:SCHEDULE"),
        "one_cycle": Entry("modelwright.training.schedules.one_cycle:SCHEDULE"),
        "linear": Entry("modelwright.training.schedules.linear:SCHEDULE"),
        "on_plateau": Entry("modelwright.training.schedules.on_plateau:SCHEDULE"),
    },
    "augmentation": {
        "flip": Entry("modelwright.augmentation.flip:AUGMENTATION"),
        "rotate": Entry("modelwright.augmentation.affine:ROTATE"),
        "scale": Entry("modelwright.augmentation.affine:SCALE"),
        "shear": Entry("modelwright.augmentation.affine:SHEAR"),
        "crop": Entry("modelwright.augmentation.crop:AUGMENTATION"),
        "zoom": Entry("modelwright.augmentation.crop:ZOOM"),
        "elastic": Entry("modelwright.augmentation.elastic:AUGMENTATION"),
        "colour": Entry("modelwright.augmentation.colour:AUGMENTATION"),
        "blur": Entry("modelwright.augmentation.blur:AUGMENTATION"),
        "noise": Entry("modelwright.augmentation.noise:AUGMENTATION"),
        "cutout": Entry("modelwright.augmentation.cutout:AUGMENTATION"),
        "mixup": Entry("modelwright.augmentation.mixing:MIX_UP"),
        "cutmix": Entry("modelwright.augmentation.mixing:CUT_MIX"),
        "rand_augment": Entry("modelwright.augmentation.policies:RAND_AUGMENT"),
        "trivial_augment": Entry("modelwright.augmentation.policies:TRIVIAL_AUGMENT"),
        "word_dropout": Entry("modelwright.augmentation.text:DROPOUT"),
        "word_deletion": Entry("modelwright.augmentation.text:DELETION"),
        "word_swap": Entry("modelwright.augmentation.text:SWAP"),
        "word_insertion": Entry("modelwright.augmentation.text:INSERTION"),
        "word_replacement": Entry("modelwright.augmentation.text:REPLACEMENT"),
        "spelling": Entry("modelwright.augmentation.text:SPELLING"),
        "audio_noise": Entry("modelwright.augmentation.audio:NOISE"),
        "audio_shift": Entry("modelwright.augmentation.audio:SHIFT"),
        "audio_gain": Entry("modelwright.augmentation.audio:GAIN"),
        "audio_stretch": Entry("modelwright.augmentation.spectral:STRETCH"),
        "audio_pitch": Entry("modelwright.augmentation.spectral:PITCH"),
        "spec_augment": Entry("modelwright.augmentation.spectral:SPEC_AUGMENT"),
        "jitter": Entry("modelwright.augmentation.series:JITTER"),
        "amplitude": Entry("modelwright.augmentation.series:AMPLITUDE"),
        "magnitude_warp": Entry("modelwright.augmentation.series:MAGNITUDE_WARP"),
        "time_warp": Entry("modelwright.augmentation.series:TIME_WARP"),
        "window": Entry("modelwright.augmentation.series:WINDOW"),
        "smote": Entry("modelwright.augmentation.tables:SMOTE"),
        "feature_noise": Entry("modelwright.augmentation.tables:FEATURE_NOISE"),
        "swap_noise": Entry("modelwright.augmentation.tables:SWAP_NOISE"),
    },
    "doctor": {
        "not_finite": Entry("modelwright.training.doctor.not_finite:SYMPTOM"),
        "unscaled_inputs": Entry("modelwright.training.doctor.scale:INPUTS"),
        "unscaled_targets": Entry("modelwright.training.doctor.scale:TARGETS"),
        "shuffled_labels": Entry("modelwright.training.doctor.labels:SHUFFLED"),
        "contradictory_labels": Entry("modelwright.training.doctor.labels:CONTRADICTORY"),
        "class_imbalance": Entry("modelwright.training.doctor.labels:IMBALANCE"),
        "leakage": Entry("modelwright.training.doctor.leakage:SYMPTOM"),
        "loss_at_start": Entry("modelwright.training.doctor.start:SYMPTOM"),
        "learning_rate_high": Entry("modelwright.training.doctor.learning_rate:HIGH_RATE"),
        "learning_rate_low": Entry("modelwright.training.doctor.learning_rate:LOW_RATE"),
        "exploding_gradients": Entry("modelwright.training.doctor.gradients:EXPLODING_GRADIENTS"),
        "vanishing_gradients": Entry("modelwright.training.doctor.gradients:VANISHING_GRADIENTS"),
        "dead_units": Entry("modelwright.training.doctor.units:DEAD_UNITS"),
        "saturated_units": Entry("modelwright.training.doctor.units:SATURATED_UNITS"),
        "overfitting": Entry("modelwright.training.doctor.generalisation:OVERFITTING"),
        "underfitting": Entry("modelwright.training.doctor.generalisation:UNDERFITTING"),
        "class_collapse": Entry("modelwright.training.doctor.collapse:SYMPTOM"),
        "loss_spikes": Entry("modelwright.training.doctor.course:SPIKES"),
        "oscillation": Entry("modelwright.training.doctor.course:OSCILLATION"),
        "plateau": Entry("modelwright.training.doctor.course:PLATEAU"),
        "batch_too_small": Entry("modelwright.training.doctor.batch_size:SMALL"),
        "batch_too_large": Entry("modelwright.training.doctor.batch_size:LARGE"),
        "mode_collapse": Entry("modelwright.training.doctor.modes:SYMPTOM"),
    },
    "truth": {
        "majority": Entry("modelwright.labelling.truth.majority:majority"),
        "dawid_skene": Entry("modelwright.labelling.truth.dawid_skene:dawid_skene"),
        "glad": Entry("modelwright.labelling.truth.glad:glad"),
        "mace": Entry("modelwright.labelling.truth.mace:mace"),
    },
    "acquisition": {
        "margin": Entry("modelwright.labelling.active.uncertainty:margin"),
        "least_confident": Entry("modelwright.labelling.active.uncertainty:least_confident"),
        "entropy": Entry("modelwright.labelling.active.uncertainty:entropy"),
        "bald": Entry("modelwright.labelling.active.bald:bald"),
        "typical": Entry("modelwright.labelling.active.spread:typical"),
        "random": Entry("modelwright.labelling.active.uncertainty:random"),
    },
    "tracking": {
        "tensorboard": Entry("modelwright.tracking.tensorboard:TRACKER"),
        "mlflow": Entry("modelwright.tracking.mlflow:TRACKER"),
        "wandb": Entry("modelwright.tracking.wandb:TRACKER"),
    },
    "tuning": {"tune": Entry("modelwright.tuning.base:tune")},
    "searches": {
        "grid": Entry("modelwright.tuning.searches.grid:SEARCH"),
        "random": Entry("modelwright.tuning.searches.random:SEARCH"),
        "qmc": Entry("modelwright.tuning.searches.qmc:SEARCH"),
        "tpe": Entry("modelwright.tuning.searches.tpe:SEARCH"),
        "gp": Entry("modelwright.tuning.searches.gp:SEARCH"),
        "cmaes": Entry("modelwright.tuning.searches.cmaes:SEARCH"),
    },
    "pruners": {
        "median": Entry("modelwright.tuning.pruners.median:PRUNER"),
        "halving": Entry("modelwright.tuning.pruners.halving:PRUNER"),
        "hyperband": Entry("modelwright.tuning.pruners.hyperband:PRUNER"),
    },
    "training": {"train": Entry("modelwright.training.base:train", 2)},
    "evaluation": {
        "evaluate": Entry("modelwright.evaluation.base:evaluate", 2),
        "card": Entry("modelwright.evaluation.card:model_card", 2),
        "page": Entry("modelwright.evaluation.report:report_page", 2),
        "measures": Entry("modelwright.evaluation.catalogue:measures_of"),
    },
    "explanation": {"explain": Entry("modelwright.explanation.base:explain")},
    "fairness": {"audit": Entry("modelwright.fairness.base:audit")},
    "monitoring": {
        "profile": Entry("modelwright.monitoring.reference:profile"),
        "compare": Entry("modelwright.monitoring.base:compare"),
        "decide": Entry("modelwright.monitoring.decide:decide"),
    },
    "packaging": {
        "package": Entry("modelwright.packaging.base:package"),
        "compress": Entry("modelwright.packaging.compression.base:compress"),
        "targets": Entry("modelwright.packaging.targets.base:write_targets", version=2),
    },
    "compression": {
        "lean_trees": Entry("modelwright.packaging.compression.lean_trees:COMPRESSION"),
        "smaller_forest": Entry("modelwright.packaging.compression.smaller_forest:COMPRESSION"),
        "prune": Entry("modelwright.packaging.compression.prune:COMPRESSION"),
        "student": Entry("modelwright.packaging.compression.student:COMPRESSION"),
        "int8_weights": Entry("modelwright.packaging.compression.int8_weights:COMPRESSION"),
        "float16": Entry("modelwright.packaging.compression.float16:COMPRESSION"),
        "dynamic_int8": Entry("modelwright.packaging.compression.dynamic_int8:COMPRESSION"),
        "static_int8": Entry("modelwright.packaging.compression.static_int8:COMPRESSION"),
    },
}


def entries(stage: str) -> dict[str, Entry]:
    """All methods of a stage: built-in ones and those of installed plug-ins."""
    if stage not in BUILT_IN:
        raise UserError("registry.stage", f"there is no stage {stage!r}.", hint=nearest(stage, BUILT_IN))
    return {**_plug_ins(stage), **BUILT_IN[stage]}


def _plug_ins(stage: str) -> dict[str, Entry]:
    if os.environ.get("WRIGHT_PLUGINS") == "off":
        return {}
    from importlib.metadata import entry_points

    return {point.name: Entry(point.value) for point in entry_points(group=f"modelwright.{stage}")}


def entry(stage: str, name: str) -> Entry:
    """Where a method lives; plug-ins are looked for only when no built-in has the name."""
    built_in = BUILT_IN.get(stage, {})
    if name in built_in:
        return built_in[name]
    found = entries(stage)
    if name not in found:
        raise UserError("registry.name", f"{stage} has no method {name!r}.", hint=nearest(name, found))
    return found[name]


def versions(stage: str) -> dict[str, int]:
    """The version of every built-in method of a stage, for the keys of a stage that calls them by name."""
    return {name: entry.version for name, entry in BUILT_IN[stage].items()}


def get(stage: str, name: str) -> Any:
    """Import and return one method.

    >>> get("models", "forrest")
    Traceback (most recent call last):
    modelwright_runtime.errors.UserError: models has no method 'forrest'.
    Hint: did you mean `forest`? Known: bayes, boosting, constant, ... [registry.name]
    """
    module, _, attribute = entry(stage, name).where.partition(":")
    return getattr(importlib.import_module(module), attribute)


def verbs(stage: str) -> ModuleType:
    """The public functions of a stage, for a stage that builds on it (training on features).

    >>> verbs("features").preset("plain").most_few
    10
    """
    if stage not in BUILT_IN:
        raise UserError("registry.stage", f"there is no stage {stage!r}.", hint=nearest(stage, BUILT_IN))
    return importlib.import_module(f"modelwright.{stage}")


def methods(stage: str) -> dict[str, Any]:
    """Every method of a stage, imported. A plug-in that does not import warns with its name and is skipped."""
    found = {}
    for name in entries(stage):
        try:
            found[name] = get(stage, name)
        except (ImportError, AttributeError) as problem:
            if name in BUILT_IN[stage]:
                raise
            warnings.warn(f"plug-in {name!r} of modelwright.{stage} is skipped: {problem}", stacklevel=2)
    return found
