"""One tiny real training run a session of tests, and where the shared reference data are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import settings

from mlcnc.config import ExperimentConfig, override

# two workers and what they start share the cores: each has one, a thread that waits sleeps, no example has a deadline
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

TINY = {
    "data": {"num_samples": 96},
    "method": {"embedding_dim": 24, "num_heads": 2, "projection_dim": 7, "warmup_epochs": 1},
    "training": {
        "epochs": 3,
        "arrays_every": 1,
        "num_sample_pairs": 120,
        "num_probes": 5,
        "num_threads": 1,
    },
}


def tiny_config(method: Mapping[str, object] | None = None, **training: object) -> ExperimentConfig:
    """Return a config that trains real data for seconds, with changes to its method and its training."""
    return override(override(ExperimentConfig(), TINY), {"method": method or {}, "training": training})


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory, worker_id):
    """Keep the tests out of the user's cache; the workers of one session share theirs."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if worker_id != "master" else base) / "cache"
    before = os.environ.get("MLCNC_CACHE")
    os.environ["MLCNC_CACHE"] = str(folder)
    yield
    if before is None:
        del os.environ["MLCNC_CACHE"]
    else:
        os.environ["MLCNC_CACHE"] = before


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Return the runs root of one real, tiny, finished run called ``tiny``."""
    from mlcnc.training import train

    root = tmp_path_factory.mktemp("runs")
    train(tiny_config(), runs_root=root, run_id="tiny", say=lambda text: None, show_progress=False)
    return root


def shared_data(name: str) -> Path:
    """Return a folder of the shared data, e.g. ``voc07-lt``, or skip the test where it is absent."""
    folder = SHARED / "data" / name
    if not folder.is_dir():
        pytest.skip(f"the shared data {name} are not beside this checkout")
    return folder


@pytest.fixture
def shared():
    """Return the folder of shared reference data, or skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the shared reference data are not beside this checkout")
    return SHARED
