"""Checks a finished data set; `texgen verify` without its command line."""

from texgen.verify.check import verify
from texgen.verify.deep import Deep
from texgen.verify.findings import Checked, OnChecked, VerifyReport

__all__ = ["Checked", "Deep", "OnChecked", "VerifyReport", "verify"]
