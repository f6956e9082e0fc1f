"""`texgen build` and `texgen plan` as functions, without their command lines."""

from texgen.build.build import BuildSummary, build
from texgen.build.dry_run import DryRun, dry_run
from texgen.build.finish import Failures
from texgen.build.overwrite import describe_holdings
from texgen.build.plan import BuildRequest
from texgen.build.progress import BuildMonitor, BuildProgress, SilentMonitor

__all__ = [
    "BuildMonitor",
    "BuildProgress",
    "BuildRequest",
    "BuildSummary",
    "DryRun",
    "Failures",
    "SilentMonitor",
    "build",
    "describe_holdings",
    "dry_run",
]
