"""What is said of a longer training, with quantities that were not measured among its rows."""

import pytest

from mlcnc.evidence.longer_training import collapse_answer, longer_answer, null_of_nc1, trained_epochs


def row(name, **values):
    return {"name": name, "values": {key: {"mean": sum(v) / len(v), "runs": v} for key, v in values.items()}}


def test_the_epochs_are_those_that_all_rows_name():
    assert trained_epochs([row("ETF, alpha 0.5, 400 epochs"), row("ETF, alpha 50, 400 epochs")]) == 400
    assert trained_epochs([row("a, 400 epochs"), row("b, 40 epochs")]) is None
    assert trained_epochs([row("a")]) is None


def test_the_null_is_the_mean_of_that_of_every_seed():
    assert null_of_nc1(row("a", nc1=[1.0, 3.0], nc1_share=[0.5, 0.25])) == pytest.approx(7.0)
    assert null_of_nc1(row("a", nc1=[1.0])) is None
    assert (
        null_of_nc1({"values": {key: {"mean": None, "runs": [None]} for key in ("nc1", "nc1_share")}}) is None
    )


def test_the_answer_says_what_was_measured():
    whole = row("a", nc1=[1.0], nc1_share=[0.5], angle_min=[80.0])
    assert collapse_answer(whole, 93.02) == (
        "a: the features of a class do not draw together, NC1 is 1, that is 50 % of the 2 that as many images without it "
        "have; the two closest class means stand 80.0° apart, those of an ETF 93.0°."
    )
    assert collapse_answer(row("a", angle_min=[80.0]), None) == ""


def test_the_answer_over_all_rows_names_how_many_draw_together_and_where_the_closest_means_go():
    rows = [
        row("ETF, alpha 0.5, 400 epochs", nc1_share=[0.05], angle_min=[60.0]),
        row("ETF, alpha 50, 400 epochs", nc1_share=[0.5], angle_min=[87.4]),
    ]
    earlier = [row("a, alpha 50, at epoch 41", angle_min=[63.9])]
    assert longer_answer(rows, earlier, 93.02) == (
        "The features of a class draw together in 1 of 2 rows; the closest class means come to 60.0° with alpha 0.5 "
        "and from 63.9° to 87.4° with alpha 50, where an ETF has 93.0°."
    )
    assert longer_answer([row("a")], [], 93.02) == ""
