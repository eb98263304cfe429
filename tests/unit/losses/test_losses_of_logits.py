"""What every loss of logits must do: its equation, its gradient, its limits and its refusals."""

import inspect
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from mlcnc import losses
from tests import losses_of_counts
from tests.reference import equations
from tests.reference import losses_of_logits as loops
from tests.reference.finite_differences import finite_difference

B, C = 7, 5
COUNTS, NUM_IMAGES = torch.tensor([121, 60, 25, 8, 3]), torch.tensor(199)
# class 2 never co-occurs, and the diagonal is to be ignored
TOGETHER = torch.tensor(
    [[121, 30, 0, 5, 2], [30, 60, 0, 1, 0], [0, 0, 25, 0, 0], [5, 1, 0, 8, 1], [2, 0, 0, 1, 3]]
)
STATISTICS = {"class_counts": COUNTS, "num_images": NUM_IMAGES, "co_occurrence": TOGETHER}
FOCAL = {"focal_gamma": 2.0, "focal_scale": 2.0}
FLOWING = {"stop_gradient": False}


class Case(NamedTuple):
    """A loss with settings, and the loop that it must equal."""

    function: Any
    loop: Any
    statistics: tuple[str, ...] = ()
    settings: Mapping[str, Any] = MappingProxyType({})

    def __call__(self, logits, targets, **changes):
        of = {name: STATISTICS[name] for name in self.statistics}
        return self.function(logits, targets, **{**of, **self.settings, **changes})

    def looped(self, logits, targets, **more):
        settings = {name: value for name, value in self.settings.items() if name != "stop_gradient"}
        of = {name: STATISTICS[name].numpy() for name in self.statistics}
        return self.loop(logits.numpy(), targets.numpy(), **of, **settings, **more)


def looped_two_way(logits, targets, two_way_temperature=4.0, two_way_mean="present"):
    return equations.two_way(logits, targets, two_way_temperature, of_all=two_way_mean == "all")


counted, of_all, paired = ("class_counts",), ("class_counts", "num_images"), ("class_counts", "co_occurrence")
db = partial(Case, losses_of_counts.distribution_balanced, loops.distribution_balanced, of_all)
CASES = {
    "bce": Case(losses.binary_cross_entropy_loss, equations.binary_cross_entropy),
    "two_way": Case(losses.two_way_loss, looped_two_way),
    "two_way, all": Case(
        losses.two_way_loss, looped_two_way, (), {"two_way_mean": "all", "two_way_temperature": 1.5}
    ),
    "rw": Case(losses.class_weighted_loss, loops.class_weighted, of_all),
    "rw, inverse": Case(losses.class_weighted_loss, loops.class_weighted, of_all, {"weight_power": 1.0}),
    "focal": Case(losses.focal_loss, loops.focal),
    "focal, root": Case(losses.focal_loss, loops.focal, (), {"focal_gamma": 0.5, "focal_scale": 0.25}),
    "cb_focal": Case(losses.class_balanced_focal_loss, loops.class_balanced_focal, counted),
    "cb_focal, steep": Case(
        losses.class_balanced_focal_loss, loops.class_balanced_focal, counted, {"cb_beta": 0.9999}
    ),
    "db": db(),
    "db, COCO": db({"weight_midpoint": 0.2, "negative_scale": 2.0}),
    "r-bce": db({"negative_scale": 1.0, "shift_scale": 0.0}),
    "db_focal": db(FOCAL),
    "db_class": Case(
        losses_of_counts.class_wise_distribution_balanced, loops.class_wise_distribution_balanced, paired
    ),
    "asl": Case(losses.asymmetric_loss, loops.asymmetric),
    "asl, flowing": Case(losses.asymmetric_loss, loops.asymmetric, (), FLOWING | {"positive_gamma": 1.0}),
    "asl, roots": Case(
        losses.asymmetric_loss,
        loops.asymmetric,
        (),
        FLOWING | {"negative_gamma": 0.5, "positive_gamma": 0.3, "margin": 0.2, "normalisation": "image"},
    ),
    "asl, no powers": Case(losses.asymmetric_loss, loops.asymmetric, (), FLOWING | {"negative_gamma": 0.0}),
    "mfm": Case(losses_of_counts.multi_focal, loops.multi_focal, paired),
    "mfm, flowing": Case(
        losses_of_counts.multi_focal,
        loops.multi_focal,
        paired,
        FLOWING | {"negative_gamma": 2.0, "positive_gamma": 1.0, "normalisation": "none"},
    ),
}
STOPPED = [name for name, case in CASES.items() if name in ("asl", "mfm")]
every = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def batch_of(seed=4, num_images=B):
    """Return logits and targets: no label, all labels, the class that never co-occurs alone, others."""
    generator = torch.Generator().manual_seed(seed)
    targets = (torch.rand(num_images, C, generator=generator) < 0.4).double()
    targets[0], targets[1], targets[2] = 0, 1, torch.tensor([0, 0, 1, 0, 0])
    return 3 * torch.randn(num_images, C, generator=generator, dtype=torch.float64), targets


@every
@pytest.mark.parametrize("num_images", [7, 13])
def test_it_equals_the_loop(case, num_images):
    logits, targets = batch_of(num_images=num_images)
    assert float(case(logits, targets)) == pytest.approx(case.looped(logits, targets), rel=1e-10)
    assert float(case(logits, targets.bool())) == float(case(logits, targets))
    in_float = case(logits.float(), targets.long())
    assert in_float.dtype == torch.float32
    assert float(in_float) == pytest.approx(case.looped(logits, targets), rel=1e-5)


@pytest.mark.parametrize("name", [name for name in CASES if name not in STOPPED])
def test_gradients(name):
    logits, targets = batch_of()
    assert torch.autograd.gradcheck(lambda h: CASES[name](h, targets), (logits.requires_grad_(),))


@pytest.mark.parametrize("name", STOPPED)
@pytest.mark.parametrize("powers", [{}, {"negative_gamma": 2.0, "positive_gamma": 1.0}])
def test_gradients_with_constant_powers(name, powers):
    logits, targets = batch_of()
    case = CASES[name]._replace(settings=powers)
    variable = logits.clone().requires_grad_()
    case(variable, targets).backward()

    def held(values):
        return case.looped(torch.as_tensor(values), targets, powers_at=logits.numpy())

    expected = finite_difference(held, logits.numpy())
    np.testing.assert_allclose(variable.grad.numpy(), expected, rtol=1e-5, atol=1e-9)


@every
@pytest.mark.parametrize("fill", [0.0, 1.0])
@pytest.mark.parametrize("size", [1e4, -1e4, 90.0, -90.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_huge_logits_have_a_finite_value_and_gradient(case, fill, size, dtype):
    logits = torch.full((B, C), size, dtype=dtype, requires_grad=True)
    targets = torch.full((B, C), fill)
    value = case(logits, targets)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()
    assert float(value.detach()) >= 0
    if (size > 0) == (fill == 1.0) and case.function is not losses_of_counts.multi_focal:
        assert float(value.detach()) < 1e-3


@every
def test_huge_logits_of_both_signs_among_labels_of_both_kinds(case):
    _, targets = batch_of()
    generator = torch.Generator().manual_seed(2)
    logits = 1e4 * (2.0 * (torch.rand(B, C, generator=generator) < 0.5).float() - 1)
    logits.requires_grad_()
    value = case(logits, targets)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()
    exact = float(case(logits.detach().double(), targets))
    assert float(value.detach()) == pytest.approx(exact, rel=1e-5)


@every
@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_batches_without_a_positive_or_without_a_negative(case, fill):
    logits, _ = batch_of()
    targets = torch.full((B, C), fill, dtype=torch.float64)
    assert torch.isfinite(case(logits, targets))
    expected = 0.0 if case.function is losses.two_way_loss else case.looped(logits, targets)
    assert float(case(logits, targets)) == pytest.approx(expected, rel=1e-10)


@every
def test_an_empty_batch_gives_a_zero_with_a_gradient(case):
    logits = torch.zeros(0, C, requires_grad=True)
    value = case(logits, torch.zeros(0, C))
    value.backward()
    assert float(value.detach()) == 0.0
    assert logits.grad.shape == (0, C)


@every
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_under_autocast(case, dtype):
    logits, targets = batch_of()
    half = logits.to(dtype).requires_grad_()
    with torch.autocast("cpu", dtype):
        value = case(half, targets.float())
    value.backward()
    assert value.dtype == torch.float32
    assert torch.equal(value, case(half.float(), targets.float()))
    assert half.grad.dtype == dtype
    assert torch.isfinite(half.grad).all()


@every
def test_nothing_that_goes_in_is_changed(case):
    logits, targets = batch_of()
    statistics = {name: STATISTICS[name].double() for name in case.statistics}
    before = [tensor.clone() for tensor in (logits, targets, *statistics.values())]
    case(logits.requires_grad_(), targets, **statistics).backward()
    for tensor, kept in zip((logits, targets, *statistics.values()), before, strict=True):
        assert torch.equal(tensor.detach(), kept)


@every
def test_no_graph_without_a_gradient(case):
    logits, targets = batch_of()
    assert not case(logits, targets).requires_grad
    assert case(logits.requires_grad_(), targets).requires_grad


@pytest.mark.parametrize("name", ["two_way", "focal", "cb_focal", "db", "db_focal", "db_class", "asl", "mfm"])
def test_a_second_derivative_is_refused_rather_than_wrong(name):
    logits, targets = batch_of()
    value = CASES[name](logits.requires_grad_(), targets)
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(value, logits, create_graph=True)


def test_each_has_the_cross_entropy_as_its_limit():
    logits, targets = batch_of()
    plain = losses.binary_cross_entropy_loss(logits, targets)
    even = torch.full((C,), 40)
    counts = {"class_counts": even, "num_images": torch.tensor(40)}
    assert_close(losses.class_weighted_loss(logits, targets, **counts), plain)
    flat = losses.class_weighted_loss(
        logits, targets, class_counts=COUNTS, num_images=NUM_IMAGES, weight_power=0
    )
    assert_close(flat, plain)
    assert_close(losses.focal_loss(logits, targets, focal_gamma=0, focal_scale=1), plain)
    assert_close(losses.asymmetric_loss(logits, targets, negative_gamma=0, margin=0), plain)
    focal = losses.focal_loss(logits, targets)
    alike = losses.class_balanced_focal_loss(logits, targets, class_counts=even)
    assert_close(alike, focal * 0.1 / (1 - 0.9**40))
    # a steep sigmoid far right of every ratio: all weights are the floor
    level = {"weight_floor": 1.0, "weight_midpoint": 1e3, "negative_scale": 1.0, "shift_scale": 0.0}
    full = targets.clone()
    full[0, 1] = 1  # an image without labels has the weight a + 1 whatever the midpoint
    expected = losses.binary_cross_entropy_loss(logits, full)
    assert_close(CASES["db"](logits, full, **level), expected)
    two = CASES["db_class"](logits, targets, **(level | {"weight_midpoint": -1e3}))
    assert_close(two, 2 * plain)


@pytest.mark.parametrize("name", ["asl", "mfm"])
def test_normalisations_differ_by_what_they_divide_by(name):
    logits, targets = batch_of()
    entry, image, none = (CASES[name](logits, targets, normalisation=by) for by in ("entry", "image", "none"))
    assert_close(none, entry * B * C)
    assert_close(none, image * B)
    twice = CASES[name](logits.repeat(2, 1), targets.repeat(2, 1))
    assert_close(twice, entry)


def test_easy_negatives_have_no_asymmetric_loss_and_no_gradient():
    logits = torch.tensor([[-3.0, -2.9, -20.0]], requires_grad=True)  # sigmoid(-2.944) = 0.05
    value = losses.asymmetric_loss(logits, torch.zeros(1, 3), negative_gamma=0, normalisation="none")
    value.backward()
    assert float(value.detach()) == pytest.approx(-np.log(1.05 - 1 / (1 + np.exp(2.9))), rel=1e-4)
    assert (logits.grad != 0).tolist() == [[False, True, False]]


def test_positives_below_the_lowest_probability_are_given_up():
    logits = torch.tensor([[-18.0, -19.0]], requires_grad=True)
    losses.asymmetric_loss(logits, torch.ones(1, 2)).backward()
    assert (logits.grad != 0).tolist() == [[True, False]]


def test_positives_that_go_with_the_other_labels_keep_a_multi_focal_loss():
    targets = torch.tensor([[1.0, 1, 0, 0, 0]])
    value = CASES["mfm"](torch.full((1, C), 50.0) * (2 * targets - 1), targets, normalisation="none")
    weights = [1.0, (1 - np.log(60 / 121)) ** (1 / 3)]
    kept = loops.affinity(targets[0].numpy(), TOGETHER.numpy())[:2]
    assert kept.min() > 0
    assert float(value) == pytest.approx(-sum(w * np.log(1 - a) for w, a in zip(weights, kept, strict=True)))
    alone = torch.tensor([[0.0, 0, 1, 0, 0]])  # never co-occurs
    assert float(CASES["mfm"](torch.full((1, C), 50.0) * (2 * alone - 1), alone)) < 1e-6


def test_a_class_of_every_image_has_a_finite_shift():
    logits, targets = batch_of()
    whole = {"class_counts": torch.tensor([199, 60, 25, 8, 3])}
    for name in ("db", "db_focal"):
        value = CASES[name](logits.requires_grad_(), targets, **whole)
        one_less = CASES[name](logits, targets, class_counts=torch.tensor([198, 60, 25, 8, 3]))
        assert torch.isfinite(value)
        assert float(value.detach()) == pytest.approx(float(one_less.detach()), rel=0.01)
    single = losses_of_counts.class_wise_distribution_balanced(
        logits[:, :1], targets[:, :1], class_counts=COUNTS[:1], co_occurrence=TOGETHER[:1, :1]
    )
    assert torch.isfinite(single)


@every
@pytest.mark.parametrize(
    ("logits", "targets", "words"),
    [
        (torch.zeros(B), torch.zeros(B), r"logits must have shape \(B, C\), got \(7\)"),
        (torch.zeros(B, C), torch.zeros(C, B), r"targets must have shape \(7, 5\) like logits, got \(5, 7\)"),
        (
            torch.zeros(B, C, dtype=torch.int64),
            torch.zeros(B, C),
            "logits must be floating point, got torch.int64",
        ),
        (torch.zeros(B, C), torch.full((B, C), 2), "targets must be (0 or 1|at least 0 and at most 1), got 2"),
        (
            torch.zeros(B, C),
            torch.full((B, C), -1.0),
            "targets must be (0 or 1|at least 0 and at most 1), got -1",
        ),
    ],
)
def test_bad_logits_and_labels_are_named(case, logits, targets, words):
    with pytest.raises(ValueError, match=words):
        case(logits, targets)


@pytest.mark.parametrize("label", [float("nan"), float("inf")])
def test_soft_labels_are_numbers(label):
    targets = torch.full((B, C), 0.5)
    targets[3, 2] = label
    with pytest.raises(ValueError, match=f"targets must be finite, got {label:g}"):
        CASES["bce"](torch.zeros(B, C), targets)
    with pytest.raises(ValueError, match="targets must be at least 0 and at most 1, got 16"):
        CASES["bce"](torch.zeros(B, C), torch.full((B, C), 16, dtype=torch.uint8))


@pytest.mark.parametrize("name", [name for name in CASES if name != "bce"])
@pytest.mark.parametrize("label", [0.5, float("nan")])
def test_soft_labels_are_refused_where_labels_are_0_or_1(name, label):
    targets = torch.zeros(B, C)
    targets[3, 2] = label
    with pytest.raises(ValueError, match=f"targets must be 0 or 1, got {label:g}"):
        CASES[name](torch.zeros(B, C), targets)


WRONG = {
    "class_counts": [
        (
            COUNTS[:4],
            r"(class_\w+ must have shape \(5\) like logits, got \(4\)|must .* like class_counts, got)",
        ),
        (COUNTS - 3, "class_counts must be at least 1, got 0; leave out such classes"),
        (COUNTS.float().index_fill(0, torch.tensor([1]), torch.nan), "class_counts must be finite, got nan"),
        (COUNTS / 0, "class_counts must be finite, got inf"),
    ],
    "num_images": [
        (torch.tensor([199]), r"num_images must have shape \(\), got \(1\)"),
        (torch.tensor(120), "num_images must be at least every class count, got 120 and 121"),
        (torch.tensor(torch.nan), "num_images must be at least every class count, got nan and 121"),
        (torch.tensor(torch.inf), "num_images must be at least every class count, got inf and 121"),
    ],
    "co_occurrence": [
        (TOGETHER[:4], r"co_occurrence must have shape \(5, 5\) like class_counts, got \(4, 5\)"),
        (-TOGETHER, "co_occurrence must be at least 0, got -121"),
        (TOGETHER * torch.nan, "co_occurrence must be finite, got nan"),
    ],
}


@every
def test_bad_statistics_are_named(case):
    logits, targets = batch_of()
    for name in case.statistics:
        for value, words in WRONG[name]:
            with pytest.raises(ValueError, match=words):
                case(logits, targets, **{name: value})


NUMBERS = {
    "rw": ["weight_power"],
    "focal": ["focal_gamma", "focal_scale"],
    "cb_focal": ["cb_beta", "focal_gamma", "focal_scale"],
    "db_focal": [
        *("weight_floor", "weight_steepness", "weight_midpoint", "negative_scale", "shift_scale"),
        *("focal_gamma", "focal_scale"),
    ],
    "db_class": ["weight_floor", "weight_steepness", "weight_midpoint", "negative_scale", "shift_scale"],
    "asl": ["negative_gamma", "positive_gamma", "margin"],
    "mfm": ["negative_gamma", "positive_gamma", "margin"],
    "two_way": ["two_way_temperature"],
}


@pytest.mark.parametrize(("name", "number"), [(name, number) for name in NUMBERS for number in NUMBERS[name]])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_every_number_is_finite(name, number, value):
    logits, targets = batch_of()
    with pytest.raises(ValueError, match=f"{number} must be finite, got {value:g}"):
        CASES[name](logits, targets, **{number: value})


def test_no_number_of_a_loss_is_forgotten():
    known = {case.function: set(NUMBERS[name]) for name, case in CASES.items() if name in NUMBERS}
    for case in CASES.values():
        taken = inspect.signature(case.function).parameters.values()
        assert {one.name for one in taken if isinstance(one.default, float)} == known.get(case.function, set())


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("rw", {"weight_power": -1.0}, "weight_power must be at least 0, got -1"),
        ("focal", {"focal_gamma": -0.5}, "focal_gamma must be at least 0, got -0.5"),
        ("focal", {"focal_gamma": float("nan")}, "focal_gamma must be finite, got nan"),
        ("focal", {"focal_scale": 0.0}, "focal_scale must be above 0, got 0"),
        ("cb_focal", {"cb_beta": 1.0}, "cb_beta must be above 0 and below 1, got 1"),
        ("cb_focal", {"focal_gamma": -1.0}, "focal_gamma must be at least 0"),
        ("db", {"weight_floor": -0.1}, "weight_floor must be at least 0, got -0.1"),
        ("db", {"weight_steepness": 0.0}, "weight_steepness must be above 0, got 0"),
        ("db", {"negative_scale": 0.0}, "negative_scale must be above 0, got 0"),
        ("db", {"shift_scale": -1.0}, "shift_scale must be at least 0, got -1"),
        ("db_focal", {"focal_scale": -1.0}, "focal_scale must be above 0, got -1"),
        ("db_class", {"negative_scale": -1.0}, "negative_scale must be above 0, got -1"),
        ("asl", {"negative_gamma": -1.0}, "negative_gamma must be at least 0, got -1"),
        ("asl", {"margin": 1.0}, "margin must be at least 0 and below 1, got 1"),
        ("asl", {"normalisation": "odd"}, "normalisation must be 'entry', 'image' or 'none', got 'odd'"),
        ("mfm", {"positive_gamma": -1.0}, "positive_gamma must be at least 0, got -1"),
        ("mfm", {"margin": -0.1}, "margin must be at least 0 and below 1, got -0.1"),
        ("mfm", {"normalisation": "mean"}, "normalisation must be 'entry', 'image' or 'none', got 'mean'"),
        ("two_way", {"two_way_temperature": 0.0}, "two_way_temperature must be above 0, got 0"),
        ("two_way", {"two_way_mean": "odd"}, "two_way_mean must be 'present' or 'all', got 'odd'"),
    ],
)
def test_bad_settings_are_named(name, settings, words):
    logits, targets = batch_of()
    with pytest.raises(ValueError, match=words):
        CASES[name](logits, targets, **settings)


@pytest.mark.parametrize("logit", [12.0, -12.0, 16.0, -16.0])
def test_confident_mistakes_are_exact_in_single_precision(logit):
    logits = torch.full((1, 3), logit, requires_grad=True)
    targets = torch.full((1, 3), float(logit < 0))
    losses.asymmetric_loss(logits, targets, negative_gamma=0, margin=0).backward()
    assert_close(losses.asymmetric_loss(logits, targets, negative_gamma=0, margin=0), torch.tensor(abs(logit)))
    assert_close(logits.grad, torch.full((1, 3), np.sign(logit) / 3))
