"""The end of docs/methods.md: the recipe of a race, those of the papers, and what recorded races reached."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from mlcnc.analysis.comparison.bench import legend, spreads
from mlcnc.analysis.runs.rows import BUCKETS
from mlcnc.config import ExperimentConfig
from mlcnc.methods.settings import METHODS, MethodSettings
from mlcnc.original_recipes import EPOCH_IMAGES, ORIGINALS, RECIPES
from mlcnc.presets import BENCHES, bench_config, preset


def benches() -> str:
    """Return what the methods have in common on each bench, and which of them differ in what."""
    lines = ["## Recipe of a race", ""]
    lines += [
        "`mlcnc bench` trains every method with the same backbone, optimiser, schedule, epochs and images, and its own defaults:",
        "",
    ]
    lines += [
        f"- {dataset}, preset `{name}`: {_recipe_words(preset(name))}." for dataset, name in BENCHES.items()
    ]
    lines += [f"- {sentence}" for sentence in _other_than_defaults()]
    lines += [
        "",
        "Each rate that is tried has the decay that keeps the product of both, by which AdamW shrinks the weights at an update, that of the preset.",
    ]
    several = [settings for settings in METHODS.values() if len(settings.streams) > 1]
    trained = [
        settings.title
        for kind, settings in METHODS.items()
        if bench_config("voc07-lt", kind).model.trained_blocks
    ]
    lines += [
        "",
        f"A method of two streams ({_and(several)}) draws half as many images of each, in half as large batches: as many images and steps in all.",
        f"On voc07-lt {' and '.join(trained)} train the last block of the backbone, once for each branch, at a tenth of the rate: without it both would be the same.",
        "",
    ]
    return "\n".join(lines)


def _other_than_defaults() -> list[str]:
    found = []
    for dataset, kind in product(BENCHES, METHODS):
        own, usual = bench_config(dataset, kind).method.model_dump(), METHODS[kind]().model_dump()
        if changed := [f"`{name}` {value}" for name, value in own.items() if value != usual[name]]:
            found.append(f"{METHODS[kind].title} on {dataset} has {', '.join(changed)}, and else its defaults.")
    return found


def _and(several: Sequence[type[MethodSettings]]) -> str:
    return " and ".join(settings.title for settings in several)


def recipes() -> str:
    """Return the recipe of every paper, from the presets and what is said of them."""
    lines = [
        "## Recipes of the papers",
        "",
        "Presets `original-METHOD` train a method as its authors did, on VOC-LT: "
        f"`mlcnc train --preset original-db-focal`. An epoch is {EPOCH_IMAGES:,} images, what DB's class-aware sampling draws, so that plain and "
        "class-aware sampling are equally many iterations, but for MLC-NC; recipes for other data sets keep their epochs and batches. "
        "VOC-LT has no validation split: no epoch is chosen, the last one counts, and nothing may be tuned on its test images. "
        "They are for a GPU.",
        "",
        "| preset | recipe of | settings | otherwise there | not recorded |",
        "|---|---|---|---|---|",
    ]
    for name, kind in ORIGINALS.items():
        recipe = RECIPES[kind]
        cells = (f"`{name}`", recipe.source, _recipe_words(preset(name)), recipe.not_done, recipe.not_recorded)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _recipe_words(config: ExperimentConfig) -> str:
    data, model, training = config.data, config.model, config.training
    schedule = training.schedule.replace("_", " ")
    if training.schedule == "step":
        drops = ", ".join(str(drop) for drop in training.lr_drops)
        schedule = f"times {training.lr_drop_factor:g} after {drops}" if drops else "constant"
    still = {"nothing": "", "stem_and_norms": ", stem and norms frozen", "all": ", frozen"}[model.frozen]
    optimiser = training.optimiser + (" with Nesterov" if training.nesterov else "")
    weights = (
        f" of {'ImageNet' if model.weights == 'imagenet' else model.weights}" if model.weights != "none" else ""
    )
    words = [
        f"{model.backbone}{weights}{still}",
        f"{optimiser} {training.lr:g}" + (f", backbone times {training.backbone_lr_factor:g}" if training.backbone_lr_factor != 1 else ""),
        schedule,
        f"{training.lr_warmup_updates} updates of warm-up" if training.lr_warmup_updates else "",
        f"decay {training.weight_decay:g}",
        f"clip {training.clip_norm:g}" if training.clip_norm else "",
        f"average {training.ema_decay:g}" if training.ema_decay else "",
        f"{training.epochs} epochs, batch {training.batch_size}",
        f"sampler {data.sampler}" if data.sampler else "",
        f"neck of {neck}" if (neck := getattr(config.method, "neck_dim", None)) else "",
        f"augmentation {data.augmentation}" if data.augmentation else "",
        f"{data.image_size} pixels" if data.image_size not in (None, 224) else "",
    ]  # fmt: skip
    return "; ".join(word for word in words if word)


def race(dataset: str, tree: dict[str, Any]) -> str:
    """Return what the methods reached on a bench, from the file that ``mlcnc bench --out`` wrote."""
    seeds, rates = tree["seeds"], ",".join(f"{rate:g}" for rate in tree["rates"])
    references = list(dict.fromkeys(name for method in tree["methods"] for name in method["minus"]))
    heads = ["method", "rate", *BUCKETS]
    heads += [f"{bucket} minus {name}" for name in references for bucket in ("total", "tail")]
    heads += ["seconds", "MB"]
    lines = [
        f"## Measured on {dataset}",
        "",
        f"`mlcnc bench --dataset {dataset} --rates {rates}`: every method on preset `{BENCHES[dataset]}`, see above. "
        f"The learning rates are tried at seed {seeds[0]}, and others beyond them, until the best on validation has a worse one "
        "on either side. Test mAP in percent at the "
        f"last epoch: mean of {len(seeds)} seeds (lowest to highest). *minus*: difference of the mean mAPs with the 95 % "
        "interval of resampled test images, paired; it says nothing of other seeds. Seconds are those of a run's epochs of training, on one thread, each the "
        "quickest of all runs of the method; MB is the least peak of memory, files of cached maps included.",
        "",
        f"| {' | '.join(heads)} |",
        "|---" * len(heads) + "|",
    ]
    for method in tree["methods"]:
        cells = [method["name"], f"{method['rate']:g}"]
        cells += [f"{item.mean:.1f} ({item.low:.1f}-{item.high:.1f})" for item in spreads(method).values()]
        cells += [
            _difference(method["minus"].get(name, {}).get(bucket))
            for name in references
            for bucket in ("total", "tail")
        ]
        cells += ["-" if method[key] is None else f"{method[key]:.0f}" for key in ("seconds", "memory_mb")]
        lines.append(f"| {' | '.join(cells)} |")
    explained = legend(method["key"] for method in tree["methods"])
    return "\n".join(
        [*lines, "", *(f"- {sentence}" for sentence in explained), ""] if explained else [*lines, ""]
    )


def _difference(interval: Sequence[float] | None) -> str:
    if interval is None:
        return "-"
    value, low, high = interval
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"
