"""The bridge to the array API: one code for NumPy arrays and torch tensors on any device."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_torch_array
from numpy.typing import NDArray

from mlcnc.errors import require_shape

Array = Any
"""A NumPy array or a torch tensor; the array API has no common static type."""

CHUNK_ELEMENTS = 2**17
"""Rows are turned into float64 in pieces of about so many numbers (1 MB), which stay in the cache of a core."""

DEVICE_CHUNK_ELEMENTS = 2**22
"""The same on an accelerator, where a piece has to keep all of it busy (32 MB)."""

ROUNDING = 32 * float(np.finfo(np.float64).eps)
"""Of the length of a mean: nearer to it than this is as good as equal."""

LARGEST = float(np.finfo(np.float32).max)
"""A larger feature would overflow in a run file, and its square in a sum."""


def as_float64(array: Array, name: str = "an array") -> tuple[Any, Array]:
    """Return the array's namespace and the array in float64, on its device.

    A tensor loses its graph; one on a device without float64 (MPS) is moved to the host.

    Raises:
        ValueError: see :func:`require_real`.
    """
    if is_torch_array(array):
        require_real(array, name)
        array = array.detach()
        if array.device.type == "mps":
            array = array.cpu()
    else:
        array = on_host(array, name)
    xp = array_namespace(array)
    return xp, xp.astype(array, xp.float64)


def to_numpy(array: Array, name: str = "an array") -> NDArray[np.float64]:
    """Return the array in float64 on the host, without a copy where it is that already.

    Raises:
        ValueError: see :func:`require_real`.
    """
    return np.asarray(on_host(array, name), dtype=np.float64)


def on_host(array: Array, name: str = "an array") -> NDArray[Any]:
    """Return the array as NumPy's, its dtype kept; bfloat16, which NumPy lacks, becomes float32.

    Raises:
        ValueError: see :func:`require_real`.
    """
    if is_torch_array(array):
        require_real(array, name)
        array = array.detach().cpu()
        return np.asarray((array.float() if "bfloat16" in str(array.dtype) else array).numpy())
    if not isinstance(array, np.ndarray):
        try:
            array = np.asarray(array)
        except ValueError:
            raise ValueError(f"{name} must be an array of real numbers, got lists of unequal lengths") from None
    require_real(array, name)
    return array


def require_real(array: Array, name: str) -> None:
    """Check that an array holds plain real numbers: what a conversion would drop or misread is refused.

    Raises:
        ValueError: it is no array, masked or sparse, or holds complex numbers, objects, words, dates, records
            or numbers of 8 bits that NumPy does not know; the message names the argument.
    """
    if is_torch_array(array):
        found = str(array.dtype).removeprefix("torch.")
        plain = not (array.is_complex() or array.is_quantized or "float8" in found or "float4" in found)
        if plain and str(array.layout) != "torch.strided":
            raise ValueError(f"{name} must be dense, got {array.layout}; convert it with .to_dense()")
    else:
        if not hasattr(array, "dtype"):
            raise ValueError(f"{name} must be an array of NumPy or torch, got {type(array).__name__}")
        if isinstance(array, np.ma.MaskedArray):
            raise ValueError(f"{name} must not be masked; fill or leave out what is")
        found, plain = str(array.dtype), getattr(array.dtype, "kind", "f") in "biuf"
    if not plain:
        raise ValueError(f"{name} must be real numbers, got {found:.60}")


def present_classes(class_means: Array) -> Array:
    """Return (C,) bool: which rows are means of at least one positive, i.e. hold no NaN."""
    xp = array_namespace(class_means)
    return ~xp.any(xp.isnan(class_means), axis=1)


def checked_means(class_means: Array, name: str = "class_means") -> tuple[Any, Array]:
    """Return namespace and float64 (C, d) means; rows are finite or NaN throughout.

    Raises:
        ValueError: not a matrix, or a row holds infinity or NaN in places only.
    """
    xp, means = as_float64(class_means, name)
    require_shape(name, means.shape, ("C", "d"))
    undefined = xp.isnan(means)
    partly = xp.any(undefined, axis=1) & ~xp.all(undefined, axis=1)
    if bool(xp.any(partly)) or bool(xp.any(xp.isinf(means))):
        raise ValueError(
            f"{name} must be finite, or NaN in a whole row for a class without a positive; "
            "got other non-finite values: did the training diverge?"
        )
    return xp, means


def checked_batch(features: Array, targets: Array, num_classes: int, dim: int) -> Array:
    """Check one batch of class-wise or image-wise features and its labels.

    Args:
        features: (B, C, d), or (B, d).
        targets: (B, C), 0 or 1.
        num_classes: C.
        dim: d.

    Returns:
        ``targets`` in the namespace and on the device of ``features``.

    Raises:
        ValueError: a shape does not fit, a feature is not finite or a target is not 0 or 1.
    """
    require_real(features, "class_features")
    require_real(targets, "targets")
    image_wise = len(features.shape) == 2
    name = "image_features" if image_wise else "class_features"
    require_shape(name, features.shape, ("B", dim) if image_wise else ("B", num_classes, dim))
    require_shape("targets", targets.shape, (features.shape[0], num_classes), like=name)
    targets = like(features, targets)
    check_finite(features, name)
    check_size(features, name)
    check_binary(targets)
    return targets


def checked_rows(features: Array, labels: Array, num_classes: int, dim: int) -> Array:
    """Check features (M, d) and labels, (M,) where each is of one class, or (M, C) of 0 and 1.

    Args:
        features: (M, d).
        labels: (M,) or (M, C).
        num_classes: C.
        dim: d.

    Returns:
        ``labels`` in the namespace and on the device of ``features``.

    Raises:
        ValueError: a shape does not fit, a feature is not finite, or a label is no class or not 0 or 1.
    """
    require_real(features, "features")
    require_real(labels, "labels")
    require_shape("features", features.shape, ("n", dim))
    require_shape(
        "labels", labels.shape, (features.shape[0], num_classes)[: max(1, len(labels.shape))], like="features"
    )
    labels = like(features, labels)
    if len(labels.shape) == 2:
        check_binary(labels, "labels")
    else:
        check_whole(labels, "labels", num_classes - 1)
    check_finite(features, "features")
    check_size(features, "features")
    return labels


def like(array: Array, other: Array) -> Array:
    """Return ``other`` as an array of the kind and on the device of ``array``, its dtype kept."""
    if is_torch_array(array) == is_torch_array(other):
        return other.to(array.device) if is_torch_array(array) else other
    xp = array_namespace(array)
    return xp.asarray(on_host(other), device=device(array))


def check_finite(features: Array, name: str) -> None:
    """Refuse NaN and infinity, a piece at a time.

    Raises:
        ValueError: naming the argument.
    """
    require_real(features, name)
    xp = array_namespace(features)
    step = rows_per_chunk(features)
    for start in range(0, features.shape[0], step):
        part = features[start : start + step]
        with np.errstate(over="ignore", invalid="ignore"):
            # any of them spoils the sum, which is many times quicker; a sum may also overflow by itself
            if bool(xp.isfinite(xp.sum(part))):
                continue
        if not bool(xp.all(xp.isfinite(part))):
            raise ValueError(f"{name} must be finite, got NaN or infinity; did the training diverge?")


def check_size(features: Array, name: str) -> None:
    """Refuse features beyond float32, a piece at a time; only float64 can hold one.

    Raises:
        ValueError: naming the argument.
    """
    xp = array_namespace(features)
    if features.dtype != xp.float64:
        return
    features = features.detach() if is_torch_array(features) else features
    step = rows_per_chunk(features)
    for start in range(0, features.shape[0], step):
        largest = float(xp.max(xp.abs(features[start : start + step])))
        if largest > LARGEST:
            raise ValueError(
                f"{name} must be at most {LARGEST:.1e} in size, got {largest:.1e}; scale them down"
            )


def check_whole(values: Array, name: str, most: int | None = None) -> None:
    """Refuse numbers that are not whole, negative or too large: they would be cut to a wrong class or count.

    Raises:
        ValueError: naming the argument and the first bad value.
    """
    found = to_numpy(values, name).ravel()
    bad = (found != np.floor(found)) | ~np.isfinite(found) | (found < 0)
    wanted = "whole numbers that must not be negative"
    if most is not None:
        bad |= found > most
        wanted = f"0 to {most}, whole numbers"
    if bad.any():
        raise ValueError(f"{name} must be {wanted}, got {found[bad][0]:g}")


def check_groups(groups: Mapping[str, Sequence[int]], num_classes: int) -> None:
    """Refuse groups of other classes than there are: a negative index would be a class from the end.

    Raises:
        ValueError: naming the group and the index.
    """
    for name, members in groups.items():
        for index in members:
            if not 0 <= index < num_classes:
                raise ValueError(
                    f"groups[{name!r}] must hold class indices from 0 to {num_classes - 1}, got {index}; "
                    "is it of another data set?"
                )


def checked_counts(class_counts: Array, num_classes: int | None = None) -> NDArray[np.float64]:
    """Return (C,) class counts in float64 on the host.

    Raises:
        ValueError: the shape does not fit, or a count is not a whole number of at least 0.
    """
    counts = to_numpy(class_counts, "class_counts")
    require_shape("class_counts", counts.shape, ("C" if num_classes is None else num_classes,))
    check_whole(counts, "class_counts")
    return counts


def checked_variances(
    variances: Array, present: NDArray[np.bool_], name: str = "variances"
) -> NDArray[np.float64]:
    """Return variances, one a class or a row of them a class, in float64 on the host.

    Args:
        variances: (C,) or (C, r); NaN for a class without a positive, or throughout where nobody kept them.
        present: (C,) classes that have one.
        name: of the argument.

    Raises:
        ValueError: the shape does not fit, or a variance of a present class is negative or not finite.
    """
    values = to_numpy(variances, name)
    require_shape(name, values.shape, (len(present), "r")[: max(1, values.ndim)], like="class_means")
    own = values[present]
    if np.isnan(own).all():
        return values
    bad = ~np.isfinite(own) | (own < 0)
    if bad.any():
        raise ValueError(
            f"{name} of classes with a positive must be finite and at least 0, got {own[bad][0]:g}; "
            "did the training diverge?"
        )
    return values


def check_binary(targets: Array, name: str = "targets") -> None:
    """Refuse targets that are not 0 or 1.

    Raises:
        ValueError: with the first other value.
    """
    require_real(targets, name)
    xp = array_namespace(targets)
    if xp.isdtype(targets.dtype, "bool"):
        return
    other = (targets != 0) & (targets != 1)
    if bool(xp.any(other)):
        first = to_numpy(targets[other])[0]
        raise ValueError(f"{name} must be 0 or 1, got {first:g}; turn scores or counts into 0/1 first")


def rows_per_chunk(array: Array, width: int | None = None) -> int:
    """Return how many entries of the first axis make a piece of :data:`CHUNK_ELEMENTS` numbers.

    Args:
        array: on whose device the pieces are to be.
        width: numbers an entry; None takes those of ``array``.
    """
    if width is None:
        width = math.prod(int(size) for size in array.shape[1:])
    elsewhere = is_torch_array(array) and array.device.type != "cpu"
    return max(1, (DEVICE_CHUNK_ELEMENTS if elsewhere else CHUNK_ELEMENTS) // max(1, width))


def positive_pairs(labels: Array) -> tuple[Array, Array]:
    """Return of every row of a class the feature it is of and the class, (n,) int64 each.

    Args:
        labels: (M,) the class of each feature, or (M, C) 0 or 1 where a feature stands for several.

    Returns:
        ``(index, classes)``, in the order of features and then of classes.
    """
    xp = array_namespace(labels)
    if len(labels.shape) == 1:
        return xp.arange(labels.shape[0], device=device(labels)), xp.astype(labels, xp.int64)
    index, classes = xp.nonzero(labels > 0)
    return index, classes


def pieces(features: Array, labels: Array) -> Iterator[tuple[Array, Array]]:
    """Yield features in float64 with their labels, a piece of about :data:`CHUNK_ELEMENTS` numbers at a time.

    Args:
        features: (M, d).
        labels: (M,) int, or (M, C) 0 or 1, see :func:`positive_pairs`.

    Yields:
        ``(rows, labels)`` of equal length.
    """
    step = rows_per_chunk(features)
    for start in range(0, features.shape[0], step):
        _, rows = as_float64(features[start : start + step])
        yield rows, like(rows, labels[start : start + step])


def membership(labels: Array, num_classes: int) -> Array:
    """Return (C, M) float64, 1 where a feature is of a class.

    Args:
        labels: (M,) int, or (M, C) 0 or 1, see :func:`positive_pairs`.
        num_classes: C.
    """
    xp = array_namespace(labels)
    if len(labels.shape) == 2:
        return xp.astype(labels > 0, xp.float64).T
    every_class = xp.arange(num_classes, device=device(labels))
    return xp.astype(every_class[:, None] == labels[None, :], xp.float64)


def device_array(array: Array, values: NDArray[np.float64]) -> Array:
    """Return a float64 array of the host as one of the kind and on the device of ``array``."""
    return array_namespace(array).asarray(values, device=device(array))


def ratio(numerator: float, denominator: float) -> float:
    """Return the quotient; NaN for 0/0, infinity where only the denominator is 0."""
    if denominator == 0.0:
        return float("nan") if numerator == 0.0 else float("inf")
    return numerator / denominator


def mean_of_defined(values: Array) -> float:
    """Return the mean without NaN entries, NaN where none is left."""
    defined = to_numpy(values).ravel()
    defined = defined[~np.isnan(defined)]
    return float(defined.mean()) if len(defined) else float("nan")
