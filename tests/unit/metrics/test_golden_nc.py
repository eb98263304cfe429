"""Every published worked value of the neural-collapse metrics, on NumPy arrays and torch tensors."""

import json
import warnings

import numpy as np
import pytest
import torch

from mlcnc.etf import optimal_angle_degrees
from mlcnc.metrics import (
    ClassStatisticsAccumulator,
    MultiplicityAccumulator,
    NearestClassAccumulator,
    ProjectedScatterAccumulator,
    angle_summary,
    between_directions,
    cdnv,
    centre,
    centred_class_means,
    classifier_agreement,
    concatenated_duality,
    cosine_summary,
    debiased_cdnv,
    gram_distance,
    hyperspherical_uniformity,
    minority_collapse,
    nc1_per_class,
    nc1_trace,
    norm_cv,
    pairwise_angles,
    pairwise_cosines,
    positive_rows,
    self_duality,
    tag_average,
)


def values_of(case, as_array):
    """Compute every key the case expects."""
    given = case["input"]
    number, tail = given["num_classes"], given["tail_classes"]
    multi = case["kind"] == "multi"
    accumulator = ClassStatisticsAccumulator(
        number, len(given["class_features"][0][0]) if multi else len(given["features"][0])
    )
    if multi:
        features, targets = as_array(given["class_features"]), as_array(given["labels"])
        accumulator.update(features, targets)
        rows, labels, _ = positive_rows(features, targets)
    else:
        rows, labels = as_array(given["features"]), as_array(given["labels"])
        labels = labels.long() if isinstance(labels, torch.Tensor) else labels.astype(int)
        accumulator.update_rows(rows, labels)
    statistics = accumulator.compute()
    means, variances, counts = statistics.class_means, statistics.variances, statistics.class_counts
    means_given = as_array(means.tolist())
    debiased = debiased_cdnv(means_given, variances, counts)
    pairs = cdnv(means_given, variances)
    values = {
        "counts": counts, "class_means": means, "var_ddof0": variances,
        "center_class": centre(means_given, "class"),
        "center_sample": centre(means_given, "sample", class_counts=counts),
        "var_ddof1": np.where(counts > 1, variances * counts / np.maximum(counts - 1, 1), np.nan),
        "nc1_per_class": nc1_per_class(means_given, variances),
        "cdnv_pairs": pairs.matrix[np.triu_indices(number, 1)],
        "cdnv_mean": pairs.mean, "cdnv_max": pairs.maximum,
        "cdnv_debiased_mean": debiased.mean, "cdnv_debiased_pairs_used": debiased.num_pairs,
        "etf_angle": optimal_angle_degrees(number),
    }  # fmt: skip
    names = {"c": "class", "s": "sample"}
    for within, between, at in (("s", "c", "c"), ("c", "c", "c"), ("s", "s", "s"), ("s", "c", "s")):
        tag = f"W{within}B{between}_g{at}"
        directions = between_directions(statistics, between=names[between], centring=names[at])
        second = ProjectedScatterAccumulator(statistics, directions)
        second.update_rows(rows, labels)
        values[f"rank_{tag}"] = directions.rank
        values[f"nc1_pinv_{tag}"] = second.nc1_pinv(within=names[within])
        values[f"nc1_trace_{tag}"] = nc1_trace(
            means_given,
            variances,
            class_counts=counts,
            within=names[within],
            between=names[between],
            centring=names[at],
        )
    for at in ("none", "class", "sample"):
        centred = centred_class_means(means_given, at, class_counts=counts)
        cosines = pairwise_cosines(centred)
        summary, spread = (
            angle_summary(pairwise_angles(means_given, centring=at, class_counts=counts)),
            cosine_summary(cosines),
        )
        values |= {
            f"nc2_norms_{at}": np.linalg.norm(np.asarray(centred), axis=1),
            f"nc2_cv_{at}": norm_cv(centred), f"nc2_cv1_{at}": norm_cv(centred, ddof=1),
            f"nc2_cos_{at}": cosines, f"nc2_cos_mean_{at}": spread.mean, f"nc2_cos_std_{at}": spread.std,
            f"nc2_cos_dev_{at}": spread.deviation, f"nc2_cos_maxdev_{at}": spread.max_deviation,
            f"nc2_coherence_{at}": spread.coherence,
            f"nc2_angle_mean_{at}": summary.mean, f"nc2_angle_min_{at}": summary.minimum,
            f"nc2_angle_max_{at}": summary.maximum,
            f"nc2_gram_{at}": gram_distance(means_given, centring=at, class_counts=counts),
        }  # fmt: skip
    centred = centred_class_means(means_given, "class")
    energy = hyperspherical_uniformity(centred)
    values |= {
        "gnc2_dist_mean": energy.distance_mean, "gnc2_dist_var": energy.distance_variance,
        "gnc2_log_energy": energy.log_energy, "gnc2_log_energy_opt": energy.log_energy - energy.log_energy_gap,
        "gnc2_riesz1": energy.riesz_energy, "gnc2_riesz1_opt": energy.riesz_energy - energy.riesz_energy_gap,
        "gnc2_riesz_dminus2": hyperspherical_uniformity(centred, power=rows.shape[1] - 2).riesz_energy,
    }  # fmt: skip
    weight = as_array(given["classifier_etf"]).T if multi else as_array(given["classifier_weight"])
    # for a tail of one class the published value pairs it with every other class
    for name, part in (("means_class", centred), ("means_none", means_given), ("W", weight)):
        found = tail_collapse(part, tail, number)
        for key in ("cos_mean", "angle_mean", "angle_min"):
            values[f"mc_tail_{name}_{key}"] = found[key]
    values["nc3_w_gram"] = gram_distance(weight, centring="none")
    if multi:
        values |= multi_label_values(given, as_array, features, targets, statistics, weight)
    else:
        dual = self_duality(weight, centred)
        decision = classifier_agreement(rows, labels, statistics, weight, as_array(given["classifier_bias"]))
        values |= {
            "nc3_frob2": dual.frobenius_squared, "nc3_frob": dual.frobenius, "nc3_cos": dual.cosines,
            "nc3_cos_mean": dual.cosine_mean, "nc3_etf": dual.etf_distance, "nc3_dot_var1": dual.dot_variance,
            "nc3_w_cv": norm_cv(weight),
            "nc4_agree": decision.agreement, "nc4_agree_macro": decision.agreement_macro,
            "nc4_ncc_accuracy": decision.nearest_accuracy, "nc4_clf_accuracy": decision.classifier_accuracy,
        }  # fmt: skip
    return values


def tail_collapse(rows, tail, number):
    found = minority_collapse(rows, tail)
    return {"cos_mean": found.cosine_mean, "angle_mean": found.angle_mean, "angle_min": found.angle_min}


def multi_label_values(given, as_array, features, targets, statistics, weight):
    number = given["num_classes"]
    flat = features.reshape(features.shape[0], -1)
    joined = ClassStatisticsAccumulator(number, flat.shape[1])
    joined.update(flat, targets)
    dual = concatenated_duality(weight, joined.compute(), statistics)
    logits = given["gamma"] * flat @ weight.T
    nearest = NearestClassAccumulator(statistics)
    nearest.update(features, targets, logits)
    decided = nearest.compute()
    levels = MultiplicityAccumulator(statistics)
    levels.update(features, targets)
    tag = tag_average(as_array(given["image_features"]), targets)
    return {
        "neg_means": statistics.negative_means,
        "nc4_pos_identity": decided.identity, "nc4_pos_identity_macro": decided.identity_macro,
        "nc4_bin_agree": decided.binary_all, "nc4_bin_agree_pos": decided.binary_positive,
        "nc4_bin_agree_neg": decided.binary_negative, "nc4_bin_agree_balanced": decided.binary_balanced,
        "nc4_bin_agree_macro": decided.binary_macro,
        "nc3_block_energy": dual.block_energy, "nc3_own_block_energy_mean": dual.own_block_energy_mean,
        "nc3_concat_cos": dual.concat.cosines, "nc3_concat_cos_mean": dual.concat.cosine_mean,
        "nc3_concat_frob2": dual.concat.frobenius_squared, "nc3_concat_etf": dual.concat.etf_distance,
        "nc3_contrast_cos": dual.contrast_cosines, "nc3_contrast_cos_mean": dual.contrast_cosine_mean,
        "nc3_ownblock_cos": dual.own_block_cosines, "nc3_ownblock_cos_mean": dual.own_block_cosine_mean,
        "nc3_own_logit_gap_share": dual.own_logit_gap_share,
        "ml_multiplicity_eta2": levels.compute().share,
        "ncm_matched_angle": tag.matched_angle, "ncm_all_angle": tag.all_angle, "ncm_ratio": tag.ratio,
        "ncm_pairs": tag.pairs, "ncm_tag_residual": tag.residual,
    }  # fmt: skip


KINDS = {
    "numpy": lambda values: np.array(values, dtype=np.float64),
    "torch": lambda values: torch.tensor(values, dtype=torch.float64),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("index", range(3))
def test_every_worked_value(shared, index, kind):
    case = json.loads((shared / "reference" / "nc_vectors.json").read_text())["cases"][index]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = values_of(case, KINDS[kind])
    assert set(values) >= set(case["expected"])
    for key, published in case["expected"].items():
        expected = np.array(published, dtype=float)
        actual = np.asarray(values[key], dtype=float)
        # null stands for undefined; the ETF distance of an exact ETF is near zero
        np.testing.assert_allclose(actual, expected, rtol=1e-8, atol=1e-10, err_msg=f"{case['name']}: {key}")
