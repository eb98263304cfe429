"""Every argument of every public metric as another kind of array: the same value, or a sentence that names it."""

import warnings

import numpy as np
import pytest
import torch

import mlcnc.metrics as metrics
from tests.unit.metrics.test_not_finite import (
    ARGUMENTS,
    CALLS,
    GROUPS,
    SCORES,
    SPREAD,
    TARGETS,
    WISE,
    statistics,
)

REFUSED = {
    "complex": lambda array: array + 0j,
    "complex tensor": lambda array: torch.as_tensor(array).to(torch.complex64),
    "objects": lambda array: array.astype(object),
    "nothing": lambda array: np.full(array.shape, None),
    "words": lambda array: array.astype(str),
    "bytes": lambda array: array.astype("S"),
    "records": lambda array: np.zeros(array.shape, dtype=[("value", "f4")]),
    "dates": lambda array: np.zeros(array.shape, dtype="M8[s]"),
    "durations": lambda array: np.zeros(array.shape, dtype="m8[s]"),
    "masked": lambda array: np.ma.masked_array(array, mask=array > 0),
    "sparse": lambda array: torch.as_tensor(array).to_sparse(),
    "8 bits": lambda array: torch.as_tensor(array).to(torch.float8_e4m3fn),
    "text": lambda array: "scores.npy",
    "unequal rows": lambda array: [[1.0], [1.0, 2.0]],
    "one number": lambda array: np.float64(1.0),
    "no axis": lambda array: np.array(1.0),
}  # fmt: skip
TAKEN = {
    "float16": lambda array: array.astype(np.float16),
    "long double": lambda array: array.astype(np.longdouble),
    "other byte order": lambda array: array.astype(array.dtype.newbyteorder()),
    "int8": lambda array: array.astype(np.int8),
    "uint8": lambda array: np.abs(array).astype(np.uint8),
    "bool": lambda array: array > 0,
    "bfloat16": lambda array: torch.as_tensor(array).bfloat16(),
    "backwards": lambda array: array[::-1].copy()[::-1],
    "closed": lambda array: np.broadcast_to(array, array.shape),
    "a graph": lambda array: torch.as_tensor(array).clone().requires_grad_(),
}  # fmt: skip
OWN = [
    (name, argument) for name, argument in ARGUMENTS if CALLS[name][0].__name__ != "of" and argument != "power"
]
"""Without what the table itself makes arrays or numbers of."""


@pytest.mark.parametrize(("name", "argument"), OWN)
def test_what_is_no_array_of_real_numbers_is_refused_by_name(name, argument):
    call, given = CALLS[name]
    kinds = {*REFUSED} - ({"one number", "no axis"} if argument == "threshold" else set())
    for kind in sorted(kinds):
        bad = {**given, argument: REFUSED[kind](given[argument])}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(ValueError, match=r"(\w+|spaces\['f'\]) must (be|have|not be) ") as refused:
                call(**bad)
        assert "an array must" not in str(refused.value), kind
        assert "\n" not in str(refused.value), kind


@pytest.mark.parametrize(("name", "argument"), OWN)
def test_the_same_numbers_in_another_kind_of_array_give_the_same(name, argument):
    call, given = CALLS[name]
    for kind, make in TAKEN.items():
        other = make(given[argument])
        numbers = other.detach().double().numpy() if torch.is_tensor(other) else other
        found, errors = [], []
        for value in (np.asarray(numbers, dtype=np.float64), other):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    found.append(call(**{**given, argument: value}))
                except ValueError as error:  # whole numbers of what were fractions
                    errors.append(error)
        assert not errors or not found, kind
        for one, same in zip(*map(flat, found), strict=True) if found else ():
            np.testing.assert_allclose(same, one, rtol=1e-9, atol=1e-12, err_msg=kind)


def flat(value):
    """Return the numbers in a result as a list of arrays."""
    if torch.is_tensor(value):
        value = value.detach().double().numpy()
    if isinstance(value, dict) or hasattr(value, "__dict__"):
        value = list((value if isinstance(value, dict) else vars(value)).values())
    if isinstance(value, list | tuple):
        return [array for one in value for array in flat(one)]
    return [] if value is None or isinstance(value, str) else [np.asarray(value, dtype=np.float64)]


def test_statistics_of_ones_own_are_looked_at():
    means = statistics().class_means
    for bad in (means + 1j, means.astype(object), means[0], means[:3]):
        with pytest.raises(ValueError, match="class_means must "):
            metrics.space_metrics("s", statistics(class_means=bad), GROUPS)


@pytest.mark.parametrize("index", [-1, 4, 99])
def test_groups_are_of_classes_that_there_are(index):
    groups = {**GROUPS, "tail": [3, index]}
    for call in (
        lambda: metrics.mean_average_precision(SPREAD, groups),
        lambda: metrics.bootstrap_map(SCORES, TARGETS, groups, num_resamples=2),
        lambda: metrics.space_metrics("s", statistics(), groups),
        lambda: metrics.measure_split("test", targets=TARGETS, groups=groups, spaces={"f": WISE}),
    ):
        with pytest.raises(
            ValueError, match=rf"groups\['tail'\] must hold class indices from 0 to 3, got {index}"
        ):
            call()
    with pytest.raises(ValueError, match=f"got {index}"):
        metrics.minority_collapse(WISE[0], [0, index])


def test_no_class_at_all_is_no_traceback():
    none, counts = np.zeros((0, 3)), np.zeros(0)
    assert metrics.centre(none, "class").tolist() == [0.0, 0.0, 0.0]
    assert np.isnan(metrics.nc1_trace(none, counts))
    assert np.isnan(metrics.cdnv(none, counts).mean)
    assert metrics.average_precision(np.zeros((5, 0)), np.zeros((5, 0))).shape == (0,)
    assert np.isnan(metrics.average_precision(np.zeros((0, 2)), np.zeros((0, 2)))).all()
    assert np.isnan(metrics.mean_average_precision(counts, {})["map_total"])
