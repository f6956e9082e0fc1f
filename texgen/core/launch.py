"""Python processes that run exactly this process's code, whatever folder a command is typed in.

Python looks for modules in the current folder first where it is started with ``-c`` or ``-m``.
There another texgen may lie, or a file that happens to be called as a module.
"""

from __future__ import annotations

import os
import sys

_START = """\
import sys
sys.path[:] = {path!a}
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("texgen", {package!a})
sys.modules["texgen"] = texgen = module_from_spec(spec)
spec.loader.exec_module(texgen)
del spec, texgen
{code}
"""


def leave_current_folder_out() -> None:
    """Takes the current folder off the path of ``python -m texgen``; other programs keep theirs.

    To be called before anything else is imported, while Python still looks for the module.
    """
    if sys.argv[:1] != ["-m"]:
        return
    module = sys.orig_argv[-len(sys.argv)].rpartition("-m")[2]
    if module.partition(".")[0] == "texgen":
        if sys.path and sys.path[0] == _current_folder():
            del sys.path[0]
        drop_empty_elements()


def drop_empty_elements() -> None:
    """Drops the empty elements of PYTHONPATH, for this process and those that it starts.

    They mean the current folder, and come about by themselves: ``PYTHONPATH=$PYTHONPATH:lib``
    has one where nothing was set before. A folder that is named stays, as ``.`` does.
    """
    words = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    named = [word for word in words if word]
    # One that is not set, or holds nothing at all, means nothing.
    if len(words) == 1 or len(named) == len(words):
        return
    os.environ["PYTHONPATH"] = os.pathsep.join(named)
    here = _current_folder()
    if here is not None and here not in map(os.path.abspath, named):
        sys.path[:] = [folder for folder in sys.path if folder != here]


def module_path() -> list[str]:
    """Where this process's children look for modules: where it does itself, by name."""
    return [folder for folder in sys.path if folder]


def package_file() -> str:
    """The file that this process's texgen begins with."""
    # No pathlib: it takes 5 ms, and this module comes first.
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    return os.path.join(package, "__init__.py")  # noqa: PTH118


def python_command(code: str) -> list[str]:
    """The command line of a Python process that runs ``code`` with this process's texgen.

    It imports all else from where this process does. Further words of the line are its
    ``sys.argv[1:]``.
    """
    # Here, so that `leave_current_folder_out` comes before every import.
    from multiprocessing.util import _args_from_interpreter_flags  # type: ignore[attr-defined]

    start = _START.format(path=module_path(), package=package_file(), code=code)
    return [sys.executable, *_args_from_interpreter_flags(), "-c", start]


def _current_folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - see `package_file`
    except OSError:
        return None
