"""Jobs in processes of their own: queued in a table, one a device, stopped and found again whatever dies."""

from mlcnc.errors import JobNotFoundError, LaunchError
from mlcnc.launch.devices import Device, chosen_device, devices
from mlcnc.launch.job import Job, Telemetry
from mlcnc.launch.jobs import Jobs
from mlcnc.launch.obstacles import obstacles
from mlcnc.launch.request import JobRequest, argv_of, command_line

__all__ = [
    "Device",
    "Job",
    "JobNotFoundError",
    "JobRequest",
    "Jobs",
    "LaunchError",
    "Telemetry",
    "argv_of",
    "chosen_device",
    "command_line",
    "devices",
    "obstacles",
]
