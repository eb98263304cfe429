"""The metrics of this version against worked values computed elsewhere."""

import json

import numpy as np

from mlcnc.metrics import (
    ClassStatisticsAccumulator,
    angle_summary,
    gram_distance,
    nc1_per_class,
    nc1_trace,
    pairwise_angles,
)


def test_worked_values(shared):
    cases = json.loads((shared / "reference" / "nc_vectors.json").read_text())["cases"]
    checked = 0
    for case in cases:
        if case["kind"] != "single":
            continue
        rows, labels = np.array(case["input"]["features"]), np.array(case["input"]["labels"])
        targets = np.eye(case["input"]["num_classes"])[labels]
        # single-label rows: the same feature stands for every class, only the label's own counts
        accumulator = ClassStatisticsAccumulator(targets.shape[1], rows.shape[1])
        accumulator.update(np.repeat(rows[:, None, :], targets.shape[1], axis=1), targets)
        statistics = accumulator.compute()
        means, variances = statistics.class_means, statistics.variances
        values = {
            "counts": statistics.class_counts,
            "class_means": means,
            "var_ddof0": variances,
            "nc1_trace_WcBc_gc": nc1_trace(means, variances),
            "nc1_per_class": nc1_per_class(means, variances),
            "nc2_gram_class": gram_distance(means),
        }
        for centring in ("none", "class"):
            summary = angle_summary(pairwise_angles(means, centring=centring))
            values[f"nc2_angle_mean_{centring}"] = summary.mean
            values[f"nc2_angle_min_{centring}"] = summary.minimum
            values[f"nc2_angle_max_{centring}"] = summary.maximum
        for key, value in values.items():
            expected = np.array(case["expected"][key], dtype=float)
            np.testing.assert_allclose(value, expected, rtol=1e-8, err_msg=f"{case['name']}: {key}")
            checked += 1
    assert checked == 24
