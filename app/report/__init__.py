"""A few runs on one page, for a reader without Python."""

from app.report.command import add_command

__all__ = ["add_command"]
