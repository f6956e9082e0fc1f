"""`texgen build`, without its command line."""

from texgen.build.build import BuildSummary, build
from texgen.build.dry_run import Survey, survey
from texgen.build.finish import Failures
from texgen.build.overwrite import describe as describe_holdings
from texgen.build.progress import Silent, Status, View
from texgen.build.request import BuildRequest

__all__ = [
    "BuildRequest",
    "BuildSummary",
    "Failures",
    "Silent",
    "Status",
    "Survey",
    "View",
    "build",
    "describe_holdings",
    "survey",
]
