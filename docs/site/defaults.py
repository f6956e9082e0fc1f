"""Shows defaults by their values in the Python reference: ``size: int = 224``."""

from __future__ import annotations

import importlib
from typing import Any

import griffe


class Defaults(griffe.Extension):
    """Replaces a parameter's default that is the name of a number or a text by its value."""

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:  # noqa: ANN401
        """Looks the defaults of one function up in its module."""
        for parameter in func.parameters:
            if isinstance(parameter.default, griffe.ExprName):
                module = importlib.import_module(func.module.path)
                value = getattr(module, parameter.default.name, None)
                if isinstance(value, int | float | str):
                    parameter.default = repr(value)
