"""Checks a finished data set; `texgen verify` without its command line."""

from texgen.verify.check import verify
from texgen.verify.deep import DeepOptions
from texgen.verify.findings import OnVerifyProgress, VerifyProgress, VerifyReport

__all__ = ["DeepOptions", "OnVerifyProgress", "VerifyProgress", "VerifyReport", "verify"]
