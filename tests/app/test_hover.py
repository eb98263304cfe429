"""Under the pointer every chart of classes says the same in one order: class, training images, bucket, value."""

import re

import numpy as np

from app.figures.alignment import alignment_dots
from app.figures.angle_matrix import angle_matrix
from app.figures.class_dots import class_dots
from app.figures.feature_map import colour_by_bucket, feature_map
from mlcnc.analysis.geometry.alignment import class_alignment
from mlcnc.analysis.geometry.angles import class_mean_angles
from mlcnc.analysis.geometry.variability import class_variability
from mlcnc.analysis.runs.rows import run_row
from mlcnc.store import RunStore
from tests.app.conftest import write_run
from tests.app.test_map import invented

FIRST = "person (500), head"


def hovered(trace, point):
    """Return what Plotly writes of a point, with numbers as they are."""
    data = trace.customdata
    parts = {"text": "text", "x": "x", "y": "y"}

    def value(found):
        name, place = found[1], found[2]
        if name == "customdata":
            return str(data[point] if place is None else data[point][int(place)])
        return str(np.asarray(getattr(trace, parts[name]))[point])

    text = re.sub(r"<extra>.*</extra>", "", trace.hovertemplate)
    return re.sub(r"%\{(\w+)(?:\[(\d+)\])?(?::[^}]*)?\}", value, text)


def test_a_class_has_one_form_on_every_chart_and_an_angle_stands_beside_that_of_an_etf(tmp_path):
    write_run(tmp_path, "only", aligned=True).finish()
    run = RunStore(tmp_path).open("only")
    row, of = run_row(run), {"split": "test", "space": "f"}
    dots = class_dots([(row, class_variability(run, 2, **of))]).data[0]
    assert hovered(dots, 0).startswith(f"{FIRST}: NC1 ")
    cosines = alignment_dots([(row, class_alignment(run, 2, **of))]).data[0]
    assert hovered(cosines, 0).startswith(f"{FIRST}: cosine ")
    matrix = angle_matrix(class_mean_angles(run, 2, **of, centring="class")).data[0]
    assert (matrix.y[0], matrix.x[0]) == (FIRST, FIRST)
    optimum = np.degrees(np.arccos(-1 / 4))
    assert f"%{{y}} and %{{x}}: %{{z:.1f}}° (ETF {optimum:.1f}°)" in matrix.hovertemplate
    layout, table, record = invented(41)
    for trace in feature_map(layout, table, record.samples, colour_by_bucket(table), 2).data:
        name = table.name(int(trace.customdata[0]))
        count, bucket = (
            of_classes[table.class_names.index(name)] for of_classes in (table.class_counts, table.buckets)
        )
        assert hovered(trace, 0).startswith(f"{name} ({count}), {bucket}: sample ")
