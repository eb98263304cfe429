"""What would make a training fail at once, said before it is begun and without torch."""

from __future__ import annotations

import functools
import importlib.util
import os
from pathlib import Path

from mlcnc.config import DataConfig, ExperimentConfig, ModelConfig
from mlcnc.data import DatasetFacts, dataset_facts
from mlcnc.data.samplers import require_sampler
from mlcnc.devices import chosen_device, device_lock
from mlcnc.errors import ConfigError, DataError, LaunchError, StoreError, UnknownDatasetError
from mlcnc.glove import read_glove
from mlcnc.named_paths import named_path, path_in_variable
from mlcnc.store import require_free_space, require_runs_folder


def obstacles(config: ExperimentConfig, runs_root: str | Path, device: str = "auto") -> tuple[str, ...]:
    """Return one sentence for every reason for which a run of these settings would fail at once.

    Args:
        config: of the run.
        runs_root: where its folder will be.
        device: ``auto``, ``cpu``, ``mps`` or ``cuda:N``; with auto the config's own device counts.

    Returns:
        Empty where nothing is known to be wrong. Whether the memory suffices is not known before.
    """
    found = [
        *_of_folder(runs_root),
        *_of_device(config, device),
        *_of_sampler(config.data),
        *_of_backbone(config.model),
    ]
    try:
        facts = dataset_facts(config.data.dataset)
    except UnknownDatasetError as error:
        return (*found, str(error))
    found += _of_photographs(config.data, facts)
    return (*found, *_of_settings(config, facts), *_of_embedding(config, facts))


def _of_folder(runs_root: str | Path) -> list[str]:
    try:
        require_runs_folder(runs_root)
        require_free_space(runs_root)
    except StoreError as error:
        return [str(error)]
    return []


def _of_device(config: ExperimentConfig, device: str) -> list[str]:
    try:
        device_lock(chosen_device(config.training.device if device == "auto" else device).lane)
    except LaunchError as error:
        return [str(error)]
    return []


def _of_sampler(data: DataConfig) -> list[str]:
    try:
        require_sampler(data.sampler or "uniform")
    except ConfigError as error:
        return [str(error)]
    return []


def _of_photographs(data: DataConfig, facts: DatasetFacts) -> list[str]:
    if facts.root is None:
        return []
    try:
        facts.root(None if data.root is None else named_path(data.root))
    except DataError as error:
        return [str(error)]
    except (OSError, ValueError):
        return [f"data.root must be a folder that can be read, got {data.root!r}"]
    return []


def _of_settings(config: ExperimentConfig, facts: DatasetFacts) -> list[str]:
    found = []
    size = config.data.image_size
    if size is not None and facts.image_sizes and size not in facts.image_sizes:
        sizes = ", ".join(str(size) for size in facts.image_sizes)
        found.append(f"data.image_size of {config.data.dataset} must be one of {sizes}, got {size}")
    drawn = config.data.num_samples or facts.num_train
    if 0 < drawn < config.training.batch_size:
        found.append(
            f"training.batch_size {config.training.batch_size} is larger than the {drawn} images of an epoch; "
            f"choose at most {drawn}"
        )
    if (problem := config.problem_with_batches(drawn)) is not None:
        found.append(problem)
    return found


def _of_backbone(model: ModelConfig) -> list[str]:
    """Return what is known to be wrong with the backbone without torch."""
    found, name, several = [], model.backbone, model.backbone.startswith(("timm/", "efficientnet_"))
    if name == "small" and (model.weights != "none" or model.weights_file is not None):
        setting = "weights" if model.weights_file is None else "weights_file"
        found.append(f"model.{setting}: the small backbone has no pre-trained weights; use none")
    elif (place := model.weights_file) is not None and "://" not in place:
        path = named_path(place)
        if not os.path.isfile(path):
            found.append(
                f"the weights file {path} is not there; name a file or an address in model.weights_file"
            )
    if several and importlib.util.find_spec("timm") is None:
        found.append(
            f"model.backbone {name} needs the package timm, which is not installed: pip install mlcnc[photos]"
        )
    if model.stage is not None and not several:
        found.append(f"model.stage must be none for {name}, which has one map, got {model.stage}")
    if model.trained_blocks and model.frozen != "all":
        found.append(
            f"model.trained_blocks must be 0 where model.frozen is {model.frozen}, got {model.trained_blocks}"
        )
    return found


def _of_embedding(config: ExperimentConfig, facts: DatasetFacts) -> list[str]:
    """Return what is wrong with the label vectors of a method that has some."""
    settings, num_classes = config.method.model_dump(), len(facts.class_names)
    kind, dim = settings.get("label_embedding"), settings.get("embedding_dim")
    if (problem := config.method.problem_with_classes(num_classes)) is not None:
        return [f"method.{problem}"]
    if not config.method.needs_glove:
        return []
    given = settings.get("glove_path")
    named = named_path(given) if given else path_in_variable("MLCNC_GLOVE")
    if named is None:
        reason = f"method.kind is {config.method.kind}" if kind is None else f"method.label_embedding is {kind}"
        return [
            f"{reason} but no file of vectors is named; name one with --glove PATH, method.glove_path "
            "or the MLCNC_GLOVE variable, or download one with: mlcnc glove --out FOLDER"
        ]
    if not facts.class_names:
        return []  # of a data set whose classes are known when it is read
    path = str(named)
    try:
        found = os.stat(path)
        width = _checked_width(
            path, (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns), facts.class_names
        )
    except OSError as error:
        return [f"the GloVe file {path} cannot be read: {error.strerror}"]
    except DataError as error:
        return [str(error)]
    if dim is not None and width != dim:
        return [
            f"method.embedding_dim must be {width}, the dimension of {path}, got {dim}; "
            "method.num_heads must divide it"
        ]
    return []


@functools.lru_cache(maxsize=32)
def _checked_width(path: str, identity: tuple[int, ...], class_names: tuple[str, ...]) -> int:
    return int(read_glove(path, class_names).shape[1])
