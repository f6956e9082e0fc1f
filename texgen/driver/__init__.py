"""`texgen build`, without its command line."""

from texgen.driver.finish import Failures
from texgen.driver.run import BuildRequest, BuildSummary, build
from texgen.driver.view import Silent, Status, View

__all__ = [
    "BuildRequest",
    "BuildSummary",
    "Failures",
    "Silent",
    "Status",
    "View",
    "build",
]
