"""`texgen build`, without its command line."""

from texgen.driver.discard import describe as describe_holdings
from texgen.driver.finish import Failures
from texgen.driver.request import BuildRequest
from texgen.driver.run import BuildSummary, build
from texgen.driver.survey import Survey, survey
from texgen.driver.view import Silent, Status, View

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
