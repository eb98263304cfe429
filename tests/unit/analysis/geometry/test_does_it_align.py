"""Runs of one recipe taken together, and the two that part nothing but the share of the alignment loss."""

from mlcnc.analysis.geometry.does_it_align import alignment_cases, alignment_groups, contrasting_cases
from mlcnc.analysis.runs.rows import run_rows
from mlcnc.store import RunStore
from tests.conftest import ROOT

NAMES = ("voc07-etf-s0", "voc07-etf-s1", "voc07-trainable-aligned-s0", "voc07-etf-aligned-s0", "digits-etf-s0")


def test_two_runs_of_one_data_set_and_embedding_are_set_against_each_other():
    runs = [RunStore(ROOT / "runs").open(name) for name in NAMES]
    cases = {case.run_id: case for case in alignment_cases(runs)}
    groups = alignment_groups(list(cases.values()), run_rows(runs))
    plain = next(group for group in groups if group.recipe == "MLC-NC etf" and group.dataset == "voc07-lt")
    both = [cases["voc07-etf-s0"].share, cases["voc07-etf-s1"].share]
    assert (plain.share.low, plain.share.high) == (100 * min(both), 100 * max(both))
    assert plain.share.num_runs == 2
    # of two seeds the one that measured its gradient more often
    assert [case.run_id for case in contrasting_cases(groups)] == ["voc07-etf-s0", "voc07-etf-aligned-s0"]
    alone = [group for group in groups if group.dataset == "digits-lt"]
    assert [case.run_id for case in contrasting_cases(alone)] == ["digits-etf-s0"]
    assert contrasting_cases([]) == []
    assert alone[0].test.written(2) == "0.00 (n=1)", "no minus before zero"
