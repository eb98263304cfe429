"""What must hold for a simplex ETF of any size, beyond its Gram matrix."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcnc.etf import block_aligned_etf, optimal_cosine, simplex_etf

unhurried = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 2**32)


@unhurried
@given(st.integers(2, 90), st.integers(-1, 40), seeds)
def test_float32_copies_stay_within_a_millionth(num_classes, extra, seed):
    frame = simplex_etf(num_classes, num_classes + extra, seed=seed).astype(np.float32)
    gram = frame @ frame.T
    off = ~np.eye(num_classes, dtype=bool)
    assert np.abs(np.diag(gram) - 1).max() < 1e-6
    assert np.abs(gram[off] - optimal_cosine(num_classes)).max() < 1e-6


@unhurried
@given(st.integers(2, 17), st.integers(-1, 9), seeds, st.randoms(use_true_random=False))
def test_no_wider_set_of_vectors_exists(num_classes, extra, seed, random):
    """No other unit vectors have a smaller largest cosine: the simplex is the optimum."""
    dim = num_classes + extra
    moved = simplex_etf(num_classes, dim, seed=seed)
    moved = moved + 0.1 * np.random.default_rng(random.randrange(2**31)).standard_normal(moved.shape)
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    cosines = (moved @ moved.T)[~np.eye(num_classes, dtype=bool)]
    assert cosines.max() >= optimal_cosine(num_classes) - 1e-12


@unhurried
@given(st.integers(2, 17), st.integers(1, 9), seeds)
def test_sums_of_squares_are_a_tight_frame(num_classes, block, seed):
    for frame in (
        simplex_etf(num_classes, num_classes * block, seed=seed),
        block_aligned_etf(num_classes, block, seed=seed),
    ):
        singular = np.linalg.svd(frame, compute_uv=False)
        np.testing.assert_allclose(singular[:-1], np.sqrt(num_classes / (num_classes - 1)), atol=1e-10)
        assert singular[-1] < 1e-7
