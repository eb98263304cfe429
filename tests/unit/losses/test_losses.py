import json
from functools import partial

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from mlcnc.etf import simplex_etf
from mlcnc.losses import (
    MLCNCLoss,
    binary_cross_entropy_loss,
    collapse_calibration_loss,
    feature_alignment_loss,
    two_way_loss,
)
from mlcnc.models import HeadOutput
from mlcnc.models.class_attention import attend_by_cosine
from tests.reference import equations

B, C, D, P = 7, 5, 11, 3


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(4)
    targets = (torch.rand(B, C, generator=generator) < 0.4).double()
    targets[0], targets[1, :], targets[:, 2] = 0, 1, 0
    random = {
        "features": torch.randn(B, C, D, generator=generator, dtype=torch.float64),
        "mu": torch.randn(B, C, P, generator=generator, dtype=torch.float64),
        "means": torch.randn(C, P, generator=generator, dtype=torch.float64),
        "logits": 3 * torch.randn(B, C, generator=generator, dtype=torch.float64),
    }
    return random | {"targets": targets, "labels": torch.as_tensor(simplex_etf(C, D, seed=1))}


def test_alignment_equals_the_loop(batch):
    actual = feature_alignment_loss(batch["features"], batch["labels"], batch["targets"])
    expected = equations.alignment(*(batch[k].numpy() for k in ("features", "labels", "targets")))
    assert float(actual) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("per_pair", [False, True])
def test_calibration_equals_the_loop(batch, per_pair):
    actual = collapse_calibration_loss(
        batch["mu"],
        batch["means"],
        batch["targets"],
        positive_temperature=0.3,
        contrast_temperature=0.7,
        normalisation="pair" if per_pair else "image",
    )
    arrays = (batch[k].numpy() for k in ("mu", "means", "targets"))
    assert float(actual) == pytest.approx(equations.calibration(*arrays, 0.3, 0.7, per_pair), rel=1e-10)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("mean", ["present", "all"])
def test_two_way_equals_the_loop(batch, temperature, mean):
    actual = two_way_loss(batch["logits"], batch["targets"], two_way_temperature=temperature, two_way_mean=mean)
    arrays = batch["logits"].numpy(), batch["targets"].numpy()
    expected = equations.two_way(*arrays, temperature, of_all=mean == "all")
    assert float(actual) == pytest.approx(expected, rel=1e-10)


def test_mean_of_all_rows_divides_by_all_images_and_classes():
    logits, targets = torch.tensor([[1.0, -2, 0.5], [0.3, 4, 1]]), torch.tensor([[1, 0, 0], [0, 0, 0]])
    one_row = two_way_loss(logits[:1], targets[:1])  # its classes lack a positive or a negative
    one_class = two_way_loss(logits[:, :1], targets[:, :1])
    every = two_way_loss(logits, targets, two_way_mean="all")
    assert_close(two_way_loss(logits, targets), one_row + one_class)
    assert_close(every, one_row / 2 + one_class / 3)


def test_binary_cross_entropy_equals_the_loop_and_its_limits(batch):
    arrays = batch["logits"].numpy(), batch["targets"].numpy()
    actual = binary_cross_entropy_loss(batch["logits"], batch["targets"])
    assert float(actual) == pytest.approx(equations.binary_cross_entropy(*arrays), rel=1e-10)
    logits = torch.tensor([[1e4, -1e4], [-1e4, 1e4]], requires_grad=True)
    wrong = binary_cross_entropy_loss(logits, torch.tensor([[0, 1], [0, 1]]))
    wrong.backward()
    assert float(wrong.detach()) == 5e3
    assert_close(logits.grad, torch.tensor([[0.25, -0.25], [0.0, 0.0]]))
    assert float(binary_cross_entropy_loss(torch.zeros(3, 2), torch.zeros(3, 2))) == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    "loss", [two_way_loss, partial(two_way_loss, two_way_mean="all"), binary_cross_entropy_loss]
)
def test_an_empty_batch_gives_a_zero_with_a_gradient(loss):
    logits = torch.zeros(0, C, requires_grad=True)
    value = loss(logits, torch.zeros(0, C))
    value.backward()
    assert float(value.detach()) == 0.0
    assert logits.grad.shape == (0, C)


@pytest.mark.parametrize("normalisation", ["image", "pair"])
def test_calibration_of_nothing_is_a_zero_with_a_gradient(batch, normalisation):
    means, seen = batch["means"], torch.tensor([True, False, False, False, False])
    no_positive = batch["targets"].clone()
    no_positive[:, 0] = 0  # of the one class that is seen
    for mu, targets, known in (
        (batch["mu"], no_positive, seen),
        (batch["mu"], batch["targets"], torch.zeros_like(seen)),
        (batch["mu"][:0], batch["targets"][:0], None),
    ):
        mu = mu.clone().requires_grad_()
        value = collapse_calibration_loss(mu, means, targets, seen=known, normalisation=normalisation)
        value.backward()
        assert float(value.detach()) == 0.0
        assert torch.equal(mu.grad, torch.zeros_like(mu))


def test_published_values(shared):
    """Every vector of the method: MLC-NC's three terms, its class features and the two-way loss."""
    vectors = json.loads((shared / "reference" / "loss_vectors.json").read_text())["vectors"]
    checked = 0
    for vector in vectors:
        name = vector["name"]

        def tensor(key, vector=vector):
            return torch.tensor(vector[key], dtype=torch.float64)

        if name.startswith("erm_bce"):
            value = binary_cross_entropy_loss(tensor("logits"), tensor("targets"))
        elif name.startswith("two_way_"):
            value = two_way_loss(
                tensor("logits"), tensor("targets"), two_way_temperature=vector["hyper_parameters"]["T_p"]
            )
        elif name.startswith("mlc_nc_fla"):
            value = feature_alignment_loss(
                tensor("class_features"), tensor("label_embedding_rows"), tensor("targets")
            )
        elif name.startswith("mlc_nc_fpc"):
            value = collapse_calibration_loss(
                tensor("projected_features"),
                tensor("prototypes"),
                tensor("targets"),
                normalisation="pair" if "code" in name else "image",
            )
        elif name.startswith("mlc_nc_eq3_5"):
            value, _ = attend_by_cosine(tensor("spatial_features"), tensor("label_embedding_rows"))
        else:
            continue
        assert_close(value, tensor("expected"), rtol=1e-7, atol=1e-8, msg=lambda m, name=name: f"{name}: {m}")
        checked += 1
    assert checked == 14


def test_gradients(batch):
    def check(function, *names):
        inputs = [batch[name].clone().requires_grad_() for name in names]
        assert torch.autograd.gradcheck(function, inputs)

    targets, means = batch["targets"], batch["means"]
    check(lambda f, e: feature_alignment_loss(f, e, targets), "features", "labels")
    check(lambda m: collapse_calibration_loss(m, means, targets), "mu")
    for mean in ("present", "all"):
        check(lambda h, m=mean: two_way_loss(h, targets, two_way_mean=m), "logits")
    check(lambda h: binary_cross_entropy_loss(h, targets), "logits")


def test_perfect_alignment_is_zero():
    frame = torch.as_tensor(simplex_etf(C, D))
    positives = torch.eye(C, dtype=torch.float64)
    features = frame[None].expand(C, C, D).clone()
    # a negative at cosine -1/(C-1) to its own label embedding: any other vector of the frame
    for image in range(C):
        for label in range(C):
            if image != label:
                features[image, label] = frame[(label + 1) % C]
    assert float(feature_alignment_loss(features, frame, positives)) == pytest.approx(-1e-6, abs=2e-7)


def test_alignment_stays_finite_where_cosines_round_beyond_one():
    torch.manual_seed(0)
    embedding = torch.randn(40, 128)
    targets = torch.ones(3, 40)
    for sign in (1.0, -1.0):
        features = (sign * 3 * embedding).expand(3, 40, 128).clone().requires_grad_()
        for labels in (targets, 1 - targets):
            features.grad = None
            value = feature_alignment_loss(features, embedding, labels)
            value.backward()
            assert torch.isfinite(value)
            assert float(features.grad.abs().max()) < 1.0


def test_calibration_of_an_etf_has_its_closed_form():
    frame = torch.as_tensor(simplex_etf(C, D))
    mu = frame[None].expand(C, C, D)
    value = collapse_calibration_loss(mu, frame, torch.eye(C), normalisation="pair")
    assert float(value) == pytest.approx(np.log(1 + (C - 1) * np.exp(-C / (C - 1) / 0.5)), rel=1e-9)


def test_calibration_leaves_unseen_classes_out(batch):
    seen = torch.tensor([True, True, False, True, False])
    kept = torch.tensor([0, 1, 3])
    full = collapse_calibration_loss(batch["mu"], batch["means"], batch["targets"], seen=seen)
    part = collapse_calibration_loss(batch["mu"][:, kept], batch["means"][kept], batch["targets"][:, kept])
    assert_close(full, part)


@pytest.mark.parametrize("size", [1e2, 1e4])
def test_two_way_masks_do_not_leak_at_large_logits(size):
    logits = torch.tensor([[size, -size, -size], [-size, size, -size]], requires_grad=True)
    targets = torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    value = two_way_loss(logits, targets)
    value.backward()
    assert float(value.detach()) == 0.0
    assert torch.isfinite(logits.grad).all()
    assert float(two_way_loss(logits.detach(), targets, two_way_mean="all")) == 0.0
    wrong = two_way_loss(-logits.detach(), targets)
    assert float(wrong) == pytest.approx(2 * 2 * size, rel=0.01)


def test_zero_logits_have_their_closed_form():
    targets = torch.tensor([[1.0, 1, 0, 0, 0]])
    expected = np.log1p(3 * 2**4)  # softplus(log Q + 4 log P); no class has a negative as well
    assert float(two_way_loss(torch.zeros(1, 5), targets)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("fill", [0.0, 1.0])
@pytest.mark.parametrize("mean", ["present", "all"])
def test_batches_without_positives_or_negatives_give_a_zero_with_a_gradient(batch, fill, mean):
    targets = torch.full((B, C), fill)
    logits = batch["logits"].clone().requires_grad_()
    value = two_way_loss(logits, targets, two_way_mean=mean)
    value.backward()
    assert float(value.detach()) == 0.0
    assert float(logits.grad.abs().max()) == 0.0


def output_of(batch):
    return HeadOutput(
        logits=batch["logits"].clone().requires_grad_(),
        class_features=batch["features"].clone().requires_grad_(),
        projected_features=batch["mu"].clone().requires_grad_(),
        attention=torch.ones(B, C, 1),
        label_embedding=batch["labels"],
        map_size=(1, 1),
    )


def test_total_adds_weighted_terms(batch):
    loss = MLCNCLoss(alignment_weight=0.5, calibration_weight=0.2)
    total, terms = loss(output_of(batch), batch["targets"], class_means=batch["means"])
    assert list(terms) == ["alignment", "calibration", "two_way"]
    assert_close(total, 0.5 * terms["alignment"] + 0.2 * terms["calibration"] + terms["two_way"])
    assert_close(terms["two_way"], two_way_loss(batch["logits"], batch["targets"]))


def test_the_classification_loss_is_a_choice(batch):
    loss = MLCNCLoss(binary_cross_entropy_loss, "bce", alignment_weight=0)
    total, terms = loss(output_of(batch), batch["targets"])
    assert list(terms) == ["bce"]
    assert_close(total, binary_cross_entropy_loss(batch["logits"], batch["targets"]))


def test_terms_of_weight_zero_leave_the_graph(batch):
    output = output_of(batch)
    parts = MLCNCLoss()(output, batch["targets"], class_means=batch["means"], warmup=True)
    assert list(parts.terms) == ["alignment"]
    assert_close(parts.total, parts.terms["alignment"])
    parts.total.backward()
    assert output.logits.grad is None
    assert output.projected_features.grad is None
    parts = MLCNCLoss(alignment_weight=0)(output_of(batch), batch["targets"])
    assert list(parts.terms) == ["two_way"]  # no class means yet
    without = MLCNCLoss(calibration_weight=0)(output, batch["targets"], class_means=batch["means"])
    assert list(without.terms) == ["alignment", "two_way"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: two_way_loss(torch.zeros(2, 3), torch.zeros(2, 4)), r"targets must have shape \(2, 3\)"),
        (lambda: two_way_loss(torch.zeros(2, 3), torch.zeros(2, 3), two_way_temperature=0), "above 0"),
        (
            lambda: feature_alignment_loss(torch.zeros(2, 3, 4), torch.zeros(3, 5), torch.zeros(2, 3)),
            r"label_embedding must have shape \(3, 4\)",
        ),
        (
            lambda: collapse_calibration_loss(
                torch.zeros(2, 3, 4), torch.zeros(3, 4), torch.zeros(2, 3), normalisation="odd"
            ),
            "normalisation must be",
        ),
        (lambda: MLCNCLoss(alignment_weight=-1), "alignment_weight must be at least 0"),
        (lambda: MLCNCLoss(two_way_loss, "alignment"), "classification_name must not be"),
        (lambda: two_way_loss(torch.zeros(2, 3), torch.zeros(2, 3), two_way_mean="odd"), "two_way_mean must"),
        (lambda: binary_cross_entropy_loss(torch.zeros(2), torch.zeros(2)), r"logits must have shape \(B, C\)"),
        (
            lambda: binary_cross_entropy_loss(torch.zeros(2, 3), torch.zeros(3, 2)),
            r"targets must have shape \(2, 3\) like logits",
        ),
    ],
)
def test_bad_arguments_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_alignment_is_bounded_in_value_and_slope_for_every_cosine(target):
    angles = torch.linspace(0, np.pi, 2001, dtype=torch.float64)
    features = torch.stack([angles.cos(), angles.sin()], dim=1)[:, None].expand(-1, 2, 2).clone()
    label = torch.tensor([[1.0, 0], [1, 0]], dtype=torch.float64)
    features.requires_grad_()
    targets = torch.full((len(angles), 2), target)
    feature_alignment_loss(features, label, targets).backward()
    slope = features.grad.norm(dim=2) * targets.numel()  # of one term, before the mean
    assert float(slope.max()) <= 1e3
    worst = features.detach()[[-1 if target else 0]]
    assert float(feature_alignment_loss(worst, label, targets[:1])) == pytest.approx(7.907, abs=1e-3)


def test_losses_are_the_same_inside_autocast(batch):
    names = ("features", "labels", "mu", "means", "logits", "targets")
    f, e, mu, means, h, y = (batch[name].float() for name in names)

    def values():
        parts = [feature_alignment_loss(f, e, y), collapse_calibration_loss(mu, means, y)]
        return torch.stack([*parts, two_way_loss(h, y), binary_cross_entropy_loss(h, y)])

    with torch.autocast("cpu", torch.bfloat16):
        inside = values()
    assert inside.dtype == torch.float32
    assert torch.equal(inside, values())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_inputs_give_float32_losses(batch, dtype):
    output = HeadOutput(
        logits=batch["logits"].to(dtype),
        class_features=batch["features"].to(dtype),
        projected_features=batch["mu"].to(dtype),
        attention=torch.ones(B, C, 1),
        label_embedding=batch["labels"].float(),
        map_size=(1, 1),
    )
    parts = MLCNCLoss()(output, batch["targets"], class_means=batch["means"].float())
    assert {part.dtype for part in (parts.total, *parts.terms.values())} == {torch.float32}
    assert binary_cross_entropy_loss(output.logits, batch["targets"]).dtype == torch.float32


def test_zero_vectors_have_cosine_zero_and_no_gradient(batch):
    zero = torch.zeros(2, C, D, requires_grad=True)
    targets = torch.ones(2, C)
    aligned = feature_alignment_loss(zero, batch["labels"].float(), targets)
    assert float(aligned.detach()) == pytest.approx(np.log(2), abs=1e-5)
    mu = torch.zeros(2, C, P, requires_grad=True)
    calibrated = collapse_calibration_loss(mu, batch["means"].float(), targets, normalisation="pair")
    assert float(calibrated.detach()) == pytest.approx(np.log(C), abs=1e-5)
    (aligned + calibrated).backward()
    assert float(zero.grad.abs().max()) == 0.0
    assert float(mu.grad.abs().max()) == 0.0


def test_calibration_without_class_means_of_any_size_is_log_of_the_classes(batch):
    value = collapse_calibration_loss(
        batch["mu"], torch.zeros_like(batch["means"]), batch["targets"], normalisation="pair"
    )
    assert float(value) == pytest.approx(np.log(C))


def test_no_gradient_reaches_the_class_means(batch):
    means = batch["means"].clone().requires_grad_()
    MLCNCLoss()(output_of(batch), batch["targets"], class_means=means).total.backward()
    assert means.grad is None


def test_gradients_with_settings_off_their_defaults(batch):
    targets, means = batch["targets"], batch["means"]
    seen = torch.tensor([True, False, True, True, True])
    mu, h = (batch[name].clone().requires_grad_() for name in ("mu", "logits"))
    for normalisation in ("image", "pair"):
        assert torch.autograd.gradcheck(
            lambda m, n=normalisation: collapse_calibration_loss(
                m,
                means,
                targets,
                seen=seen,
                positive_temperature=0.3,
                contrast_temperature=0.8,
                normalisation=n,
            ),
            (mu,),
        )
    assert torch.autograd.gradcheck(lambda x: two_way_loss(x, targets, two_way_temperature=1.5), (h,))


@pytest.mark.parametrize("term", ["alignment", "calibration"])
@pytest.mark.parametrize(
    ("label", "kind", "words"),
    [
        (0.5, torch.float32, "targets must be 0 or 1, got 0.5"),
        (2.0, torch.float32, "targets must be 0 or 1, got 2"),
        (float("nan"), torch.float32, "targets must be 0 or 1, got nan"),
        (1.0, torch.int64, "must be floating point, got torch.int64; convert it with .float"),
    ],
)
def test_what_the_terms_of_mlc_nc_do_not_allow_is_named(term, label, kind, words):
    features = torch.ones(2, 3, 4, dtype=kind)
    targets = torch.zeros(2, 3)
    targets[1, 2] = label
    loss = feature_alignment_loss if term == "alignment" else collapse_calibration_loss
    with pytest.raises(ValueError, match=words):
        loss(features, torch.ones(3, 4), targets)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda f, y: feature_alignment_loss(f, torch.ones(3, 4, dtype=torch.int64), y),
            "label_embedding must be floating point, got torch.int64",
        ),
        (
            lambda f, y: collapse_calibration_loss(f, torch.ones(3, 4, dtype=torch.int64), y),
            "class_means must be floating point, got torch.int64",
        ),
        (
            lambda f, y: collapse_calibration_loss(f, torch.ones(3, 4), y, seen=torch.ones(3)),
            r"seen must hold booleans, got torch.float32; convert it with .bool\(\)",
        ),
        (
            lambda f, y: collapse_calibration_loss(f, torch.ones(3, 4), y, positive_temperature=float("nan")),
            "positive_temperature must be finite, got nan",
        ),
        (
            lambda f, y: collapse_calibration_loss(f, torch.ones(3, 4), y, contrast_temperature=0.0),
            "contrast_temperature must be above 0, got 0",
        ),
        (lambda f, y: MLCNCLoss(calibration_weight=float("nan")), "calibration_weight must be finite, got nan"),
    ],
)
def test_other_arguments_of_the_terms_of_mlc_nc_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call(torch.ones(2, 3, 4), torch.zeros(2, 3))


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_terms_of_mlc_nc_are_finite_under_autocast_whatever_the_size(batch, size):
    features, mu = ((size * batch[name]).bfloat16().requires_grad_() for name in ("features", "mu"))
    labels, means, targets = (batch[name].float() for name in ("labels", "means", "targets"))
    with torch.autocast("cpu", torch.bfloat16):
        total = feature_alignment_loss(features, labels, targets) + collapse_calibration_loss(
            mu, means, targets
        )
    total.backward()
    assert total.dtype == torch.float32
    assert torch.isfinite(total)
    assert torch.isfinite(features.grad).all()
    assert torch.isfinite(mu.grad).all()
