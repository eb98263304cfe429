"""No worked value of the shared file is forgotten, and every one carried here is compared with ours."""

import importlib
import json
from pathlib import Path

FOLDER = Path(__file__).parent
TESTS = {
    "bbn_urs_plm": "test_bbn_urs_plm",
    "ldam_oltr_ml_gcn": "test_ldam_oltr_ml_gcn",
    "losses_of_logits": "test_losses_of_logits",
    "mlc_nc_losses": "test_golden_losses",
    "ranking": "test_ranking",
}
"""Files of worked values, and the test that compares all of each, those and no others."""


def names_in(path):
    return [vector["name"] for vector in json.loads(path.read_text())["vectors"]]


def test_every_worked_value_is_carried_once(shared):
    carried = [name for file in TESTS for name in names_in(FOLDER / f"{file}.json")]
    assert len(carried) == 78
    assert sorted(carried) == sorted(names_in(shared / "reference" / "loss_vectors.json"))


def test_every_carried_value_is_compared():
    for file, test in TESTS.items():
        module = importlib.import_module(f"tests.golden.{test}")
        marks = {mark.args[0]: mark.args[1] for mark in module.test_golden_values.pytestmark}
        assert [vector["name"] for vector in marks["vector"]] == names_in(FOLDER / f"{file}.json")
