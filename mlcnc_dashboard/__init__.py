"""The commands of the dashboard, which ``mlcnc`` finds as entry points of the group ``mlcnc.commands``.

The dashboard itself is the folder ``app``: beside this package in a clone, within it when installed, so that it
neither hides somebody's module ``app`` nor is hidden by one.
"""

from mlcnc_dashboard.report import add_report
from mlcnc_dashboard.serve import add_dashboard

__all__ = ["add_dashboard", "add_report"]
