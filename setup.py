"""The wheel holds ``app`` within ``mlcnc_dashboard``, where no module of somebody else takes its place."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["mlcnc*"]),
        *(f"mlcnc_dashboard.{name}" for name in find_packages(include=["app*"])),
    ],
    package_dir={"mlcnc_dashboard.app": "app"},
)
