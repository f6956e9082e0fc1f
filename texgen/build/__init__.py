"""`texgen build`, without its command line."""

from texgen.build.finish import Failures
from texgen.build.run import BuildRequest, BuildSummary, build
from texgen.build.view import Silent, Status, View

__all__ = [
    "BuildRequest",
    "BuildSummary",
    "Failures",
    "Silent",
    "Status",
    "View",
    "build",
]
