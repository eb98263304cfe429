"""One real Slurm for the tests of this folder, which all run in one worker."""

from __future__ import annotations

import os

import pytest

from tests.slurm.cluster import Cluster, ClusterError


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Start Slurm, where MLCNC_REQUIRE_SLURM asks for it: then a test fails where it cannot start."""
    if not os.environ.get("MLCNC_REQUIRE_SLURM"):
        pytest.skip(
            "a Slurm of two nodes takes a minute; MLCNC_REQUIRE_SLURM=1 runs these tests, with Slurm and munge"
        )
    running = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        running.start()
    except ClusterError as error:
        running.end()
        pytest.fail(str(error))
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(running.configuration)
    yield running
    running.end()
    if before is None:
        del os.environ["SLURM_CONF"]
    else:
        os.environ["SLURM_CONF"] = before
