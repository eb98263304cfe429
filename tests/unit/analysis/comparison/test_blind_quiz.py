"""The blind quiz: which runs are dealt, and what their numbers support."""

import json

import numpy as np
import pytest

from mlcnc.analysis.comparison.blind_quiz import (
    claim_reason,
    claim_sentence,
    claims,
    comparisons_sentence,
    deal,
    paper_total_map,
    reading,
    reading_sentence,
    run_evidence,
    supported_claim,
    unsupported_claim,
)
from mlcnc.analysis.images.shared_probe import shared_probe
from mlcnc.analysis.runs.rows import run_rows
from mlcnc.store import RunStore, RunWriter

NAMES = ["Run 1", "Run 2", "Run 3"]


def seeds(root, tails, *, nc1=(0.5, 0.6, 0.7)):
    """Write three seeds a kind with these tail mAPs; only the first seed has arrays."""
    for kind, values in tails.items():
        for seed, value in enumerate(values):
            with RunWriter.create(
                root,
                f"{kind}-s{seed}",
                class_names=["a", "b"],
                class_counts=[9, 2],
                config={
                    "data": {"dataset": "toy"},
                    "method": {"kind": "mlc_nc", "label_embedding": kind},
                    "training": {"seed": seed},
                },
                method="mlc_nc",
                seed=seed,
            ) as run:
                line = {"test/map_tail": value, "test.f/nc1_trace": nc1[seed]}
                run.log_epoch(0, line, {"label_embedding/gram": np.eye(2)} if seed == 0 else None)
    runs = list(RunStore(root).scan())
    return list(zip(runs, run_rows(runs), strict=True))


def test_quiz_deals_one_run_of_each_kind_in_an_order_of_the_seed(tmp_path):
    runs = seeds(tmp_path, {"etf": [60, 61], "trainable": [62, 63], "glove": [64, 65]}, nc1=(0.5, 0.6))
    orders = {deal(runs, [], seed).answers for seed in range(40)}
    assert len(orders) == 6, "every order comes"
    hand = deal(runs, [], 3)
    assert deal(runs, [], 3) == hand
    assert {row.run_id for row in hand.rows} == {"etf-s0", "trainable-s0", "glove-s0"}, "those with arrays"
    assert [[row.run_id[:-1] for row in group] for group in hand.groups] == [
        [f"{kind}-s"] * 2 for kind in hand.answers
    ]


def test_quiz_needs_all_three_kinds(tmp_path):
    assert deal(seeds(tmp_path, {"etf": [60], "glove": [61]}), [], 0) is None
    assert deal([], [], 0) is None


def test_quiz_prefers_picked_runs(tmp_path):
    from tests.app.conftest import write_run

    for name in ("etf", "trainable", "glove"):
        for seed in (0, 1):
            write_run(tmp_path, f"{name}-{seed}", embedding=name, seed=seed, epochs=1).finish()
    runs = list(RunStore(tmp_path).scan())
    hand = deal(list(zip(runs, run_rows(runs), strict=True)), ["glove-1"], 0)
    assert {row.run_id for row in hand.rows} == {"etf-0", "trainable-0", "glove-1"}


def own_run(root, name, kind, *, epochs=2, seed=0, tail=18.0, arrays=True, measured=1, **settings):
    """Write a run of the same classes as those of ``seeds``, with settings of its own."""
    config = {
        "data": {"dataset": "toy"},
        "method": {"kind": "mlc_nc", "label_embedding": kind, **settings},
        "training": {"seed": seed, "epochs": epochs},
    }
    with RunWriter.create(
        root,
        name,
        class_names=["a", "b"],
        class_counts=[9, 2],
        config=config,
        method="mlc_nc",
        seed=seed,
        num_epochs=epochs,
    ) as run:
        line = {"test/map_tail": tail, "test.f/nc1_trace": 0.9}
        for epoch in range(measured):
            run.log_epoch(epoch, line, {"label_embedding/gram": np.eye(2)} if arrays else None)


def dealt(root, picked=()):
    runs = list(RunStore(root).scan())
    return deal(list(zip(runs, run_rows(runs), strict=True)), picked, 0)


def test_short_runs_of_ones_own_displace_no_recorded_run(tmp_path):
    seeds(tmp_path, {"etf": [60, 61, 62], "trainable": [61, 63, 64], "glove": [70, 71, 72]})
    for kind in ("etf", "trainable", "glove"):
        own_run(tmp_path, f"a-{kind}", kind, embedding_dim=32)
    hand = dealt(tmp_path, ["a-etf", "a-trainable", "a-glove"])
    assert {row.run_id for row in hand.rows} == {"etf-s0", "trainable-s0", "glove-s0"}
    assert [len(group) for group in hand.groups] == [3, 3, 3]


def test_the_longest_training_is_dealt_where_seeds_are_equally_many(tmp_path):
    for kind in ("etf", "trainable", "glove"):
        own_run(tmp_path, f"a-short-{kind}", kind, epochs=3)
        own_run(tmp_path, f"b-long-{kind}", kind, epochs=40)
        own_run(tmp_path, f"c-short-{kind}", kind, epochs=3, dropout=0.2)
    assert {row.run_id[:2] for row in dealt(tmp_path, ["a-short-etf"]).rows} == {"b-"}


def test_runs_whose_curves_would_tell_them_apart_are_dealt_last(tmp_path):
    for kind, measured in (("etf", 5), ("trainable", 5), ("glove", 2)):
        own_run(tmp_path, f"a-long-{kind}", kind, epochs=40, measured=measured)
    assert {row.run_id[:2] for row in dealt(tmp_path).rows} == {"a-"}, "better than none"
    for kind in ("etf", "trainable", "glove"):
        own_run(tmp_path, f"b-short-{kind}", kind, epochs=3)
    assert {row.run_id[:2] for row in dealt(tmp_path).rows} == {"b-"}


def test_runs_that_differ_in_more_than_the_embedding_are_not_dealt_together(tmp_path):
    own_run(tmp_path, "etf", "etf")
    own_run(tmp_path, "glove", "glove", glove_path="vectors.txt")
    own_run(tmp_path, "other", "trainable", embedding_dim=32)
    assert dealt(tmp_path) is None
    own_run(tmp_path, "longer", "trainable", epochs=40)
    assert dealt(tmp_path) is None
    own_run(tmp_path, "trainable", "trainable")
    assert {row.run_id for row in dealt(tmp_path).rows} == {"etf", "trainable", "glove"}, "whatever the file"


def test_only_finished_runs_are_dealt(tmp_path):
    for kind in ("etf", "trainable", "glove"):
        own_run(tmp_path, f"{kind}-1", kind, seed=1)
        own_run(tmp_path, f"{kind}-0", kind, seed=0)
        path = tmp_path / f"{kind}-0" / "status.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"state": "stopped"}))
    hand = dealt(tmp_path)
    assert {row.run_id for row in hand.rows} == {"etf-1", "trainable-1", "glove-1"}
    assert [len(group) for group in hand.groups] == [1, 1, 1]


def test_copies_of_a_seed_count_once(tmp_path):
    for kind, tail in (("etf", 60.0), ("trainable", 70.0), ("glove", 80.0)):
        own_run(tmp_path, f"a-copy-{kind}", kind, tail=tail, arrays=False)
        for name in ("b", "c"):
            own_run(tmp_path, f"{name}-{kind}", kind, tail=tail)
    hand = dealt(tmp_path, ["c-etf"])
    assert sorted(row.run_id for row in hand.rows) == ["b-glove", "b-trainable", "c-etf"]
    assert list(hand.groups) == [(row,) for row in hand.rows]
    assert {claim.cell.num_seeds for claim in claims(hand)} == {1}


def test_a_second_run_of_a_seed_is_no_seed_and_runs_without_one_count_by_their_numbers(tmp_path):
    for kind in ("etf", "trainable", "glove"):
        own_run(tmp_path, f"{kind}-a", kind, tail=60.0)
        own_run(tmp_path, f"{kind}-b", kind, tail=61.0)
    assert [len(group) for group in dealt(tmp_path).groups] == [1, 1, 1]
    for kind in ("etf", "trainable", "glove"):
        for name, tail in (("c", 60.0), ("d", 60.0), ("e", 61.0)):
            own_run(tmp_path, f"{kind}-{name}", kind, seed=None, tail=tail, dropout=0.2)
    hand = dealt(tmp_path)
    assert {row.seed for row in hand.rows} == {None}
    assert [len(group) for group in hand.groups] == [2, 2, 2]


def in_order(runs, errors_of=lambda first, second: {}):
    """Deal ETF first, then trainable, then GloVe."""
    hands = (deal(runs, [], seed, errors_of) for seed in range(40))
    return next(hand for hand in hands if hand.answers == ("etf", "trainable", "glove"))


def test_claims_are_judged_by_differences_paired_by_seed(tmp_path):
    runs = seeds(tmp_path, {"etf": [60, 61, 62], "trainable": [61, 64, 60], "glove": [70, 71, 73]})
    hand = in_order(runs)
    found = {(c.above, c.below): c for c in claims(hand) if c.reading.quantity == "map_tail"}
    assert {pair: c.supported for pair, c in found.items()} == {(1, 0): False, (2, 0): True, (2, 1): True}
    assert not any(c.supported for c in claims(hand) if c.reading.quantity == "nc1")
    best = supported_claim(hand)
    assert (best.above, best.below) == (2, 0)
    assert claim_sentence(best, NAMES) == "Run 3 has a higher tail mAP than Run 1."
    # 10, 10 and 11: mean 31/3, 4.303 standard errors of 1/3 to either side
    assert claim_reason(best, NAMES) == (
        "Run 3 at 71.3 % (70.0 to 73.0, n=3) and Run 1 at 61.0 % (60.0 to 62.0, n=3): supported. Paired by seed "
        "they differ by +10.3, and the 95 % interval over seeds, +8.9 to +11.8, n=3, excludes 0."
    )
    # three pairs each in NC1 and tail mAP, each supported by luck in one of twenty
    assert "Of 6 such comparisons" in comparisons_sentence(hand)
    assert "2 are supported; if no run differed from another, luck alone would support about 0.3." in (
        comparisons_sentence(hand)
    )
    open_one = unsupported_claim(hand)
    assert claim_sentence(open_one, NAMES) == "Run 2 has a higher tail mAP than Run 1."
    assert "undecided. Paired by seed they differ by +0.7" in claim_reason(open_one, NAMES)
    assert claim_reason(open_one, NAMES).endswith("n=3, holds 0.")
    tail = reading(hand, "map_tail")
    assert (tail.smallest_gap, tail.largest_gap) == pytest.approx((2 / 3, 31 / 3))
    assert tail.widest_seeds == 4
    sentence = reading_sentence(tail, NAMES)
    assert "Supported: Run 3 above Run 1 (+8.9 to +11.8, n=3); Run 3 above Run 2 (" in sentence
    assert "Undecided: Run 2 above Run 1 (" in sentence
    assert sentence.index("Run 3 at 71.3") < sentence.index("Run 2 at 61.7") < sentence.index("Run 1 at 61.0")
    assert "Supported" not in reading_sentence(reading(hand, "nc1"), NAMES)
    assert "not logged by enough" in reading_sentence(reading(hand, "angle_min"), NAMES)


def test_seeds_apart_may_be_undecided_and_seeds_that_overlap_supported(tmp_path):
    runs = seeds(tmp_path, {"etf": [60, 64, 68], "trainable": [61, 65.1, 69.1], "glove": [70, 90, 71]})
    found = {(c.above, c.below): c for c in claims(in_order(runs)) if c.reading.quantity == "map_tail"}
    assert {pair: c.supported for pair, c in found.items()} == {(1, 0): True, (2, 0): False, (2, 1): False}


def test_a_supported_interval_is_seen_to_exclude_0(tmp_path):
    runs = seeds(tmp_path, {"etf": [60, 61, 62], "trainable": [60.21, 61.15, 62.1], "glove": [70, 71, 73]})
    found = {(c.above, c.below): c for c in claims(in_order(runs)) if c.reading.quantity == "map_tail"}
    claim = found[1, 0]
    assert claim.supported
    assert "+0.02 to +0.29, n=3, excludes 0" in claim_reason(claim, NAMES)


def test_test_images_widen_the_intervals_of_claims(tmp_path):
    runs = seeds(tmp_path, {"etf": [60, 61, 62], "trainable": [61, 64, 60], "glove": [70, 71, 73]})
    hand = in_order(runs, lambda first, second: {"map_tail": 30.0})
    assert supported_claim(hand) is None
    assert "over seeds and test images" in claim_reason(unsupported_claim(hand), NAMES)


def test_only_seeds_that_all_three_have_are_dealt(tmp_path):
    """Else a mean over other seeds could stand against the difference of those that two share."""
    tails = {"etf": [70, 71, 72, 50, 50], "trainable": [60, 61, 62], "glove": [68, 69, 70.3]}
    hand = in_order(seeds(tmp_path, tails, nc1=(0.5,) * 5))
    assert {len(group) for group in hand.groups} == {3}
    (claim,) = (c for c in claims(hand) if c.reading.quantity == "map_tail" and {c.above, c.below} == {0, 2})
    assert (claim.above, claim.below) == (0, 2)
    means = claim.reading.spreads
    assert means[claim.above].mean > means[claim.below].mean


def test_single_seeds_support_nothing(tmp_path):
    hand = deal(seeds(tmp_path, {"etf": [60], "trainable": [70], "glove": [80]}), [], 0)
    assert supported_claim(hand) is None
    claim = unsupported_claim(hand)
    assert claim.gap == pytest.approx(20)
    assert "undecided, one seed, so there is no interval" in claim_reason(claim, NAMES)
    assert reading_sentence(reading(hand, "map_tail"), NAMES).count("(one seed)") == 3
    assert reading(hand, "map_tail").widest_seeds == 0
    assert comparisons_sentence(hand) == ""
    assert "a guess was all" in run_evidence(hand, 0, NAMES)


def test_evidence_names_what_parts_one_run_from_the_others(tmp_path):
    runs = seeds(tmp_path, {"etf": [60, 61, 62], "trainable": [61, 64, 60], "glove": [70, 71, 73]})
    hand = in_order(runs)
    said = "Supported, paired by seed: its tail mAP lies"
    assert run_evidence(hand, 2, NAMES) == f"{said} above Run 1 and above Run 2."
    assert run_evidence(hand, 0, NAMES) == f"{said} below Run 3."


def test_quiz_shows_the_first_common_image_with_a_tail_class(tmp_path):
    from tests.app.conftest import write_run

    for name in ("one", "two"):
        write_run(tmp_path, name, epochs=1).finish()
    write_run(tmp_path, "another", epochs=1).finish()
    one, two, other = (RunStore(tmp_path).open(name) for name in ("one", "two", "another"))
    # the two probe images show the first two classes, a head and another, no tail
    assert shared_probe([one, two]).probe == 0
    assert shared_probe([one, two]).class_name == "person"
    assert shared_probe([one, other]) is None, "different images"
    write_run(tmp_path, "slim", slim=True).finish()
    assert shared_probe([one, RunStore(tmp_path).open("slim")]) is None


def test_published_totals_are_those_of_the_tables():
    assert paper_total_map() == {"etf": 84.37, "trainable": 83.92, "glove": 83.74}
