"""What must hold of BBN's, URS's and PLM's functions for any batch: order, split, bounds."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from mlcnc.losses.bilateral_mixing import bilateral_mixing_loss
from mlcnc.losses.ideal_ratio import probability_histograms, updated_ratio
from mlcnc.losses.logit_compensation import consistency_loss, frequency_weights, logit_compensation_loss
from mlcnc.losses.partial_label_masking import keep_probability, partial_label_masking_loss
from mlcnc.models.two_classifiers import logit_of_mean_probability

EXACT = {"rtol": 1e-9, "atol": 1e-11}
sizes = st.tuples(st.integers(1, 11), st.integers(1, 7), st.integers(0, 10_000))
unhurried = settings(deadline=None, max_examples=40)


def batch_of(size):
    num_images, num_classes, seed = size
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    return {
        "logits": 9 * uniform(num_images, num_classes) - 4.5,
        "others": 9 * uniform(num_images, num_classes) - 4.5,
        "targets": (uniform(num_images, num_classes) < 0.4).double(),
        "other_targets": (uniform(num_images, num_classes) < 0.4).double(),
        "counts": (uniform(num_classes) * 90 + 1).long(),
        "ratio": 0.01 + 0.99 * uniform(num_classes),
        "compensation": uniform(4, num_classes) + 0.2,
        "generator": generator,
    }


def keep(batch):
    counts, num_images = batch["counts"], torch.tensor(100)
    return keep_probability(batch["targets"], batch["ratio"], class_counts=counts, num_images=num_images)


def losses_of(batch):
    h, y = batch["logits"], batch["targets"]
    weights = frequency_weights(batch["counts"], 100).double()
    return torch.stack(
        [
            bilateral_mixing_loss(h, y, batch["other_targets"], alpha=0.3),
            logit_compensation_loss(h, y, batch["compensation"], weights=weights),
            consistency_loss(h, batch["others"]),
            partial_label_masking_loss(h, y, keep(batch)),
        ]
    )


def rows(batch, chosen):
    names = ("logits", "others", "targets", "other_targets")
    return batch | {name: batch[name][chosen] for name in names}


def columns(batch, chosen):
    names = ("logits", "others", "targets", "other_targets", "counts", "ratio", "compensation")
    return batch | {name: batch[name][..., chosen] for name in names}


@unhurried
@given(sizes)
def test_order_of_classes_and_of_images_does_not_matter(size):
    batch = batch_of(size)
    turned = columns(batch, torch.randperm(size[1], generator=batch["generator"]))
    turned = rows(turned, torch.randperm(size[0], generator=batch["generator"]))
    assert_close(losses_of(turned), losses_of(batch), **EXACT)


@unhurried
@given(sizes, st.integers(0, 11))
def test_losses_are_means_over_images(size, place):
    batch, place = batch_of(size), min(place, size[0])
    parts = [rows(batch, slice(None, place)), rows(batch, slice(place, None))]
    split = sum(losses_of(part) * len(part["targets"]) for part in parts) / size[0]
    assert_close(losses_of(batch), split, **EXACT)


@unhurried
@given(sizes)
def test_an_entry_is_kept_with_a_probability(size):
    batch = batch_of(size)
    probability = keep(batch)
    assert float(probability.min()) > 0
    assert float(probability.max()) <= 1
    other = keep(batch | {"targets": 1 - batch["targets"]})
    assert bool(((probability == 1) | (other == 1)).all())  # a class leaves out one kind alone


@unhurried
@given(sizes, st.floats(0, 2))
def test_ratios_follow_their_classes_and_histograms_add(size, rate):
    batch = batch_of(size)

    def moved(given):
        histograms = probability_histograms(given["logits"].sigmoid(), given["targets"]).double()
        return updated_ratio(given["ratio"], histograms, rate=rate, lowest=0.01)

    ratio = moved(batch)
    assert float(ratio.min()) >= 0.01
    assert float(ratio.max()) <= 1
    order = torch.randperm(size[1], generator=batch["generator"])
    assert_close(moved(columns(batch, order)), ratio[order], **EXACT)
    parts = [rows(batch, slice(None, 3)), rows(batch, slice(3, None))]
    counts = [probability_histograms(part["logits"].sigmoid(), part["targets"]) for part in (batch, *parts)]
    assert torch.equal(counts[0], counts[1] + counts[2])


@unhurried
@given(sizes)
def test_the_mean_of_two_probabilities_lies_between_them(size):
    batch = batch_of(size)
    found = logit_of_mean_probability(batch["logits"], batch["others"])
    low, high = torch.minimum(batch["logits"], batch["others"]), torch.maximum(batch["logits"], batch["others"])
    assert bool(((found >= low - 1e-9) & (found <= high + 1e-9)).all())
    assert_close(logit_of_mean_probability(batch["others"], batch["logits"]), found, **EXACT)
