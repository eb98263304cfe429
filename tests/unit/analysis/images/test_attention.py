"""Attention within boxes, against pixels and single records."""

import numpy as np
import pytest

from mlcnc.analysis.images.attention import localisation, probe_attention
from mlcnc.store import RunStore


def test_attention_in_the_box_is_counted_by_pixels(trained):
    run = RunStore(trained).open("tiny")
    targets = run.samples().get("probes/targets")
    label = int(np.flatnonzero(targets[0])[0])
    record = probe_attention(run, 2, 0, label)
    assert record.present
    assert len(record.boxes) == 1
    x0, y0, x1, y1 = record.boxes[0].astype(int)
    fine = np.kron(record.attention, np.ones((8, 8))) / 64
    assert record.mass_in_box == pytest.approx(fine[y0:y1, x0:x1].sum(), rel=1e-9)
    assert record.chance == pytest.approx((x1 - x0) * (y1 - y0) / 64**2)
    assert probe_attention(run, 2, 99, 0) is None


def test_localisation_is_the_mean_over_objects(trained):
    run = RunStore(trained).open("tiny")
    targets = run.samples().get("probes/targets")
    found = localisation(run, 2)
    records = [probe_attention(run, 2, int(p), int(c)) for p, c in zip(*np.nonzero(targets), strict=True)]
    assert found.num_objects == len(records)
    assert found.mass == pytest.approx(np.mean([record.mass_in_box for record in records]), abs=2e-3)
    assert found.chance == pytest.approx(np.mean([record.chance for record in records]))
    assert 0 <= found.hits <= 1
