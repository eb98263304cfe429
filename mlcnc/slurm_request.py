"""What a job asks Slurm for."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

SLURM = "slurm"
"""What a job is queued for that Slurm starts, wherever it finds room."""


class SlurmRequest(BaseModel):
    """Nodes, devices and time of one job. What else a site asks for, e.g. an account, sbatch takes from its own
    variables: SBATCH_ACCOUNT, SBATCH_QOS, SBATCH_MEM_PER_GPU, SBATCH_CONSTRAINT."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    partition: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.,-]{0,99}$",
        description="the queue of the cluster; none takes the one that Slurm takes itself",
    )
    nodes: int = Field(1, ge=1, le=4096, description="machines")
    gpus_per_node: int = Field(0, ge=0, le=64, description="GPUs of each; one process computes on each GPU")
    cpus_per_task: int = Field(
        1, ge=1, le=1024, description="processor cores of each process, for those that read images too"
    )
    minutes: int = Field(
        ge=1, le=525_600, description="time limit in minutes; what was logged until then is kept"
    )

    @property
    def tasks_per_node(self) -> int:
        """One process a GPU; one on the processor where there is none."""
        return max(1, self.gpus_per_node)


def warned_seconds(minutes: int) -> int:
    """Return how long before its time limit a job is asked to stop: 90 s, or a tenth of a shorter limit."""
    return min(90, 6 * minutes)
