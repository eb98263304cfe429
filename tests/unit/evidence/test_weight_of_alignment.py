"""What results say of the weight of the alignment loss, with rows that were not trained among them."""

from mlcnc.evidence.weight_of_alignment import alignment_answer, weight_courses


def row(series, at, *means):
    values = dict(
        zip(("alignment", "alignment_test", "map_total"), ({"mean": mean} for mean in means), strict=False)
    )
    return {"series": series, "at": at, "values": values}


def test_a_course_has_the_weights_at_which_everything_was_measured():
    tree = {
        "rows": [
            row("ETF", "100", 0.7, 0.4, 72.0),
            row("ETF", "0.5", 0.1, 0.05, 70.0),
            row("ETF", "10", 0.3, None, 71.0),
            row("ETF", "", 0.3, 0.2, 71.0),
            row("GloVe", "0.5"),
        ]
    }
    (course,) = weight_courses(tree)
    assert (course.series, course.weights) == ("ETF", (0.5, 100.0))
    assert (course.train, course.test, course.map_total) == ((0.1, 0.7), (0.05, 0.4), (70.0, 72.0))
    assert alignment_answer([course]) == (
        "ETF, weight 0.5: hardly, cosine 0.10 on training and 0.05 on test images; "
        "weight 100: yes, cosine 0.70 on training and 0.40 on test images."
    )


def test_one_weight_is_an_answer_too():
    assert alignment_answer(weight_courses({"rows": [row("ETF", "10", 0.4, 0.3, 70.0)]})) == (
        "ETF, weight 10: half way, cosine 0.40 on training and 0.30 on test images."
    )
    assert weight_courses({"rows": []}) == []
