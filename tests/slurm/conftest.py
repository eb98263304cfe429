"""One real Slurm for the tests of this folder, which all run in one worker."""

from __future__ import annotations

import os

import pytest

from tests.slurm.cluster import Cluster, ClusterError


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Start Slurm; where it cannot start the test fails under MLCNC_REQUIRE_SLURM, and is skipped elsewhere."""
    running = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        running.start()
    except ClusterError as error:
        running.end()
        (pytest.fail if os.environ.get("MLCNC_REQUIRE_SLURM") else pytest.skip)(str(error))
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(running.configuration)
    yield running
    running.end()
    if before is None:
        del os.environ["SLURM_CONF"]
    else:
        os.environ["SLURM_CONF"] = before
