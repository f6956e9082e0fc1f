"""`texgen verify`, without its command line: a finished data set against what it says of itself."""

from texgen.verify.check import verify
from texgen.verify.deep import Deep
from texgen.verify.findings import Checked, OnChecked, VerifyReport

__all__ = ["Checked", "Deep", "OnChecked", "VerifyReport", "verify"]
