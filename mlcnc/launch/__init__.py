"""Jobs in processes of their own: queued in a table, one a device, stopped and found again whatever dies."""

from mlcnc.errors import LaunchError
from mlcnc.launch.job import Job
from mlcnc.launch.jobs import Jobs
from mlcnc.launch.request import JobRequest, argv_of, command_line

__all__ = ["Job", "JobRequest", "Jobs", "LaunchError", "argv_of", "command_line"]
