"""Jobs on a cluster: given to Slurm through submitit, watched and cancelled there, in one list with the others.

``jobs`` joins them to the table of :mod:`mlcnc.launch`; all else knows only commands and the words of Slurm.
"""

from mlcnc.slurm.commands import is_here, require_here
from mlcnc.slurm.jobs import AllJobs

__all__ = ["AllJobs", "is_here", "require_here"]
