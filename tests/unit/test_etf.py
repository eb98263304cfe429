import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcnc.etf import block_aligned_etf, optimal_angle_degrees, optimal_cosine, simplex_etf


@settings(deadline=None)
@given(num_classes=st.integers(2, 41), extra=st.integers(-1, 13), seed=st.integers(0, 99))
def test_gram_matrix_is_that_of_a_simplex(num_classes, extra, seed):
    frame = simplex_etf(num_classes, num_classes + extra, seed=seed)
    ideal = num_classes / (num_classes - 1) * np.eye(num_classes) - 1 / (num_classes - 1)
    np.testing.assert_allclose(frame @ frame.T, ideal, atol=1e-12)
    np.testing.assert_allclose(frame.sum(axis=0), 0, atol=1e-12)
    assert np.linalg.matrix_rank(frame) == num_classes - 1


@pytest.mark.parametrize("construction", ["gaussian", "uniform"])
def test_float32_keeps_norms_and_cosines_to_a_millionth(construction):
    frame = simplex_etf(80, 2048, seed=3, construction=construction).astype(np.float32)
    gram = frame @ frame.T
    np.testing.assert_allclose(np.diag(gram), 1, atol=1e-6)
    np.testing.assert_allclose(gram[~np.eye(80, dtype=bool)], optimal_cosine(80), atol=1e-6)


def test_seed_turns_the_frame():
    assert np.abs(simplex_etf(5, 7, seed=0) - simplex_etf(5, 7, seed=1)).max() > 0.1
    np.testing.assert_array_equal(simplex_etf(5, 7, seed=4), simplex_etf(5, 7, seed=4))


@pytest.mark.parametrize(("num_classes", "angle"), [(3, 120.0), (4, 109.4712), (20, 93.0170), (80, 90.7253)])
def test_optimal_angle(num_classes, angle):
    assert optimal_angle_degrees(num_classes) == pytest.approx(angle, abs=1e-4)


def test_block_aligned_vectors_lie_in_their_own_block():
    frame = block_aligned_etf(20, 7, seed=2)
    ideal = 20 / 19 * np.eye(20) - 1 / 19
    np.testing.assert_allclose(frame @ frame.T, ideal, atol=1e-12)
    energy = (frame.reshape(20, 20, 7) ** 2).sum(axis=2)
    np.testing.assert_allclose(np.diag(energy), 0.95, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: simplex_etf(5, 3), "dim must be at least num_classes - 1 = 4"),
        (lambda: simplex_etf(1, 3), "num_classes must be at least 2"),
        (lambda: simplex_etf(3, 3, construction="odd"), "construction must be"),
        (lambda: block_aligned_etf(3, 0), "block_dim must be at least 1"),
    ],
)
def test_bad_arguments_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
