"""The small part of an epoch's arrays: what is said of a class, and nothing of single images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.training.split_pass import WIDEST_IN_FLOAT32

_OF_SPLIT = frozenset({"ap"})
_OF_SPACE = frozenset({"class_means", "class_counts", "within_scatter", "alignment"})
_OF_METHOD = frozenset({"classifier/gram", "label_embedding/gram", "label_embedding/drift_cosine"})


def class_arrays(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return average precision, class means, scatter and alignment of every class, and Gram matrices.

    Class means of more than 64 numbers are in float16, as sampled features are; concatenated features, whose
    means are as wide as all classes together, are left out.

    Args:
        arrays: of an epoch, as :func:`~mlcnc.training.measurement.measure` returns them.
    """
    found: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        place, _, last = name.rpartition("/")
        wanted = name in _OF_METHOD or last in (_OF_SPACE if "." in place else _OF_SPLIT)
        if not wanted or place.endswith(".concat"):
            continue
        wide = last == "class_means" and array.shape[1] > WIDEST_IN_FLOAT32
        found[name] = array.astype(np.float16) if wide else array
    return found
