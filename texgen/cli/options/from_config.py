"""Click options made from the fields of config dataclasses (see `texgen.core.options`)."""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import click

Command = TypeVar("Command", bound=Callable[..., Any])
Option = Callable[[Any], Any]
"""Decorator that `click.option` returns."""


def option_group(*options: Option) -> Option:
    """Returns one decorator for several options, which ``--help`` shows in this order."""

    def decorate(command: Command) -> Command:
        # Click shows the option first that is applied last.
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def config_option(config: type, name: str, *declarations: str, **settings: Any) -> Option:  # noqa: ANN401
    """Returns the option of a config's field, with the field's default, type, range and help.

    Args:
        config: Dataclass whose field was made by `texgen.core.options`.
        name: Name of the field: ``rank_timeout`` becomes ``--rank-timeout``.
        declarations: Names of the option and the parameter where they differ from ``name``.
        settings: Arguments of `click.option` that replace those from the field.
    """
    field = _field(config, name)
    from_field = {
        "help": field.metadata["help"],
        **_type_of(_type_hints(config)[name], field),
        **_default_of(field),
    }
    if "default" in settings:
        from_field.pop("required", None)
    return click.option(*(declarations or [_flag_name(field)]), **{**from_field, **settings})


def config_options(
    config: type, special: Mapping[str, Option] | None = None, *, without: Collection[str] = ()
) -> list[Option]:
    """Returns the options of all fields of a config that have a help text, in their order.

    Args:
        config: See `config_option`.
        special: Options by field name that replace those made from the field.
        without: Names of fields to leave out.
    """
    special = special or {}
    return [
        special.get(field.name) or config_option(config, field.name)
        for field in dataclasses.fields(config)
        if field.name not in without and (field.name in special or "help" in field.metadata)
    ]


def config_values(config: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options that are named like fields of a config and are not None."""
    names = [field.name for field in dataclasses.fields(config)]
    return {name: options[name] for name in names if options.get(name) is not None}


_type_hints = functools.cache(get_type_hints)


def _field(config: type, name: str) -> dataclasses.Field[Any]:
    return next(field for field in dataclasses.fields(config) if field.name == name)


def _flag_name(field: dataclasses.Field[Any]) -> str:
    flag = f"--{field.name.replace('_', '-')}"
    return f"{flag}/--no-{flag[2:]}" if field.default is True else flag


def _default_of(field: dataclasses.Field[Any]) -> dict[str, Any]:
    if field.default is dataclasses.MISSING:
        return {"required": True}
    return {"is_flag": True} if field.default is False else {"default": field.default}


def _type_of(hint: Any, field: dataclasses.Field[Any]) -> dict[str, Any]:  # noqa: ANN401 - a type
    """Returns click's ``type``, and ``nargs`` or ``multiple`` for a tuple."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(one for one in get_args(hint) if one is not type(None))
    if get_origin(hint) is not tuple:
        return {"type": _value_type(hint, field)}
    each, last = get_args(hint)[0], get_args(hint)[-1]
    length = {"multiple": True} if last is Ellipsis else {"nargs": len(get_args(hint))}
    return {"type": _value_type(each, field), **length}


def _value_type(hint: type, field: dataclasses.Field[Any]) -> Any:  # noqa: ANN401 - click takes any
    least, most = field.metadata.get("min"), field.metadata.get("max")
    if choices := field.metadata.get("choices"):
        return click.Choice(choices)
    if least is None and most is None:
        return hint
    if hint is int:
        return click.IntRange(least, most)
    return click.FloatRange(least, most, min_open=field.metadata.get("min_open", False))
